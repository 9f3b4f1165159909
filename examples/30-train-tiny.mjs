// The pipeline in a program: a fresh, very small Qwen2.5-VL on drawn scenes, a few steps of each stage, measured in both orders.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { r1Reward } from "@r1reward/core";
import { shapesDataset, shapesProtocol, shapesReasoning, swapShapes } from "@r1reward/core/shapes";
import {
  createEngine,
  evaluatePolicy,
  examplesOf,
  promptsOf,
  recipeOf,
  runRl,
  runSft,
} from "@r1reward/stablereinforce";
import { freshQwen, stageFolder } from "@r1reward/stablereinforce/node";

const protocol = shapesProtocol;
const drawn = [...shapesDataset({ seed: 1, grade: 1, n: 24 })];
const held = [...shapesDataset({ seed: 1, grade: 1, split: "val", n: 4 })].map(({ pair }) => pair);
const byPair = new Map(drawn.map((record) => [record.pair, record]));
const data = {
  name: "shapes",
  pairs: drawn.map(({ pair }) => pair),
  critique: (pair, swapped) => shapesReasoning(swapped ? swapShapes(byPair.get(pair)) : byPair.get(pair)),
  skipped: [],
};

const folder = await mkdtemp(join(tmpdir(), "r1reward-example-"));
const engine = await createEngine({ threads: 1 });
const examples = examplesOf(data, { protocol });
const model = freshQwen({
  engine,
  texts: examples.flatMap(({ prompt, reply }) => [reply, ...prompt[0].content.map((part) => part.text ?? "")]),
  vocabSize: 400,
  size: {
    ...{ hiddenSize: 32, layers: 1, heads: 4, kvHeads: 2, intermediateSize: 48, context: 512, ropeTheta: 16 },
    ...{ visionHiddenSize: 16, visionDepth: 1, visionHeads: 2, visionIntermediateSize: 32 },
  },
});
const measure = (weights) => evaluatePolicy({ model, weights, pairs: held, protocol, maxTokens: 16 });

const sft = await runSft({
  ...stageFolder(join(folder, "sft")),
  ...{ model, examples, steps: 12, run: { batch: 8, learningRate: 3e-3 } },
});
const rl = await runRl({
  ...stageFolder(join(folder, "rl")),
  model,
  weights: sft.weights,
  prompts: promptsOf(data.pairs, { protocol }),
  reward: r1Reward({ protocol, undecided: 0 }),
  recipe: recipeOf("stable-reinforce"),
  run: { rolloutBatch: 4, samplesPerPrompt: 2, trainBatch: 8, learningRate: 1e-4, maxTokens: 16 },
  steps: 2,
  watch: { onAlarm: "continue" },
  evaluation: { every: 2, run: measure },
});
await model.save(join(folder, "model"), rl.weights);
const { n, accuracy, unreadable } = rl.evaluation;
console.log(`cold start: ${sft.status} at step ${sft.step}; reinforcement learning: ${rl.status} at step ${rl.step}`);
console.log(
  `${n} held-out pairs: ${accuracy} right, ${unreadable} of the critiques unreadable (a few steps teach no form yet)`,
);

await model[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
await rm(folder, { recursive: true });
if (sft.status !== "finished" || rl.status !== "finished") throw new Error("a stage did not finish");
