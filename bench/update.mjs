#!/usr/bin/env node
// A whole update of reinforcement learning (sampling, rewards, advantages, loss, optimiser): ours against TRL's GRPO trainer in
// PyTorch, with the same weights, prompts, reward and sizes, on this CPU, in turn. Each measurement is a process of its own.
// Ours samples with one worker of one thread for each core ("workers"), and, as a second row, with the engine that trains ("engine").
// Both sides make one update for each rollout batch and take log π_old from it. CPU time is that of the whole process, all threads.
//
//   npm run bench:update -- [--quick] [--json] [--rounds 3] [--steps 6] [--threads n] [--micro-batch 16] [--python .venv/bin/python]
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
    steps: { type: "string" },
    threads: { type: "string", default: String(availableParallelism()) },
    python: { type: "string", default: here("../.venv/bin/python") },
    child: { type: "string" },
    "micro-batch": { type: "string" },
  },
});
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 3));
const steps = Number(flags.steps ?? (flags.quick ? 3 : 6));
const WARMUP = 2;

const model = {
  vocabSize: 512,
  hiddenSize: 128,
  layers: 4,
  heads: 4,
  kvHeads: 4,
  intermediateSize: 256,
  tiedEmbeddings: true,
};
const task = { prompts: 8, promptTokens: 16, generations: 8, newTokens: 64, learningRate: 1e-3, seed: 1 };
/** Rows in a graph at a time, on both sides; all 64 by default. */
if (flags["micro-batch"] !== undefined) task.microBatch = Number(flags["micro-batch"]);

const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];

/** Words of the prompts: the same on both sides. */
const promptWords = Array.from({ length: task.prompts }, (_, n) =>
  Array.from({ length: task.promptTokens }, (_, i) => (n * 37 + i * 11 + 5) % 500),
);

/** Share of a reply's words that are even: dense, so that every step has something to learn from. */
const evenShare = (text) => {
  const words = text.split(" ").filter((word) => word !== "");
  return words.filter((word) => Number(word.slice(1)) % 2 === 0).length / Math.max(1, words.length);
};

const words = (tokens) => Array.from(tokens, (id) => `w${id}`).join(" ");
const idsOf = (text) => Int32Array.from(text.split(" "), (word) => Number(word.slice(1)));
const tokenizer = {
  vocabSize: model.vocabSize,
  encodePrompt: (prompt) => idsOf(prompt[0].content[0].text),
  encodeReply: idsOf,
  decode: words,
  stopTokens: [],
};

/** In the child: our weights, for the peer. */
const exportWeights = async (folder) => {
  const sr = await import("@r1reward/stablereinforce");
  const { saveSafetensors } = await import("@r1reward/stablereinforce/node");
  await saveSafetensors(join(folder, "model.safetensors"), sr.toLlama(model, sr.initParams(model, 0)));
};

