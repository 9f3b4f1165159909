// Runs this package on the binding that build.sh made: the kernel contract, the golden transformers, a small training.
// Exits with 1 when a result is wrong or when a kernel outside the known gaps fails its contract.
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const cache = process.env.TFJS_NODE_CACHE ?? at("../../.cache/tfjs-node");
if (!existsSync(`${cache}/app/node_modules/@tensorflow/tfjs-node/lib`)) {
  console.log(`skipped: nothing is built in ${cache}; run tools/tfjs-node/build.sh`);
  process.exit(0);
}

/** What TensorFlow's own kernels, or tfjs-node's calls of them, do otherwise, and why. Each must still fail. */
const GAPS = {
  "SearchSorted: left": "tfjs-node registers no SearchSorted kernel",
  "refuses Add shapes": "it is refused, but TensorFlow's message does not say broadcast",
  "SearchSorted: float32 in int32": "tfjs-node registers no SearchSorted kernel",
  "Mod: int32 by 0 and −1": "TensorFlow refuses to divide integers by 0",
  "Mod: int32 by one number": "TensorFlow refuses to divide integers by 0",
  "FloorDiv: int32 by 0 and −1": "TensorFlow refuses to divide integers by 0",
  "IsNan: int32": "TensorFlow has it for floats alone",
  "IsInf: int32": "TensorFlow has it for floats alone",
  "IsFinite: bool": "TensorFlow has it for floats alone",
  "LeakyRelu: int32 is float32": "TensorFlow has it for floats alone",
  "Select: int32 and float32": "TensorFlow's two sides must have one dtype",
  "refuses OneHot of 2^40 classes":
    "tfjs-node hands the depth over in 32 bits: 2^40 becomes 0, and the result is empty",
};

// The bundle lies beside the binding, so that it and this package share one copy of TensorFlow.js.
const outfile = `${cache}/app/check-package.mjs`;
await build({
  stdin: {
    contents: `
      export { createEngine } from "./engine/index.ts";
      export { kernelContract } from "./testing/index.ts";
      export * from "./model/index.ts";
      export { decodeSafetensors, toFloat32 } from "./safetensors/index.ts";
      export * as tf from "@tensorflow/tfjs-core";`,
    resolveDir: at("../../packages/stablereinforce/src"),
    loader: "ts",
  },
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  logLevel: "error",
  alias: { "@r1reward/core": at("../../packages/core/src/errors.ts") },
  external: ["@tensorflow/*", "onnxruntime-*", "pure-rand"],
});

process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
const ours = await import(pathToFileURL(outfile).href);
const { readFileSync } = await import("node:fs");
const engine = await ours.createEngine({ runtime: "tfjs-node" });
const wrong = [];

const failed = [];
const checks = ours.kernelContract(engine);
for (const { name, check } of checks) {
  const error = await check().then(
    () => null,
    (thrown) => thrown,
  );
  if (error !== null) failed.push(name);
  if (error !== null && !(name in GAPS)) wrong.push(`${name}: ${String(error.message).split("\n")[0]}`);
  if (error === null && name in GAPS) wrong.push(`${name}: passes now, take it off the list`);
}
console.log(`kernel contract: ${checks.length - failed.length} of ${checks.length} checks pass`);
for (const name of failed) console.log(`  different: ${name}: ${GAPS[name] ?? "NOT EXPECTED"}`);

const configs = {
  "transformer-llama": { vocabSize: 23, hiddenSize: 16, layers: 2, heads: 4, kvHeads: 2, intermediateSize: 24, tiedEmbeddings: false },
  "transformer-qwen2": { vocabSize: 19, hiddenSize: 24, layers: 2, heads: 6, kvHeads: 1, intermediateSize: 20, ropeTheta: 1e6, normEps: 1e-5, tiedEmbeddings: true, qkvBias: true },
}; // prettier-ignore

const worst = (got, want) =>
  got.reduce(
    (most, x, i) => Math.max(most, Math.abs(x - want[i]) / (1 + Math.abs(want[i]))),
    got.length === want.length ? 0 : NaN,
  );

for (const [name, config] of Object.entries(configs)) {
  const file = at(`../../packages/stablereinforce/test/fixtures/${name}.safetensors`);
  const golden = ours.decodeSafetensors(readFileSync(file));
  const model = ours.transformer(config);
  const params = await ours.fromLlama(config, golden.get);
  const host = (key, dtype) => ({ data: golden.get(key).data, shape: golden.get(key).shape, dtype });
  const [tokens, mask] = [host("tokens", "int32"), host("mask", "float32")];
  const all = engine.compile((p, t, m) => ({
    logits: model.logits(p, t),
    ...ours.valueAndParamGrads((q) => model.loss(q, t, m), p),
  }));
  const out = await all(params, tokens, mask);
  const logits = worst((await engine.read(out.logits)).data, ours.toFloat32(golden.get("logits")));
  const expected = ours.namedParams(await ours.fromLlama(config, (tensor) => golden.get(`grad.${tensor}`)));
  let grads = 0;
  for (const [path, grad] of ours.namedParams(out.grads)) {
    grads = Math.max(grads, worst((await engine.read(grad)).data, expected.get(path).data));
  }
  console.log(
    `${name}: largest difference from PyTorch, logits ${logits.toExponential(1)}, gradients ${grads.toExponential(1)}`,
  );
  if (!(logits < 2e-5 && grads < 5e-5)) wrong.push(name);
}

const config = configs["transformer-llama"];
const model = ours.transformer(config);
let params = ours.initParams(config, 1);
const tokens = { data: Int32Array.from({ length: 64 }, (_, i) => (i * 5) % 7), shape: [4, 16], dtype: "int32" };
const mask = { data: new Float32Array(64).fill(1), shape: [4, 16], dtype: "float32" };
const step = engine.compile((p, t, m) => {
  const { value, grads } = ours.valueAndParamGrads((q) => model.loss(q, t, m), p);
  const slopes = ours.namedParams(grads);
  return { value, params: ours.mapParams(p, (x, name) => ours.tf.sub(x, ours.tf.mul(slopes.get(name), 0.5))) };
});
const losses = [];
for (let i = 0; i < 60; i++) {
  const out = await step(params, tokens, mask);
  losses.push(await engine.number(out.value));
  if (i > 0) engine.dispose(params);
  params = out.params;
}
console.log(`60 steps of gradient descent: loss ${losses[0].toFixed(3)} to ${losses.at(-1).toFixed(3)}`);
if (!(losses.at(-1) < 0.5 * losses[0])) wrong.push("training");

for (const line of wrong) console.error(`FAIL ${line}`);
process.exit(wrong.length > 0 ? 1 : 0);
