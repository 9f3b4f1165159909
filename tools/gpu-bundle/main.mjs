/**
 * What run.sh starts on a GPU machine: is the provider right, and how fast is it? Results go to results.json and, as a table,
 * to the terminal. Exits with 1 when something is wrong; speed is never judged.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createEngine, createSampler, initParams, mapParams } from "@r1reward/stablereinforce";
import { CONFIGS, flopsPerStep, makeData, makeStep, shapesOf } from "../../bench/train-model.mjs";
import { reference, runSuite } from "../gpu/suite.mjs";

const HELP = `./run.sh [options]
  --provider webgpu   webgpu (Vulkan), cuda (its library beside libonnxruntime.so.1), or cpu
  --precision float32 float32, float16, or bfloat16 (cuda only): type of matrix products
  --configs A,B       training steps to measure: A 0.9, B 5.9, C 42 million parameters
  --steps 10          measured steps, after two that warm up
  --quick             config A, three steps, a little sampling: for software drivers
  --python python3    with torch, PyTorch's same step is measured beside ours, on its GPU if it has one
  --out results.json`;

const { values: flags } = parseArgs({
  options: {
    provider: { type: "string", default: "webgpu" },
    precision: { type: "string", default: "float32" },
    configs: { type: "string", default: "A,B" },
    steps: { type: "string", default: "10" },
    quick: { type: "boolean", default: false },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: "results.json" },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(HELP);
  process.exit(0);
}
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const { provider, precision } = flags;
const configs = flags.quick ? ["A"] : flags.configs.split(",");
const steps = flags.quick ? 3 : Number(flags.steps);
const WARMUP = 2;
const ALLOWED = { float32: [1e-3, 1], float16: [4e-2, 0.7], bfloat16: [3e-1, 0.4] }[precision];
if (ALLOWED === undefined) throw new Error(`--precision: expected float32, float16 or bfloat16, got ${precision}`);

const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];
const said = (command, args) => {
  const run = spawnSync(command, args, { encoding: "utf8", timeout: 180_000 });
  return run.status === 0 ? run.stdout.trim() : null;
};

/** Compiled beforehand where the archive has it; the arguments' shapes are those of the configuration. */
const stepOf = async (engine, key) => {
  const step = engine.compile(makeStep(CONFIGS[key]), { name: `train_${key}`, donate: [0] });
  const file = here(`graphs/train-${key}.onnx`);
  const saved = precision === "float32" && existsSync(file); // saved graphs have their precision in them
  if (saved) await step.load(readFileSync(file));
  return { step, saved };
};

const measureStep = async (engine, key) => {
  const config = CONFIGS[key];
  const { weights, tokens } = makeData(config);
  const shapes = shapesOf(config);
  const tree = (f) => Object.fromEntries(shapes.map(([name, shape], i) => [name, f(shape, i)]));
  const zeros = () => tree((shape) => engine.tensor(new Float32Array(shape.reduce((p, n) => p * n, 1)), shape));
  const params = tree((shape, i) => engine.tensor(weights[i], shape));
  let state = { params, opt: { m: zeros(), v: zeros(), step: engine.tensor(0) } };
  const batch = engine.tensor(tokens, [config.batch, config.length + 1]);
  const prepared = performance.now();
  const { step, saved } = await stepOf(engine, key);
  const [times, losses] = [[], []];
  for (let i = 0; i < WARMUP + steps; i++) {
    const start = i === 0 ? prepared : performance.now();
    const out = await step(state, batch);
    losses.push(await engine.number(out.loss));
    engine.dispose(out.loss);
    state = out.state;
    times.push(performance.now() - start);
  }
  engine.dispose([state, batch]);
  await step.dispose();
  const ms = median(times.slice(WARMUP));
  return { config: key, ms, firstMs: times[0], gflops: flopsPerStep(config) / ms / 1e6, compiledBefore: saved, losses };
};

const measureTorch = (key) => {
  const config = CONFIGS[key];
  const folder = mkdtempSync(join(tmpdir(), "r1reward-gpu-"));
  const bytes = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  const { weights, tokens } = makeData(config);
  writeFileSync(join(folder, "weights.bin"), Buffer.concat(weights.map(bytes)));
  writeFileSync(join(folder, "tokens.bin"), bytes(tokens));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, shapes: shapesOf(config) }));
  const args = [here("train_torch.py"), folder, "torch", String(WARMUP), String(steps), String(cpus().length), "auto"];
  const run = spawnSync(flags.python, args, { encoding: "utf8", timeout: 1_800_000 });
  rmSync(folder, { recursive: true });
  if (run.status !== 0) return { config: key, error: (run.stderr ?? String(run.error)).trim().split("\n").at(-1) };
  const found = JSON.parse(run.stdout.trim().split("\n").at(-1));
  return { config: key, ...found, gflops: flopsPerStep(config) / found.ms / 1e6 };
};

