/**
 * Sampling with a key/value cache: ours against PyTorch (a loop written by hand) and Hugging Face's `generate`, in turn,
 * with the same weights and prompts.
 *
 *   npm run bench:sample -- [--batches 16,64] [--rounds 3] [--prompt 128] [--new 128]
 *                           [--engines ours-2t,ours-2w,torch,hf] [--python .venv/bin/python] [--json file]
 *
 * Config B: d 256, 6 layers, 8 heads, SwiGLU 704, vocabulary 4096, tied. Temperature 1 over the whole vocabulary; every
 * sequence has its own prompt and no stop token, so that all engines do the same work. Before timing, PyTorch's greedy
 * tokens are compared with ours. `cpu ms/token` is processor time of all threads: unlike tokens/s, it bears other load.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createEngine, createSampler, initParams, mapParams, toLlama } from "@r1reward/stablereinforce";
import { createSamplePool, saveSafetensors } from "@r1reward/stablereinforce/node";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    batches: { type: "string", default: "16,64" },
    rounds: { type: "string", default: "3" },
    prompt: { type: "string", default: "128" },
    new: { type: "string", default: "128" },
    engines: { type: "string", default: "ours-2t,ours-2w,torch,hf" },
    python: { type: "string", default: here("../.venv/bin/python") },
    json: { type: "string" },
  },
});
const [rounds, promptLength, newTokens] = [flags.rounds, flags.prompt, flags.new].map(Number);
const batches = flags.batches.split(",").map(Number);
const names = flags.engines.split(",");

const config = {
  vocabSize: 4096,
  hiddenSize: 256,
  layers: 6,
  heads: 8,
  kvHeads: 8,
  intermediateSize: 704,
  tiedEmbeddings: true,
};
const params = initParams(config, 1);
/** The same prompts on both sides: token t of sequence i. */
const promptOf = (i) =>
  Int32Array.from({ length: promptLength }, (_, t) => (i * 7919 + t * t * 31 + t * 17) % config.vocabSize);
const promptsFor = (batch, seed) =>
  Array.from({ length: batch }, (_, i) => ({ tokens: promptOf(i), seeds: [seed * 1000 + i] }));

const folder = mkdtempSync(join(tmpdir(), "bench-sample-"));
await saveSafetensors(join(folder, "model.safetensors"), toLlama(config, params), { metadata: { format: "pt" } });
writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, promptLength, threads: 2 }));

const timed = async (work) => {
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  const tokens = await work();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { tokensPerSecond: (tokens / ms) * 1e3, cpuMsPerToken: (user + system) / 1e3 / tokens };
};

const count = (made) => made.flat().reduce((sum, { tokens }) => sum + tokens.length, 0);

/** Ours, one engine with two threads, or two workers with one each. */
const ours = {
  "ours-2t": async () => {
    const engine = await createEngine({ runtime: "onnx-node", threads: 2 });
    const sampler = createSampler(engine, config, { maxBatch: 64 });
    // placed on the engine once, as a trainer does
    const placed = mapParams(params, ({ data, shape, dtype }) => engine.tensor(data, shape, dtype));
    return {
      sample: (prompts, how) => sampler.sample(placed, prompts, how),
      close: () => engine[Symbol.asyncDispose](),
    };
  },
  "ours-2w": async () => {
    const pool = createSamplePool(config, { workers: 2, threads: 1, maxBatch: 32 });
    return { sample: (prompts, how) => pool.sample(params, prompts, how), close: () => pool[Symbol.asyncDispose]() };
  },
};

const oursEngine = async (name) => {
  const { sample, close } = await ours[name]();
  const run = (batch, round) =>
    timed(async () => count(await sample(promptsFor(batch, round), { maxTokens: newTokens })));
  const greedy = async () => {
    const made = await sample(promptsFor(4, 0), { maxTokens: 16, temperature: 0 });
    return made.map(([one]) => [...one.tokens]);
  };
  return { run, greedy, close };
};

/** PyTorch, in one process that is asked line by line. */
const python = () => {
  // Waiting threads that sleep are PyTorch's better setting on few cores, above all beside other work.
  const env = { ...process.env, OMP_WAIT_POLICY: "PASSIVE", GOMP_SPINCOUNT: "0" };
  const child = spawn(flags.python, [here("sample_torch.py"), folder], { stdio: ["pipe", "pipe", "inherit"], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error("the PyTorch process ended early");
    return JSON.parse(value);
  };
  return { ask, close: () => child.stdin.end() };
};

const needsPython = names.some((name) => !(name in ours));
const torch = needsPython ? python() : null;
const engines = new Map();
for (const name of names) {
  if (name in ours) engines.set(name, await oursEngine(name));
  else
    engines.set(name, {
      run: (batch, round) => torch.ask({ mode: name, batch, newTokens, seed: round }),
      greedy: async () => (await torch.ask({ mode: name, batch: 4, newTokens: 16, greedy: true })).tokens,
      close: () => undefined,
    });
}

const greedy = new Map();
for (const [name, engine] of engines) greedy.set(name, JSON.stringify(await engine.greedy()));
const agree = new Set(greedy.values()).size === 1;
console.log(
  agree ? "greedy tokens: equal in all engines" : `greedy tokens DIFFER: ${JSON.stringify([...greedy], null, 1)}`,
);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const results = [];
for (const batch of batches) {
  const runs = new Map(names.map((name) => [name, []]));
  for (const engine of engines.values()) await engine.run(batch, 0); // graphs, allocators, caches
  for (let round = 1; round <= rounds; round++) {
    for (const [name, engine] of engines) runs.get(name).push(await engine.run(batch, round));
  }
  for (const [name, all] of runs) {
    const each = (key) => all.map((one) => one[key]);
    results.push({
      batch,
      engine: name,
      tokensPerSecond: median(each("tokensPerSecond")),
      best: Math.max(...each("tokensPerSecond")),
      cpuMsPerToken: median(each("cpuMsPerToken")),
    });
  }
}

console.log(
  `prompt ${promptLength} + ${newTokens} new tokens, ${rounds} rounds, median (best); ${cpus()[0].model}, ${availableParallelism()} CPUs, load ${loadavg()[0].toFixed(1)}`,
);
for (const { batch, engine, tokensPerSecond, best, cpuMsPerToken } of results) {
  const speed = `${tokensPerSecond.toFixed(0)} (${best.toFixed(0)})`.padStart(14);
  console.log(
    `batch ${String(batch).padStart(3)}  ${engine.padEnd(8)} ${speed} tokens/s   ${cpuMsPerToken.toFixed(3)} cpu ms/token`,
  );
}
if (flags.json)
  writeFileSync(
    flags.json,
    `${JSON.stringify({ agree, config, promptLength, newTokens, load: loadavg(), results }, null, 2)}\n`,
  );
torch?.close();
for (const engine of engines.values()) await engine.close();
rmSync(folder, { recursive: true, force: true });
process.exit(agree ? 0 : 1);
