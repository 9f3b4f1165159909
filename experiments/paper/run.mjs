// npm run reproduce:paper: the paper's ablation on the small judge, from the cold start of reproduce:tiny.
//   node experiments/paper/run.mjs [--from runs/tiny] [--work runs/paper] [--out docs/experiments/paper] [--seeds 1,2,3,4,5] [--steps n] [--threads 2]
// Every run that is finished is kept in `--out` and not made again: stop it when you like. The page: node experiments/paper/page.mjs
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createEngine, loadCheckpoint, promptsOf, runSft, trainStableReinforce } from "@r1reward/stablereinforce";
import { freshQwen, stageFolder } from "@r1reward/stablereinforce/node";
import { shapesPair, shapesProtocol } from "@r1reward/core/shapes";
import * as tiny from "../tiny/recipe.mjs";
import { onEngine } from "../tiny/critiques.mjs";
import { keptIn } from "../tiny/kept.mjs";
import { trainingStyle } from "../tiny/styles.mjs";
import { measureJudge } from "./measure.mjs";
import * as setup from "./setup.mjs";
import { teacherExample } from "./teacher.mjs";

const { values: flags } = parseArgs({
  options: {
    from: { type: "string", default: "runs/tiny" },
    work: { type: "string", default: "runs/paper" },
    out: { type: "string", default: fileURLToPath(new URL("../../docs/experiments/paper", import.meta.url)) },
    seeds: { type: "string", default: setup.seeds.join(",") },
    steps: { type: "string" },
    threads: { type: "string", default: "2" },
    quick: { type: "boolean", default: false },
  },
});
/** `--quick` shows that every part works, and measures next to nothing. */
const measured = { ...setup.measured, ...(flags.quick ? { pairs: 4, voted: 2 } : {}) };
mkdirSync(flags.out, { recursive: true });

const engine = await createEngine({ threads: Number(flags.threads) });
const model = freshQwen({ engine, ...tiny.model, texts: tiny.texts(), maxBatch: 128 });
const begun = await loadCheckpoint(stageFolder(join(flags.from, "cold-start")).store);
if (begun === null) throw new Error(`${flags.from}: expected the cold start of \`npm run reproduce:tiny\`, found none`);

const { weights: coldStart } = await runSft({
  ...stageFolder(flags.work),
  saveEvery: 100,
  keep: 1,
  model,
  examples: { length: setup.teacher.pairs, at: teacherExample(setup.teacher) },
  weights: begun.snapshot.weights,
  seed: tiny.seed,
  steps: setup.teacher.steps,
  run: { ...setup.teacher, adam: tiny.adam, warmup: 0.1, finalLearningRate: 0.05 },
});

const kept = keptIn(flags.out);
const digits = (x) => (typeof x === "number" && Number.isFinite(x) ? Number(x.toPrecision(5)) : null);
const rounded = (measured) =>
  Object.fromEntries(Object.entries(measured).map(([key, x]) => [key, Array.isArray(x) ? x.map(digits) : digits(x)]));
const told = (name, { measured }) =>
  console.log(
    `${name}: both orders ${measured.accuracy}, one critique ${measured.single}, at temperature 1 ${measured.sampled}, agreement ${measured.agreement}`,
  );

const coldJudge = await kept("cold-start", async () => {
  const params = onEngine(engine, coldStart);
  const found = rounded(await measureJudge(model, params, measured));
  engine.dispose(params);
  return { arm: "cold start", measured: found };
});
told("cold start", coldJudge);

/** Each seed has pairs of its own; the arms of a seed share them. */
const promptsFor = (seed, count) => {
  const style = trainingStyle(100 + seed);
  const pairs = Array.from(
    { length: count },
    (_, index) => shapesPair({ seed: 100 + seed, index, style: style(index) }).pair,
  );
  return promptsOf(pairs, { protocol: shapesProtocol, seed });
};

const FIELDS = ["loss", "klOld", "entropy", "ratioMax", "preClipped", "clipped", "filtered", "zeroSpread", "gradNorm"];
const rowOf = (report) => ({
  step: report.step,
  reward: digits(report.reward.mean),
  length: digits(report.length.mean),
  ...Object.fromEntries(FIELDS.map((name) => [name, digits(report[name])])),
});

const trainOnce = async ({ recipe, reward }, seed, { name, run, steps }) => {
  const began = performance.now();
  const rows = [];
  const training = trainStableReinforce({
    policy: model.policy,
    prompts: promptsFor(seed, steps * run.rolloutBatch),
    reward,
    recipe,
    run: { ...run, adam: tiny.adam },
    seed,
    steps,
    weights: coldStart,
    nonFinite: "apply",
    microBatch: 32,
  });
  for await (const report of training) {
    rows.push(rowOf(report));
    process.stderr.write(`\r${name}, ${recipe.name}, seed ${seed}: step ${report.step} of ${steps}  `);
    if (report.step < steps) continue;
    const found = rounded(await measureJudge(model, report.params(), measured));
    const seconds = digits((performance.now() - began) / 1000);
    return { setting: name, arm: recipe.name, seed, seconds, rows, measured: found };
  }
  throw new Error(`${recipe.name}, seed ${seed}: ended early`);
};

/** Did Pre-CLIP or the filter ever change anything? */
const acted = ({ rows }) => rows.some(({ preClipped, filtered }) => preClipped !== 0 || filtered !== 0);

const arm = async (setting, { arm, seed, make }) => {
  const name = `${setting.name}-${arm.recipe.name.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  const made = await kept(`${name.replace(/-$/, "")}-${seed}`, make);
  told(`${setting.name}, ${arm.recipe.name}, seed ${seed}`, made);
  return made;
};

for (const given of setup.settings) {
  const setting = { ...given, steps: flags.steps === undefined ? given.steps : Number(flags.steps) };
  for (const seed of flags.seeds.split(",").map(Number)) {
    const { full, unbounded, others } = setting;
    const whole = await arm(setting, { arm: full, seed, make: () => trainOnce(full, seed, setting) });
    for (const one of others) await arm(setting, { arm: one, seed, make: () => trainOnce(one, seed, setting) });
    const same = (one) => ({ ...whole, arm: one.recipe.name, sameAs: full.recipe.name, seconds: null });
    for (const one of unbounded) {
      await arm(setting, { arm: one, seed, make: () => (acted(whole) ? trainOnce(one, seed, setting) : same(one)) });
    }
  }
}
await model[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
