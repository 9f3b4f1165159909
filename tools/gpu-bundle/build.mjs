/**
 * One archive that tests and measures the engine on a GPU machine where nothing is installed:
 *
 *   npm run gpu:bundle -- [--out .cache/gpu-bundle]
 *
 * It holds this Node, ONNX Runtime with its WebGPU provider, a Vulkan loader (when tools/vulkan/fetch.sh brought one), this package with
 * the checks and benchmarks in one script, the training graphs compiled beforehand, and run.sh. Linux on x86-64 only.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"; // prettier-ignore
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { createEngine } from "@r1reward/stablereinforce";
import { CONFIGS, makeStep, shapesOf } from "../../bench/train-model.mjs";

const LIMIT_MB = 60;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: flags } = parseArgs({ options: { out: { type: "string", default: at("../../.cache/gpu-bundle") } } });
if (process.platform !== "linux" || process.arch !== "x64") {
  console.log(`skipped gpu-bundle: it is made on Linux x64, here is ${process.platform} ${process.arch}`);
  process.exit(0);
}

const out = resolve(flags.out);
const name = "r1reward-gpu";
const folder = join(out, name);
rmSync(folder, { recursive: true, force: true });
mkdirSync(join(folder, "graphs"), { recursive: true });
mkdirSync(join(folder, "lib"));

/** The folder of an installed package; not every package lets its package.json be asked for. */
const rootOf = (specifier) => {
  const entry = createRequire(import.meta.url).resolve(specifier);
  return entry.slice(0, entry.lastIndexOf(join("node_modules", specifier)) + join("node_modules", specifier).length);
};
const copyPackage = (specifier, parts) => {
  const root = rootOf(specifier);
  for (const part of ["package.json", ...parts])
    cpSync(join(root, part), join(folder, "node_modules", specifier, part), { recursive: true });
};
copyPackage("onnxruntime-node", ["dist", "bin/napi-v6/linux/x64"]);
copyPackage("onnxruntime-common", ["dist/cjs"]);
copyFileSync(realpathSync(process.execPath), join(folder, "node"));
copyFileSync(at("run.sh"), join(folder, "run.sh"));
copyFileSync(at("../../bench/train_torch.py"), join(folder, "train_torch.py"));
for (const file of ["node", "run.sh"]) chmodSync(join(folder, file), 0o755);

const vulkan = at("../../.cache/vulkan/root/usr/lib/x86_64-linux-gnu");
const loader = existsSync(vulkan) ? readdirSync(vulkan).find((file) => /^libvulkan\.so\.1\.\d/.test(file)) : undefined;
if (loader === undefined)
  console.log("note: no Vulkan loader to pack (tools/vulkan/fetch.sh brings one): the machine's own is used");
else copyFileSync(join(vulkan, loader), join(folder, "lib", "libvulkan.so.1"));

await build({
  entryPoints: [at("main.mjs")],
  outfile: join(folder, "app.mjs"),
  bundle: true,
  minify: true,
  platform: "node",
  format: "esm",
  target: "node20",
  tsconfigRaw: {},
  external: ["onnxruntime-*"],
  logLevel: "error",
  banner: { js: 'import { createRequire as _r } from "node:module"; const require = _r(import.meta.url);' },
});

// onnx-web makes the same graphs as a GPU provider of onnx-node: results are not written in place.
const engine = await createEngine({ runtime: "onnx-web", threads: 1 });
for (const [key, config] of Object.entries(CONFIGS)) {
  if (key === "C") continue; // its graph is made there: constants for 32,768 tokens would fill the archive
  const zeros = (shape) => ({ data: new Float32Array(shape.reduce((p, n) => p * n, 1)), shape, dtype: "float32" });
  const tree = () => Object.fromEntries(shapesOf(config).map(([path, shape]) => [path, zeros(shape)]));
  const state = { params: tree(), opt: { m: tree(), v: tree(), step: zeros([]) } };
  const tokens = { data: new Int32Array(config.batch * (config.length + 1)), shape: [config.batch, config.length + 1], dtype: "int32" }; // prettier-ignore
  const step = engine.compile(makeStep(config), { name: `train_${key}` });
  writeFileSync(join(folder, "graphs", `train-${key}.onnx`), await step.save(state, tokens));
  await step.dispose();
}
await engine[Symbol.asyncDispose]();

const archive = join(out, `${name}-linux-x64.tar.gz`);
execFileSync("sh", ["-c", `tar -cf - -C "${out}" ${name} | gzip -9 > "${archive}"`]);
const megabytes = statSync(archive).size / 1e6;
console.log(`${archive}: ${megabytes.toFixed(1)} MB (at most ${LIMIT_MB})`);
console.log(`on the GPU machine: tar -xzf ${name}-linux-x64.tar.gz && ./${name}/run.sh`);
process.exit(megabytes <= LIMIT_MB ? 0 : 1);