/** Adds up what is spent in some functions, milliseconds by name. */
const stopwatch = () => {
  const spent = {};
  const add = (name, start) => (spent[name] = (spent[name] ?? 0) + performance.now() - start);
  return {
    spent,
    sync:
      (name, f) =>
      (...args) => {
        const start = performance.now();
        const made = f(...args);
        add(name, start);
        return made;
      },
    /** The engine, with the time in its graphs added up. */
    engine: (engine) => ({
      ...engine,
      compile: (fn, options) => {
        const graph = engine.compile(fn, options);
        const timed = async (...args) => {
          const start = performance.now();
          const made = await graph(...args);
          add(options.name, start);
          return made;
        };
        return Object.assign(timed, graph);
      },
    }),
  };
};

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** In the child: our updates. */
const measureOurs = async (kind) => {
  const sr = await import("@r1reward/stablereinforce");
  const { defineReward } = await import("@r1reward/core");
  const { createSamplePool } = await import("@r1reward/stablereinforce/node");
  const watch = stopwatch();
  const engine = watch.engine(await sr.createEngine({ threads: Number(flags.threads) }));
  const sampler = kind === "workers" ? createSamplePool(model, { workers: Number(flags.threads) }) : undefined;
  const policy = sr.transformerPolicy({ engine, config: model, tokenizer, sampler });
  const prompts = promptWords.map((ids, n) => ({
    id: String(n),
    prompt: [{ role: "user", content: [{ type: "text", text: words(ids) }] }],
    truth: null,
  }));
  const recipe = {
    ...sr.presets.paper,
    name: "grpo",
    estimate: watch.sync("advantages", sr.advantageEstimators.grpo()),
    normalise: (rows) => rows,
    loss: sr.losses.grpo({ klCoef: 0 }),
  };
  const run = {
    learningRate: task.learningRate,
    rolloutBatch: task.prompts,
    samplesPerPrompt: task.generations,
    trainBatch: task.prompts * task.generations,
    maxTokens: task.newTokens,
    warmup: 0,
    finalLearningRate: 1,
  };
  const reward = defineReward({ name: "even", score: watch.sync("reward", ({ text }) => evenShare(text)) });
  const { microBatch } = task;
  const rows = [];
  let cpu = cpuMs();
  for await (const step of sr.trainStableReinforce({
    policy,
    prompts,
    reward,
    recipe,
    run,
    microBatch,
    steps: WARMUP + steps,
    seed: task.seed,
  })) {
    const { logp = 0, update = 0, gradient = 0, apply = 0, reward: rewarding, advantages } = watch.spent;
    const [seconds, graphs] = [step.seconds * 1000, logp + update + gradient + apply];
    rows.push({
      ms: seconds,
      sampleMs: step.sampleSeconds * 1000,
      cpuMs: cpuMs() - cpu,
      reward: step.reward.mean,
      // what is neither sampling nor a graph: rewards, advantages, laying out, reading back, reporting
      overheadShare: (rewarding + step.updateSeconds * 1000 - graphs) / seconds,
      rewardShare: rewarding / seconds,
      advantagesShare: advantages / seconds,
    });
    for (const name of Object.keys(watch.spent)) delete watch.spent[name];
    cpu = cpuMs();
  }
  const measured = rows.slice(WARMUP);
  const middle = (name) => median(measured.map((row) => row[name]));
  const names = ["ms", "sampleMs", "cpuMs", "overheadShare", "rewardShare", "advantagesShare"];
  console.log(
    JSON.stringify({
      ...Object.fromEntries(names.map((name) => [name, middle(name)])),
      rewards: rows.map((row) => row.reward),
      tokens: task.prompts * task.generations * task.newTokens,
      peakRssMb: process.resourceUsage().maxRSS / 1024,
      runtime: engine.runtime,
    }),
  );
  await sampler?.[Symbol.asyncDispose]();
};

const lastJson = (made, what) => {
  if (made.status !== 0)
    return { error: `${what}: ${(made.stderr || made.signal || "failed").toString().trim().split("\n").at(-1)}` };
  return JSON.parse(made.stdout.trim().split("\n").at(-1));
};

const micro = flags["micro-batch"] === undefined ? [] : ["--micro-batch", flags["micro-batch"]];
const childArgs = ["--threads", flags.threads, "--steps", String(steps), ...micro];
const ours = (kind) =>
  lastJson(
    spawnSync(process.execPath, [here("update.mjs"), "--child", kind, ...childArgs], { encoding: "utf8" }),
    `ours, ${kind}`,
  );
const trl = (folder) => {
  const env = {
    ...process.env,
    OMP_NUM_THREADS: flags.threads,
    OMP_WAIT_POLICY: "PASSIVE",
    HF_HUB_OFFLINE: "1",
    CUDA_VISIBLE_DEVICES: "",
  };
  const args = [here("update_trl.py"), folder, String(WARMUP), String(steps), flags.threads];
  return lastJson(spawnSync(flags.python, args, { encoding: "utf8", env, maxBuffer: 2 ** 26 }), "trl");
};