const measureSampling = async (engine) => {
  const config = { vocabSize: 4096, hiddenSize: 256, layers: 6, heads: 8, kvHeads: 8, intermediateSize: 704, tiedEmbeddings: true }; // prettier-ignore
  const [batch, promptLength, maxTokens] = flags.quick ? [4, 16, 8] : [64, 128, 128];
  const prompts = Array.from({ length: batch }, (_, i) => ({
    tokens: Int32Array.from(
      { length: promptLength },
      (_each, t) => (i * 7919 + t * t * 31 + t * 17) % config.vocabSize,
    ),
    seeds: [i],
  }));
  const params = mapParams(initParams(config, 1), (x) => engine.tensor(x.data, x.shape, x.dtype));
  const sampler = createSampler(engine, config, { maxBatch: 64 });
  const seconds = [];
  for (let round = 0; round < 2; round++) {
    const start = performance.now();
    await sampler.sample(params, prompts, { maxTokens });
    seconds.push((performance.now() - start) / 1e3);
  }
  await sampler[Symbol.asyncDispose]();
  return {
    batch,
    promptLength,
    maxTokens,
    tokensPerSecond: (batch * maxTokens) / seconds[1],
    firstSeconds: seconds[0],
  };
};

/** WGSL lets these be off by more than the contract allows: said, but no mistake. */
const LOOSE = new Set(["Asin: values", "Acos: values"]);
const isLoose = ({ name }) => provider === "webgpu" && LOOSE.has(name);

const verdict = ({ contract, lossDifference, tokens, tokensAgreed }) => [
  ...contract.failures.filter((one) => !isLoose(one)).map(({ name, message }) => `contract: ${name}: ${message}`),
  ...(lossDifference < ALLOWED[0] ? [] : [`losses differ from the CPU's by ${lossDifference}`]),
  ...(tokensAgreed >= ALLOWED[1] * tokens ? [] : [`${tokensAgreed} of ${tokens} greedy tokens agree with the CPU's`]),
];

const print = ({ machine, checks, training, torch, sampling }) => {
  const { contract, lossDifference, tokensAgreed, tokens } = checks;
  console.log(`${machine.gpu ?? "GPU: nvidia-smi does not say"}; ${machine.cpu}; ${provider}, ${precision}`);
  console.log(`kernel contract     ${contract.passed} of ${contract.total} checks pass`);
  for (const one of contract.failures.filter(isLoose))
    console.log(`  within WGSL's error: ${one.name}: ${one.message}`);
  console.log(`training, 8 steps   largest difference of a loss from the CPU's ${lossDifference.toExponential(1)}`);
  console.log(`sampling, greedy    ${tokensAgreed} of ${tokens} tokens equal the CPU's`);
  const line = (name, r) =>
    r.error ??
    `${name.padEnd(20)}${r.ms.toFixed(1).padStart(9)} ms ${r.gflops.toFixed(0).padStart(7)} GFLOP/s  loss ${r.losses[0].toFixed(5)} → ${r.losses.at(-1).toFixed(5)}`;
  for (const ours of training) {
    console.log(line(`step ${ours.config}, ours`, ours));
    const theirs = torch.find((one) => one.config === ours.config);
    if (theirs !== undefined) console.log(line(`step ${ours.config}, torch ${theirs.device ?? ""}`, theirs));
  }
  const { batch, promptLength, maxTokens, tokensPerSecond } = sampling;
  console.log(
    `sampling            ${tokensPerSecond.toFixed(0)} tokens/s (batch ${batch}, prompt ${promptLength}, ${maxTokens} new)`,
  );
};

const machine = {
  cpu: `${cpus().length} × ${cpus()[0]?.model}`,
  memoryGb: totalmem() / 2 ** 30,
  linux: release(),
  node: process.version,
  gpu: said("nvidia-smi", ["--query-gpu=name,driver_version", "--format=csv,noheader"]),
};
const want = await reference();
const engine = await createEngine({ runtime: "onnx-node", provider, precision });
const checks = await runSuite(engine, { want, precision });
const training = [];
for (const key of configs) training.push(await measureStep(engine, key));
const sampling = await measureSampling(engine);
const hasTorch = said(flags.python, ["-c", "import torch"]) !== null;
if (!hasTorch) console.log(`note: ${flags.python} has no torch: PyTorch's step is not measured`);
const torch = hasTorch ? configs.map(measureTorch) : [];
const wrong = verdict(checks);
const results = { machine, provider, precision, steps, checks, wrong, training, torch, sampling };
writeFileSync(flags.out, `${JSON.stringify(results, null, 2)}\n`);
print(results);
for (const one of wrong) console.log(`DIFFERENT ${one}`);
console.log(`written: ${flags.out}`);
process.exit(wrong.length > 0 ? 1 : 0);
