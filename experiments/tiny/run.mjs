// npm run reproduce:tiny: makes the judge that ships, from nothing but seeds: to see, cold start, StableReinforce, measuring, export.
//   node experiments/tiny/run.mjs [--out folder] [--threads 2] [--scale 1]
// A run that was stopped goes on where it was. `--scale 0.01` makes a run of seconds that shows every stage work.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { r1Reward } from "@r1reward/core";
import { shapesProtocol } from "@r1reward/core/shapes";
import {
  createEngine,
  evaluatePolicy,
  loadCheckpoint,
  presets,
  promptsOf,
  runRl,
  runSft,
} from "@r1reward/stablereinforce";
import { freshQwen, stageFolder } from "@r1reward/stablereinforce/node";
import * as recipe from "./recipe.mjs";
import { withInduction } from "./birth.mjs";
import { exercise } from "./exercises.mjs";
import { mixedPairs } from "./critiques.mjs";
import { keptIn } from "./kept.mjs";
import { learnWords } from "./words.mjs";

const { values: flags } = parseArgs({
  options: {
    out: { type: "string", default: "runs/tiny" },
    threads: { type: "string", default: "2" },
    scale: { type: "string", default: "1" },
  },
});
const scale = Number(flags.scale);
const scaled = (n, least) => Math.max(least, Math.round(n * scale));
mkdirSync(flags.out, { recursive: true });

const engine = await createEngine({ threads: Number(flags.threads) });
const model = freshQwen({ engine, ...recipe.model, texts: recipe.texts(), maxBatch: 128 });
const fresh = withInduction(model.policy.parameters(), recipe.model.size);
const parameters = Object.values(fresh).reduce((sum, { data }) => sum + data.length, 0);
console.log(`${engine.why}; ${parameters} parameters, vocabulary of ${model.tokenizer.vocabSize}`);

const tell = (stage) => (event) => {
  if (event.kind === "evaluation") {
    const { accuracy, averageAccuracy, format } = event.evaluation;
    console.log(
      `${stage} ${event.step}: right ${accuracy?.toFixed(3)}, one critique ${averageAccuracy?.toFixed(3)}, form ${format.toFixed(3)}`,
    );
  }
  if (event.kind !== "step") return;
  const { step, report, alarms } = event;
  if (step % 25 !== 0 && report.kind === "sft") return;
  const rewards =
    report.kind === "rl" ? `, reward ${report.reward.mean?.toFixed(3)}, KL ${report.klOld?.toFixed(4)}` : "";
  const alarm = alarms.length === 0 ? "" : `, ${alarms.map(({ kind }) => kind).join(" ")}`;
  console.log(`${stage} ${step}: loss ${report.loss?.toFixed(4)}${rewards}, ${report.seconds.toFixed(2)} s${alarm}`);
};
const folderOf = (stage) => {
  const { store, record } = stageFolder(join(flags.out, stage), { onEvent: tell(stage) });
  return { store, record, saveEvery: 100, keep: 1, watch: { onAlarm: "continue" } };
};
const times = {};
const timed = async (stage, work) => {
  const began = performance.now();
  const result = await work();
  times[stage] = { seconds: (performance.now() - began) / 1000, status: result.status, step: result.step };
  return result;
};
const watching = (held) => (weights, options) =>
  evaluatePolicy({
    model,
    weights,
    pairs: recipe.heldOut("plain", held, "val"),
    protocol: shapesProtocol,
    maxTokens: recipe.measure.maxTokens,
    ...options,
  });
const sft = (stage, { steps, batch, learningRate, evaluateEvery, held }, { examples, weights }) =>
  timed(stage, () =>
    runSft({
      ...folderOf(stage),
      model,
      examples,
      weights,
      seed: recipe.seed,
      steps: scaled(steps, 2),
      run: { batch, groupByLength, learningRate, adam: recipe.adam, warmup: 0.1, finalLearningRate: 0.05 },
      evaluation: evaluateEvery === undefined ? undefined : { every: evaluateEvery, run: watching(held) },
    }),
  );

