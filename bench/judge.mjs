/**
 * A tiny multimodal judge in this process against Hugging Face's `generate`, in turn, with the same weights, pairs and pictures.
 *
 *   npm run bench:judge -- [--pairs 32] [--rounds 3] [--warm 2] [--new 64] [--batch 64] [--threads 2] [--folder ./judge]
 *                          [--python .venv/bin/python] [--json]
 *
 * A judgement is one critique of one pair in one order: 112 × 112 pixels, a prompt of about 130 tokens, `--new` tokens written, none of
 * them ending it, so that both sides do the same work. Ours is asked as any judge is: `--batch` calls at once through `judgeWith`,
 * prompts encoded and pictures decoded within the time. Hugging Face is given token ids and patches ready made, in batches of 1 and of
 * `--batch`, with its default cache. Every round has other pairs. Before timing, greedy tokens are compared and `--warm` rounds are run. `cpu ms` is processor time of all threads for a
 * judgement: unlike judgements/s, it bears other load. Without `--folder` the weights are random: hidden 192, 5 layers, vision depth 3.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { deflateSync } from "node:zlib";
import { inlineMedia, judgeWith, loadMessages } from "@r1reward/core";
import { shapesDataset, shapesProtocol } from "@r1reward/core/shapes";
import {
  createEngine,
  processorOptionsFrom,
  qwenInputs,
  qwenProcessor,
  qwenTokenizer,
} from "@r1reward/stablereinforce";
import {
  freshQwen,
  imageDecoder,
  openLocalModel,
  readQwenConfig,
  saveSafetensors,
} from "@r1reward/stablereinforce/node";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    pairs: { type: "string", default: "32" },
    rounds: { type: "string", default: "3" },
    warm: { type: "string", default: "2" },
    new: { type: "string", default: "64" },
    batch: { type: "string", default: "64" },
    threads: { type: "string", default: "2" },
    folder: { type: "string" },
    python: { type: "string", default: here("../.venv/bin/python") },
    json: { type: "boolean", default: false },
  },
});
const [count, rounds, warm, newTokens, batch, threads] = [
  flags.pairs,
  flags.rounds,
  flags.warm,
  flags.new,
  flags.batch,
  flags.threads,
].map(Number);

/** Other pairs, and other pictures, in every round: nothing is remembered from the one before. */
const pairsOf = (round) =>
  [...shapesDataset({ n: count, seed: 5 + round, deflate: (data) => deflateSync(data) })].map(({ pair }) => pair);
const work = mkdtempSync(join(tmpdir(), "bench-judge-"));
const engine = await createEngine({ runtime: "onnx-node", threads });

/** A folder with random weights and a vocabulary of 1,024 tokens learnt from prompts. */
const randomFolder = async () => {
  const folder = join(work, "model");
  const texts = [...shapesDataset({ n: 200, seed: 1, deflate: (data) => deflateSync(data) })].flatMap(({ pair }) =>
    shapesProtocol
      .prompt(pair)
      .flatMap(({ content }) => content.flatMap((part) => (part.type === "text" ? [part.text] : []))),
  );
  const size = {
    hiddenSize: 192,
    layers: 5,
    heads: 6,
    kvHeads: 2,
    intermediateSize: 512,
    visionHiddenSize: 128,
    visionDepth: 3,
    visionHeads: 4,
    visionIntermediateSize: 256,
    context: 1024,
  };
  const made = freshQwen({ engine, size, texts, vocabSize: 1024, initSeed: 3 });
  await made.save(folder, made.policy.parameters());
  await made[Symbol.asyncDispose]();
  return folder;
};
const folder = flags.folder ?? (await randomFolder());

const config = await readQwenConfig(folder);
const json = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const tokenizer = qwenTokenizer(json("tokenizer.json"), { vocabSize: config.text.vocabSize });
const processor = qwenProcessor(processorOptionsFrom(json("preprocessor_config.json")));
const inputs = qwenInputs({ tokenizer, processor, config, decode: imageDecoder() });
const open = (workers) =>
  openLocalModel(folder, { workers, threads: workers > 1 ? 1 : threads, maxBatch: batch, ignoreStop: true });
const model = await open(1);
const pooled = threads > 1 ? await open(threads) : undefined;
const media = inlineMedia();
const sampling = (seed) => ({ temperature: 1, maxTokens: newTokens, seed });