const summary = (engine, runs) => {
  const good = runs.filter((run) => run.error === undefined);
  if (good.length === 0) return { engine, error: runs[0]?.error };
  const middle = (name) => (good[0][name] === undefined ? undefined : median(good.map((run) => run[name])));
  const names = ["ms", "cpuMs", "sampleMs", "overheadShare", "rewardShare", "advantagesShare", "peakRssMb"];
  const medians = Object.fromEntries(names.map((name) => [name, middle(name)]));
  const all = { ms: good.map((run) => run.ms), cpuMs: good.map((run) => run.cpuMs) };
  return { ...good[0], ...medians, engine, all, tokensPerSecond: (good[0].tokens / medians.ms) * 1000 };
};

const percent = (share) => `${(share * 100).toFixed(1)} %`;

const line = (r) => {
  const cells = [
    r.engine.padEnd(8),
    `${r.ms.toFixed(0).padStart(6)} ms an update`,
    `${r.cpuMs.toFixed(0).padStart(6)} ms of CPU`,
    `${r.tokensPerSecond.toFixed(0).padStart(6)} tokens/s`,
    `${r.peakRssMb.toFixed(0).padStart(5)} MB`,
    `reward ${r.rewards[0].toFixed(3)} → ${r.rewards.at(-1).toFixed(3)}`,
  ];
  const shares = `rewards, advantages and bookkeeping ${percent(r.overheadShare)}`;
  return [...cells, ...(r.overheadShare === undefined ? [] : [shares])].join("  ");
};

const main = () => {
  const folder = mkdtempSync(join(tmpdir(), "r1reward-update-"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ model, task, promptWords }));
  spawnSync(process.execPath, [here("update.mjs"), "--child", `export:${folder}`, ...childArgs], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const runs = { workers: [], engine: [], trl: [] };
  for (let round = 0; round < rounds; round++) {
    runs.workers.push(ours("workers"));
    if (existsSync(flags.python)) runs.trl.push(trl(folder));
    runs.engine.push(ours("engine"));
    const told = Object.entries(runs).map(([name, made]) => {
      const last = made.at(-1);
      return `${name} ${last?.error ?? (last === undefined ? "–" : `${last.ms.toFixed(0)} ms, CPU ${last.cpuMs.toFixed(0)}`)}`;
    });
    process.stderr.write(`round ${round + 1} (load ${loadavg()[0].toFixed(1)}): ${told.join("; ")}\n`);
  }
  rmSync(folder, { recursive: true });
  const results = Object.entries(runs)
    .filter(([, made]) => made.length > 0)
    .map(([name, made]) => summary(name, made));
  const peer = results.find(({ engine, error }) => engine === "trl" && error === undefined);
  const ratios =
    peer &&
    Object.fromEntries(
      results
        .filter(({ engine, error }) => engine !== "trl" && error === undefined)
        .map((r) => [
          r.engine,
          { samplesPerSecond: peer.ms / r.ms, cpu: peer.cpuMs / r.cpuMs, memory: r.peakRssMb / peer.peakRssMb },
        ]),
    );
  const settings = { model, task, rounds, steps, threads: Number(flags.threads), node: process.version };
  if (flags.json) return console.log(JSON.stringify({ ...settings, cpu: cpus()[0]?.model, results, ratios }, null, 2));
  for (const r of results) console.log(r.error ?? line(r));
  for (const [name, { samplesPerSecond, cpu, memory }] of Object.entries(ratios ?? {}))
    console.log(
      `${name} against trl: ${samplesPerSecond.toFixed(2)} times the samples a second, ${cpu.toFixed(2)} times for the same CPU time, ${memory.toFixed(2)} of the memory`,
    );
};

if (flags.child?.startsWith("export:")) await exportWeights(flags.child.slice("export:".length));
else if (flags.child !== undefined) await measureOurs(flags.child);
else main();