const protocol = shapesProtocol;
const { coldStart, practice, reinforce, measure, groupByLength } = recipe;
const exercising = (stage, weights) =>
  sft(stage, recipe[stage], {
    examples: { length: recipe[stage].exercises, at: (index) => exercise(recipe[stage], index) },
    weights,
  });
const copied = await exercising("copying", fresh);
const read = await exercising("reading", copied.weights);

const seeing = await timed("words", async () => {
  // The next stage's checkpoints hold what was learnt here.
  if ((await loadCheckpoint(folderOf("cold-start").store)) !== null)
    return { weights: read.weights, status: "finished", step: recipe.words.steps };
  const steps = scaled(recipe.words.steps, 2);
  const tellWords = (step, loss) => console.log(`words ${step}: loss ${loss.toFixed(4)}`);
  const { words, adam } = recipe;
  const weights = await learnWords({
    engine,
    model,
    weights: read.weights,
    recipe: words,
    adam,
    steps,
    tell: tellWords,
  });
  return { weights, status: "finished", step: steps };
});

const critiques = ({ seed, pairs }) => ({ length: pairs, at: recipe.critiqueExample(protocol, seed) });
const begun = await sft("cold-start", coldStart, { examples: critiques(coldStart), weights: seeing.weights });
const started = await sft("practice", practice, { examples: critiques(practice), weights: begun.weights });

const pool = recipe.reinforcePairs(scaled(reinforce.pairs, 24));
const chosen = await keptIn(flags.out)("select", async () => {
  const mixed = await mixedPairs(model, started.weights, { ...reinforce, pairs: pool });
  console.log(`${mixed.length} of ${pool.length} pairs are neither always right nor always wrong`);
  return mixed.length === 0 ? [...pool.keys()] : mixed; // none in a run of seconds, which only shows that all stages work
});
const reinforced = await timed("reinforce", () =>
  runRl({
    ...folderOf("reinforce"),
    saveEvery: 5,
    model,
    prompts: promptsOf(
      chosen.map((n) => pool[n]),
      { protocol, order: "balanced", seed: reinforce.seed },
    ),
    reward: r1Reward({ protocol, undecided: 0 }),
    recipe: presets.paper,
    weights: started.weights,
    seed: recipe.seed,
    steps: scaled(reinforce.steps, 2),
    microBatch: reinforce.microBatch,
    run: { ...reinforce.run, adam: recipe.adam },
  }),
);

const kept = { dtype: "F16", overwrite: true };
await model.save(join(flags.out, "model-before"), started.weights, kept);
await model.save(join(flags.out, "model"), reinforced.weights, kept); // what ships

const results = {};
const measured = async (name, weights, style, options = {}) => {
  const count = scaled(options.votes === undefined ? measure.pairs : measure.votePairs, 8);
  const held = recipe.heldOut(style, count);
  const told = await evaluatePolicy({
    model,
    weights,
    pairs: held,
    protocol,
    maxTokens: measure.maxTokens,
    batch: 128,
    ...options,
  });
  results[name] = { style, pairs: count, ...told, report: undefined };
  const shown = `${told.accuracy?.toFixed(4)} [${told.interval95?.map((x) => x.toFixed(3)).join(", ")}]`;
  console.log(`${name}: ${shown} in both orders, one critique ${told.averageAccuracy?.toFixed(4)}, n ${count}`);
};
await measured("practised", started.weights, "plain");
await measured("reinforced", reinforced.weights, "plain");
await measured("practised, drawn differently", started.weights, "ood");
await measured("reinforced, drawn differently", reinforced.weights, "ood");
for (const votes of [1, ...measure.votes]) {
  await measured(`reinforced, ${votes} votes at temperature 1`, reinforced.weights, "plain", { votes, temperature: 1 });
}

writeFileSync(join(flags.out, "results.json"), `${JSON.stringify({ parameters, times, results }, null, 2)}\n`);
await model[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