/** Every pair in both orders, `batch` at a time. */
const asksOf = (round) => pairsOf(round).flatMap((pair) => [false, true].map((swapped) => ({ pair, swapped })));
const allAsks = Array.from({ length: rounds + warm }, (_, round) => asksOf(round));
const each = allAsks[0].length;
const judgeAll = async (chat, round) => {
  const judge = judgeWith(chat, shapesProtocol, { media, sampling: sampling(round) });
  const queue = allAsks[round].values();
  const worker = async () => {
    for (const { pair, swapped } of queue) await judge.judge(pair, { swapped });
  };
  await Promise.all(Array.from({ length: batch }, worker));
};

const swap = ({ responses: [a, b], ...rest }, swapped) => ({ ...rest, responses: swapped ? [b, a] : [a, b] });
const messagesOf = ({ pair, swapped }) =>
  loadMessages(shapesProtocol.prompt(swap(pair, swapped)), media, { where: pair.id });

/** What Hugging Face is given: rows ready made. */
const rows = [];
for (const ask of allAsks.flat()) rows.push(await inputs.encode(await messagesOf(ask)));
const tensors = rows.flatMap((row, i) => [
  [`${i}.tokens`, { dtype: "I32", shape: [row.tokens.length], data: row.tokens }],
  [`${i}.patches`, { dtype: "F32", shape: [row.patches.length / 1176, 1176], data: row.patches }],
  [`${i}.grids`, { dtype: "I32", shape: [row.grids.length, 3], data: Int32Array.from(row.grids.flat()) }],
]);
await saveSafetensors(join(work, "rows.safetensors"), tensors);

const python = () => {
  const env = { ...process.env, OMP_WAIT_POLICY: "PASSIVE", GOMP_SPINCOUNT: "0", HF_HUB_OFFLINE: "1" };
  const args = [here("judge_hf.py"), folder, join(work, "rows.safetensors"), String(threads)];
  const child = spawn(flags.python, args, { stdio: ["pipe", "pipe", "inherit"], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error("the Python process ended early");
    return JSON.parse(value);
  };
  return { ask, close: () => child.stdin.end() };
};
const hf = python();

const greedyOurs = [];
for (const ask of allAsks[0].slice(0, 8)) {
  const made = await model.complete(await messagesOf(ask), { temperature: 0, maxTokens: 16, logprobs: 0 });
  greedyOurs.push(made.text);
}
const greedyHf = (await hf.ask({ batch: 8, from: 0, count: 8, newTokens: 16, greedy: true })).tokens.map((ids) =>
  tokenizer.decode(Int32Array.from(ids)),
);
const agree = greedyOurs.filter((text, i) => text === greedyHf[i]).length;

const timed = async (run) => {
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  await run();
  const seconds = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: each / seconds, cpuMs: (user + system) / 1e3 / each };
};
const sides = {
  "ours, one thread of JavaScript": (round) => timed(() => judgeAll(model, round)),
  ...(pooled === undefined ? {} : { [`ours, ${threads} workers`]: (round) => timed(() => judgeAll(pooled, round)) }),
  [`hf batch ${batch}`]: (round) => hf.ask({ batch, from: round * each, count: each, newTokens, seed: round }),
  "hf batch 1": (round) => hf.ask({ batch: 1, from: round * each, count: Math.min(16, each), newTokens, seed: round }),
};
const runs = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
// graphs (ours makes one for each length of its cache and number of rows), allocators, caches
for (let round = 0; round < warm; round++) for (const run of Object.values(sides)) await run(round);
for (let round = warm; round < warm + rounds; round++) {
  for (const [name, run] of Object.entries(sides)) runs[name].push(await run(round));
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const results = Object.entries(runs).map(([name, all]) => ({
  name,
  perSecond: median(all.map((one) => one.perSecond)),
  cpuMs: median(all.map((one) => one.cpuMs)),
}));
const lengths = rows.map(({ tokens }) => tokens.length);
const facts = {
  agree: `${agree} of 8 greedy replies of 16 tokens equal`,
  prompt: { shortest: Math.min(...lengths), longest: Math.max(...lengths) },
  newTokens,
  judgements: each,
  batch,
  threads,
  cpu: `${cpus()[0].model}, ${availableParallelism()} CPUs`,
  load: loadavg()[0],
};
if (flags.json) console.log(JSON.stringify({ ...facts, results }, null, 2));
else {
  console.log(facts);
  for (const { name, perSecond, cpuMs } of results) {
    console.log(
      `${name.padEnd(31)} ${perSecond.toFixed(2).padStart(8)} judgements/s ${cpuMs.toFixed(1).padStart(9)} cpu ms`,
    );
  }
}
hf.close();
await model[Symbol.asyncDispose]();
await pooled?.[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
rmSync(work, { recursive: true, force: true });
