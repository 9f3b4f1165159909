#!/usr/bin/env node
// A whole update of reinforcement learning (sampling, rewards, advantages, loss, optimiser): ours against TRL's GRPO trainer in
// PyTorch, with the same weights, prompts, reward and sizes, on this CPU, in turn. Each measurement is a process of its own.
//
//   npm run bench:update -- [--quick] [--json] [--rounds 3] [--steps 6] [--threads n] [--python .venv/bin/python]
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
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

/** In the child: our updates. */
const measureOurs = async (folder) => {
  const sr = await import("@r1reward/stablereinforce");
  const { defineReward } = await import("@r1reward/core");
  const { saveSafetensors } = await import("@r1reward/stablereinforce/node");
  const engine = await sr.createEngine({ threads: Number(flags.threads) });
  const words = (tokens) => Array.from(tokens, (id) => `w${id}`).join(" ");
  const idsOf = (text) => Int32Array.from(text.split(" "), (word) => Number(word.slice(1)));
  const tokenizer = {
    vocabSize: model.vocabSize,
    encodePrompt: (prompt) => idsOf(prompt[0].content[0].text),
    encodeReply: idsOf,
    decode: words,
    stopTokens: [],
  };
  const policy = sr.transformerPolicy({ engine, config: model, tokenizer });
  if (folder !== undefined) {
    await saveSafetensors(join(folder, "model.safetensors"), sr.toLlama(model, sr.initParams(model, 0)));
    return;
  }
  const prompts = promptWords.map((ids, n) => ({
    id: String(n),
    prompt: [{ role: "user", content: [{ type: "text", text: words(ids) }] }],
    truth: null,
  }));
  const recipe = {
    ...sr.presets.paper,
    name: "grpo",
    estimate: sr.advantageEstimators.grpo(),
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
  const reward = defineReward({ name: "even", score: ({ text }) => evenShare(text) });
  const [times, rewards, parts] = [[], [], []];
  for await (const step of sr.trainStableReinforce({
    policy,
    prompts,
    reward,
    recipe,
    run,
    steps: WARMUP + steps,
    seed: task.seed,
  })) {
    times.push(step.seconds * 1000);
    rewards.push(step.reward.mean);
    parts.push(step.sampleSeconds * 1000);
  }
  const peakRssMb = process.resourceUsage().maxRSS / 1024;
  const tokens = task.prompts * task.generations * task.newTokens;
  console.log(
    JSON.stringify({
      ms: median(times.slice(WARMUP)),
      sampleMs: median(parts.slice(WARMUP)),
      rewards,
      tokens,
      peakRssMb,
      runtime: engine.runtime,
    }),
  );
};

const lastJson = (made, what) => {
  if (made.status !== 0)
    return { error: `${what}: ${(made.stderr || made.signal || "failed").toString().trim().split("\n").at(-1)}` };
  return JSON.parse(made.stdout.trim().split("\n").at(-1));
};

const childArgs = ["--threads", flags.threads, "--steps", String(steps)];
const ours = () =>
  lastJson(
    spawnSync(process.execPath, [here("update.mjs"), "--child", "measure", ...childArgs], { encoding: "utf8" }),
    "ours",
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
  const ms = median(good.map((run) => run.ms));
  return { ...good[0], engine, ms, all: good.map((run) => run.ms), tokensPerSecond: (good[0].tokens / ms) * 1000 };
};

const main = () => {
  const folder = mkdtempSync(join(tmpdir(), "r1reward-update-"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ model, task, promptWords }));
  spawnSync(process.execPath, [here("update.mjs"), "--child", `export:${folder}`, ...childArgs], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const runs = { ours: [], trl: [] };
  for (let round = 0; round < rounds; round++) {
    runs.ours.push(ours());
    if (existsSync(flags.python)) runs.trl.push(trl(folder));
    const [mine, theirs] = [runs.ours.at(-1), runs.trl.at(-1)];
    process.stderr.write(
      `round ${round + 1}: ours ${mine.error ?? `${mine.ms.toFixed(0)} ms`}, trl ${theirs?.error ?? `${theirs?.ms.toFixed(0)} ms`}\n`,
    );
  }
  rmSync(folder, { recursive: true });
  const results = Object.entries(runs)
    .filter(([, made]) => made.length > 0)
    .map(([name, made]) => summary(name, made));
  const report = {
    model,
    task,
    rounds,
    steps,
    threads: Number(flags.threads),
    node: process.version,
    cpu: cpus()[0]?.model,
    results,
  };
  if (flags.json) return console.log(JSON.stringify(report, null, 2));
  for (const r of results) {
    console.log(
      r.error ??
        `${r.engine.padEnd(6)} ${r.ms.toFixed(0).padStart(7)} ms an update  ${r.tokensPerSecond.toFixed(0).padStart(7)} tokens/s  ${r.peakRssMb.toFixed(0).padStart(6)} MB  reward ${r.rewards[0].toFixed(3)} → ${r.rewards.at(-1).toFixed(3)}`,
    );
  }
};

if (flags.child?.startsWith("export:")) await measureOurs(flags.child.slice("export:".length));
else if (flags.child !== undefined) await measureOurs();
else main();
