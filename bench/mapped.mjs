/**
 * A model whose weights stay in their files (`mapWeights`) against the same one in memory: opening it, judging with it, training adapters.
 *
 *   npm run bench:mapped -- [--quick] [--rounds 3] [--threads 2] [--json file]
 *
 * A fresh Qwen2.5-VL of 249 million parameters, stored as BF16 and as F32; every measurement is a process of its own, in turn, medians
 * over rounds. `own` is memory that belongs to the process alone (RssAnon); pages of files (RssFile) the system shares and may drop. Linux only.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createEngine, trainSft } from "@r1reward/stablereinforce";
import { freshQwen, openLocalModel, openQwen } from "@r1reward/stablereinforce/node";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    threads: { type: "string" },
    json: { type: "string" },
    child: { type: "string" },
    folder: { type: "string" },
    map: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 3));
const threads = Number(flags.threads ?? availableParallelism());
const SIZE = {
  ...{ context: 512, hiddenSize: 1024, layers: 16, heads: 8, kvHeads: 2, intermediateSize: 4096, ropeTheta: 1e6 },
  ...{ visionHiddenSize: 256, visionDepth: 4, visionHeads: 4, visionIntermediateSize: 512 },
};
const SMALL = { ...SIZE, hiddenSize: 256, layers: 4, heads: 4, intermediateSize: 1024 };
const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];
const say = (text) => [{ role: "user", content: [{ type: "text", text }] }];

const memory = () => {
  const status = readFileSync("/proc/self/status", "utf8");
  const megabytes = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)[1]) / 1024;
  return { own: megabytes("RssAnon"), peak: megabytes("VmHWM") };
};

const timed = async (work) => {
  const began = performance.now();
  const value = await work();
  return [performance.now() - began, value];
};

/** Eight replies of 24 tokens, the second time: the first one compiles. */
const judge = async () => {
  const [open, model] = await timed(() => openLocalModel(flags.folder, { mapWeights: flags.map, threads }));
  const ask = () => Promise.all(Array.from({ length: 8 }, (_, i) => model.complete(say(`hello ${i}`), { temperature: 0, maxTokens: 24 }))); // prettier-ignore
  await ask();
  const [ms, replies] = await timed(ask);
  const told = { open, msPerStep: ms / 24, ...memory(), text: replies.map(({ text }) => text).join("|") };
  await model[Symbol.asyncDispose]();
  return told;
};

/** Six steps of adapters of rank 8 on 4 rows of 128 tokens; the first one compiles, and memory grows until the second. */
const train = async () => {
  const engine = await createEngine({ threads });
  const settings = { engine, mapWeights: flags.map, lora: { rank: 8, alpha: 16 } };
  const [open, model] = await timed(() => openQwen(flags.folder, settings));
  const row = await model.encode(say("hello"), "x");
  const examples = Array.from({ length: 24 }, (_, i) => ({ ...row, tokens: Int32Array.from({ length: 110 }, (_, k) => 20 + ((i + k) % 40)) })); // prettier-ignore
  const times = [];
  let loss = 0;
  let began = performance.now();
  for await (const report of trainSft({ policy: model.policy, examples, run: { batch: 4, epochs: 1 } })) {
    times.push(performance.now() - began);
    ({ loss } = report);
    began = performance.now();
  }
  const told = { open, msPerStep: median(times.slice(2)), ...memory(), text: loss.toFixed(4) };
  await model[Symbol.asyncDispose]();
  return told;
};

const child = (kind, folder, map) => {
  const script = fileURLToPath(import.meta.url);
  const args = ["--child", kind, "--folder", folder, "--threads", String(threads), ...(map ? ["--map"] : [])];
  const run = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout.trim().split("\n").at(-1));
};

const measure = (kind, dtype, folder) => {
  const runs = { memory: [], file: [] };
  for (let round = 0; round < rounds; round++)
    for (const place of ["memory", "file"]) runs[place].push(child(kind, folder, place === "file"));
  if (new Set(Object.values(runs).flatMap((all) => all.map(({ text }) => text))).size > 1) console.error(`${kind} ${dtype}: results differ`); // prettier-ignore
  return Object.entries(runs).map(([weights, all]) => {
    const of = (key) => median(all.map((one) => one[key]));
    return { kind, dtype, weights, openMs: of("open"), msPerStep: of("msPerStep"), ownMb: of("own") };
  });
};

const main = async () => {
  const home = mkdtempSync(join(tmpdir(), "bench-mapped-"));
  const results = [];
  try {
    const engine = await createEngine({ threads });
    const made = freshQwen({ engine, size: flags.quick ? SMALL : SIZE, texts: ["hello world"], vocabSize: 400 });
    for (const dtype of ["BF16", "F32"]) {
      const folder = join(home, dtype);
      await made.save(folder, made.policy.parameters(), { dtype });
      const fileMb = statSync(join(folder, "model.safetensors")).size / 2 ** 20;
      for (const kind of ["judge", "train"])
        results.push(...measure(kind, dtype, folder).map((one) => ({ ...one, fileMb })));
      rmSync(folder, { recursive: true });
    }
    await made[Symbol.asyncDispose]();
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  const report = { cpu: cpus()[0]?.model, node: process.version, rounds, threads, load: loadavg()[0], results };
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  for (const { kind, dtype, weights, openMs, msPerStep, ownMb, fileMb } of results)
    console.log(
      `${kind.padEnd(5)} ${dtype.padEnd(4)} (${fileMb.toFixed(0)} MB) ${weights.padEnd(6)}  open ${openMs.toFixed(0).padStart(5)} ms  step ${msPerStep.toFixed(0).padStart(5)} ms  own ${ownMb.toFixed(0).padStart(5)} MB`,
    );
};

const told = { judge, train }[flags.child ?? ""];
if (told === undefined) await main();
else console.log(JSON.stringify(await told()));
