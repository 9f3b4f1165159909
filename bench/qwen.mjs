/**
 * Qwen2.5-VL's two towers against Hugging Face's on PyTorch, in turn, with the same weights, patches and tokens: the vision tower forward,
 * and the text tower forward and backward (all weights, mean cross-entropy of the next token).
 *
 *   npm run bench:qwen -- [--rounds 3] [--pictures 8] [--pixels 224] [--rows 8] [--length 256] [--threads 2]
 *                         [--python .venv/bin/python] [--json]
 *
 * Weights are random: text 384 wide with 6 layers, vision 256 wide with 6 blocks. Medians over rounds of each round's median of 5.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import {
  createEngine,
  qwenModel,
  qwenProcessor,
  registerGradients,
  valueAndNamedGrads,
  visionInputs,
} from "@r1reward/stablereinforce";
import { freshQwen, saveSafetensors } from "@r1reward/stablereinforce/node";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    pictures: { type: "string", default: "8" },
    pixels: { type: "string", default: "224" },
    rows: { type: "string", default: "8" },
    length: { type: "string", default: "256" },
    threads: { type: "string", default: "2" },
    python: { type: "string", default: here("../.venv/bin/python") },
    json: { type: "boolean", default: false },
  },
});
const [rounds, pictures, pixels, rows, length, threads] = [
  flags.rounds,
  flags.pictures,
  flags.pixels,
  flags.rows,
  flags.length,
  flags.threads,
].map(Number);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const work = mkdtempSync(join(tmpdir(), "bench-qwen-"));
const engine = await createEngine({ runtime: "onnx-node", threads });
const size = {
  hiddenSize: 384,
  layers: 6,
  heads: 6,
  kvHeads: 2,
  intermediateSize: 1024,
  visionHiddenSize: 256,
  visionDepth: 6,
  visionHeads: 4,
  visionIntermediateSize: 512,
  context: 1024,
};
const made = freshQwen({ engine, size, texts: ["a b c d e f g h"], vocabSize: 1024, initSeed: 3 });
const { config, policy } = made;
const folder = join(work, "model");
await made.save(folder, policy.parameters());

const processor = qwenProcessor({ minPixels: 784, maxPixels: pixels * pixels });
const noise = (n, seed) => Uint8Array.from({ length: n }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 13) & 255);
const seen = Array.from({ length: pictures }, (_, n) =>
  processor.image({ width: pixels, height: pixels, channels: 3, data: noise(3 * pixels * pixels, n) }),
);
const vocab = made.tokenizer.vocabSize;
const texts = Array.from({ length: rows }, (_, n) =>
  Int32Array.from({ length }, (_, i) => (Math.imul(i + 7 * n + 1, 40503) >>> 4) % Math.min(200, vocab)),
);
await saveSafetensors(join(work, "inputs.safetensors"), [
  ["patches", { dtype: "F32", shape: [seen.reduce((sum, { patches }) => sum + patches.length, 0) / 1176, 1176], data: Float32Array.from(seen.flatMap(({ patches }) => [...patches])) }], // prettier-ignore
  ["grids", { dtype: "I32", shape: [pictures, 3], data: Int32Array.from(seen.flatMap(({ grid }) => [...grid])) }],
  ["tokens", { dtype: "I32", shape: [rows, length], data: Int32Array.from(texts.flatMap((row) => [...row])) }],
]);

const weights = Object.entries(policy.parameters());
const params = Object.fromEntries(weights.map(([name, { data, shape }]) => [name, engine.tensor(data, shape)]));
const model = qwenModel(config);
const vision = engine.compile((given, inputs) => model.vision(given, inputs), { name: "vision" });
const visionGiven = visionInputs(
  seen.map(({ grid }) => grid),
  seen.map(({ patches }) => patches),
  config,
);

// One prompt token, and the rest as the reply whose log-probabilities count.
const batch = policy.collate(
  texts.map((row) => ({ promptTokens: row.slice(0, 1), tokens: row.slice(1) })),
  rows,
);
const counts = new Float32Array(rows * batch.length);
texts.forEach((row, n) => counts.fill(1 / (rows * (row.length - 1)), n * batch.length + batch.starts[n], n * batch.length + batch.starts[n] + row.length - 1)); // prettier-ignore
const step = engine.compile(
  (given, inputs, share) => {
    registerGradients();
    const loss = (leaves) => tf.neg(tf.sum(tf.mul(policy.logp(leaves, inputs).logp, share)));
    const { value, grads } = valueAndNamedGrads(loss, given);
    return { value, grads };
  },
  { name: "step" },
);
const text = Object.fromEntries(Object.entries(params).filter(([name]) => !name.startsWith("visual.")));
const share = engine.tensor(counts, [rows, batch.length]);

const timed = async (work) => {
  const times = [];
  for (let i = 0; i < 5; i += 1) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return median(times);
};
const ours = {
  vision: async () => {
    const out = await vision(params, visionGiven);
    const { data } = await engine.read(out);
    engine.dispose(out);
    return data.reduce((sum, x) => sum + Math.abs(x), 0) / data.length;
  },
  step: async () => {
    const { value, grads } = await step(text, batch.inputs, share);
    const loss = await engine.number(value);
    engine.dispose([value, grads]);
    return loss;
  },
};

const env = { ...process.env, OMP_WAIT_POLICY: "PASSIVE", GOMP_SPINCOUNT: "0", HF_HUB_OFFLINE: "1" };
const child = spawn(flags.python, [here("qwen_hf.py"), folder, join(work, "inputs.safetensors"), String(threads)], {
  stdio: ["pipe", "pipe", "inherit"],
  env,
});
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const ask = async (what) => {
  child.stdin.write(`${what}\n`);
  const { value, done } = await lines.next();
  if (done) throw new Error("the Python process ended early");
  return JSON.parse(value);
};

const results = [];
for (const what of ["vision", "step"]) {
  const [mine, theirs] = [await ours[what](), (await ask(what)).value];
  if (!(Math.abs(mine - theirs) <= 1e-4 * Math.abs(theirs))) throw new Error(`${what}: ${mine} here, ${theirs} there`);
  const times = { ours: [], torch: [] };
  for (let round = 0; round < rounds; round += 1) {
    times.ours.push(await timed(ours[what]));
    times.torch.push((await ask(what)).ms);
  }
  const [ms, torchMs] = [median(times.ours), median(times.torch)];
  results.push({ what, value: mine, torchValue: theirs, ms, torchMs, ratio: torchMs / ms });
}
child.stdin.end();
await made[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
rmSync(work, { recursive: true, force: true });

const machine = { cpu: cpus()[0].model, cores: availableParallelism(), load: loadavg()[0], threads, rounds };
if (flags.json) console.log(JSON.stringify({ ...machine, pictures, pixels, rows, length, results }, null, 2));
else {
  for (const { what, ms, torchMs, ratio } of results)
    console.log(
      `${what.padEnd(8)} ours ${ms.toFixed(1)} ms, PyTorch ${torchMs.toFixed(1)} ms, ${ratio.toFixed(2)} times`,
    );
}
