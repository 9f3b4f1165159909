// npm run reproduce:stability: four algorithms, four learning rates, five seeds each; data and plots go to docs/experiments/stability.
//   node experiments/stability/run.mjs [--out folder] [--steps 60] [--seeds 1,2,3,4,5] [--rates 0.0003,0.001,0.003,0.01]
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createEngine, diagnose, trainSft, trainStableReinforce, transformerPolicy } from "@r1reward/stablereinforce";
import { drawPlots } from "./plot.mjs";
import * as setup from "./setup.mjs";

const { values: flags } = parseArgs({
  options: {
    out: { type: "string", default: fileURLToPath(new URL("../../docs/experiments/stability", import.meta.url)) },
    steps: { type: "string", default: String(setup.steps) },
    seeds: { type: "string", default: setup.seeds.join(",") },
    rates: { type: "string", default: setup.learningRates.join(",") },
    threads: { type: "string", default: "1" },
  },
});
const steps = Number(flags.steps);
const rates = flags.rates.split(",").map(Number);
const seeds = flags.seeds.split(",").map(Number);

const engine = await createEngine({ threads: Number(flags.threads) });
const { config, tokenizer, prompts, examples, reward } = setup;
const policy = transformerPolicy({ engine, config, tokenizer });

const COLD_START_STEPS = 360;

const coldStart = async (seed) => {
  const sft = { learningRate: 3e-3, batch: 150 };
  for await (const step of trainSft({ policy, examples, seed, run: sft, steps: COLD_START_STEPS })) {
    if (step.step === COLD_START_STEPS) return { weights: (await step.snapshot()).weights, loss: step.loss };
  }
  throw new Error("the cold start ended early");
};

const digits = (x) =>
  typeof x === "number" && Number.isFinite(x) ? Number(x.toPrecision(6)) : x === null ? null : String(x);

const FIELDS = ["loss", "kl", "entropy", "ratioMax", "logRatioMax", "preClipped", "clipped", "filtered", "zeroSpread"];

const rowOf = (report, alarms) => ({
  step: report.step,
  reward: digits(report.reward.mean),
  length: digits(report.length.mean),
  lengthAtCap: digits(report.lengthAtCap),
  lossPeak: digits(
    report.losses.reduce((most, loss) => (Math.abs(loss) > Math.abs(most) || Number.isNaN(loss) ? loss : most), 0),
  ),
  gradNorm: digits(report.gradNorm),
  nanCount: report.nanCount,
  ...Object.fromEntries(FIELDS.map((name) => [name, digits(report[name])])),
  alarms: alarms.map(({ kind }) => kind),
});

const trainOnce = async (recipe, { seed, learningRate, weights }) => {
  const rows = [];
  const history = [];
  const run = { ...setup.run, learningRate };
  const training = trainStableReinforce({
    policy,
    prompts,
    reward,
    recipe,
    run,
    seed,
    steps,
    weights,
    reference: weights,
    nonFinite: "apply",
  });
  for await (const report of training) {
    history.push(report);
    rows.push(rowOf(report, diagnose(history)));
  }
  return rows;
};

const began = performance.now();
const runs = [];
const starts = [];
for (const seed of seeds) {
  const { weights, loss } = await coldStart(seed);
  starts.push({ seed, sftLoss: digits(loss) });
  for (const learningRate of rates) {
    for (const recipe of setup.arms) {
      const rows = await trainOnce(recipe, { seed, learningRate, weights });
      runs.push({ algorithm: recipe.name, learningRate, seed, rows });
      const last = rows.slice(-10).reduce((sum, row) => sum + Number(row.reward), 0) / Math.min(10, rows.length);
      const peak = Math.max(
        ...rows.map((row) => (Number.isFinite(Number(row.lossPeak)) ? Math.abs(row.lossPeak) : Infinity)),
      );
      process.stderr.write(
        `seed ${seed} rate ${learningRate} ${recipe.name}: reward ${last.toFixed(3)}, largest |loss| ${peak.toPrecision(3)}\n`,
      );
    }
  }
}
await policy[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();

const seconds = Math.round((performance.now() - began) / 1000);
const data = { runtime: engine.runtime, steps, seconds, config, run: setup.run, starts, runs };
mkdirSync(flags.out, { recursive: true });
writeFileSync(join(flags.out, "data.json"), `${JSON.stringify(data)}\n`);
for (const [name, svg] of drawPlots(data)) writeFileSync(join(flags.out, name), svg);
console.log(`${runs.length} runs in ${seconds} s → ${flags.out}`);
