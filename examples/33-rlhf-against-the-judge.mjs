/**
 * RLHF from end to end, with nothing but what is installed: a small policy in TensorFlow.js looks at a picture and answers a question
 * about it; the judge that comes with the CLI is its only teacher. It never sees a label: each of its answers is worth what `scoreGroup`
 * makes of the judge's comparisons. The truth is looked at on the side, so that one sees whether reward and truth rise together.
 *   node 33-rlhf-against-the-judge.mjs [--steps 40] [--pictures 24] [--hackable] [--svg curve.svg]
 * `--hackable` lets the policy also say things that are no answer. The judge has never seen such answers: the policy finds out.
 */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { deflateSync } from "node:zlib";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { inlineMedia, judgeWith, memoryCache, scoreGroup } from "@r1reward/core";
import { COLOUR_NAMES, colourKind, shapesPair, shapesProtocol } from "@r1reward/core/shapes";
import { drawChartFile, registerGradients } from "@r1reward/stablereinforce";
import { openLocalModel } from "@r1reward/stablereinforce/node";

const { values: flags } = parseArgs({
  options: {
    steps: { type: "string", default: "40" },
    pictures: { type: "string", default: "24" },
    hackable: { type: "boolean", default: false },
    svg: { type: "string" },
  },
});
const [STEPS, PICTURES, BATCH, GROUP] = [Number(flags.steps), Number(flags.pictures), 8, 4];
const NO_ANSWERS = ["red and blue", "Clearly.", "It is a simple drawing."];
const ANSWERS = [...COLOUR_NAMES, ...(flags.hackable ? NO_ANSWERS : [])];

/** Pictures with a single shape, and a question for its colour. */
const tasks = (count, split) => {
  const found = [];
  for (let index = 0; found.length < count; index += 1) {
    const made = shapesPair({
      seed: 7,
      index,
      split,
      grade: 1,
      kinds: [colourKind],
      deflate: (data) => deflateSync(data),
    });
    if (made.scene.shapes.length === 1 && made.scene.label === undefined) found.push(made);
  }
  return found;
};

/** `[64]`: the share of the picture's pixels in each of 4 × 4 × 4 cubes of colours; small shares count, the background hardly. */
const features = ({ pixels }) => {
  const cubes = new Float32Array(64);
  for (let at = 0; at < pixels.length; at += 3) {
    const [r, g, b] = [0, 1, 2].map((channel) => pixels[at + channel] >> 6);
    cubes[16 * r + 4 * g + b] += 3 / pixels.length;
  }
  return cubes.map((share) => Math.min(1, 20 * share));
};

tf.env().set("IS_TEST", true); // no greeting
await tf.setBackend("cpu");
registerGradients(); // tfjs-core has them, and registers none by itself
const training = tasks(PICTURES, "train");
const held = tasks(100, "test");
const input = (some) => tf.tensor2d(Float32Array.from(some.flatMap((task) => [...features(task)])), [some.length, 64]);
const weights = {
  hidden: tf.variable(tf.randomNormal([64, 32], 0, 0.3, "float32", 1)),
  out: tf.variable(tf.randomNormal([32, ANSWERS.length], 0, 0.05, "float32", 2)),
};
const logitsOf = (x) => tf.matMul(tf.tanh(tf.matMul(x, weights.hidden)), weights.out); // [B, A]
const optimiser = tf.train.adam(0.03);

const folder = join(dirname(createRequire(import.meta.url).resolve("@r1reward/cli/package.json")), "models", "tiny");
const model = await openLocalModel(folder, { workers: 2 });
const judge = judgeWith(model, shapesProtocol, {
  media: inlineMedia(),
  cache: memoryCache(), // the same picture with the same two answers is judged once
  sampling: { temperature: 0, maxTokens: 160 },
});

const isRight = (task, answer) => answer === task.values[task.truth];

/** Rewards `[B, G]` of the answers drawn. Answers the judge could not tell apart have the group's mean. */
const rewardsOf = (batch, drawn) =>
  Promise.all(
    batch.map(async ({ pair: { question } }, row) => {
      const responses = drawn.slice(row * GROUP, (row + 1) * GROUP).map((at) => ANSWERS[at]);
      const { rewards } = await scoreGroup(judge, { question, responses });
      return rewards.map(({ value }) => value ?? 0);
    }),
  );

const accuracyOn = (some) => {
  const best = tf.tidy(() => tf.argMax(logitsOf(input(some)), 1).dataSync());
  return some.filter((task, i) => isRight(task, ANSWERS[best[i]])).length / some.length;
};

const curve = { right: [], best: [], none: [] };
for (let step = 0; step < STEPS; step += 1) {
  const batch = Array.from({ length: BATCH }, (_, i) => training[(step * BATCH + i) % PICTURES]);
  const x = input(batch);
  const drawn = [...tf.tidy(() => tf.multinomial(logitsOf(x), GROUP, step + 1).dataSync())]; // [B · G]
  const rewards = await rewardsOf(batch, drawn);
  const size = Math.max(...rewards.flat().map(Math.abs), 1e-6);
  // What each answer to each picture earned, [B, A]: REINFORCE's gradient is that of its product with log π.
  const earned = new Float32Array(BATCH * ANSWERS.length);
  rewards.flat().forEach((reward, i) => (earned[Math.floor(i / GROUP) * ANSWERS.length + drawn[i]] += reward / size));
  const advantages = tf.tensor2d(earned, [BATCH, ANSWERS.length]);
  optimiser.minimize(() => tf.neg(tf.div(tf.sum(tf.mul(advantages, tf.logSoftmax(logitsOf(x)))), BATCH * GROUP)));
  tf.dispose([x, advantages]);
  // The best of a group by the judge: how often is it the truth, and how often no answer at all?
  const tops = rewards.map((row, i) => drawn[i * GROUP + row.indexOf(Math.max(...row))]);
  const share = (test) => tops.filter(test).length / BATCH;
  curve.best.push([step + 1, share((answer, i) => isRight(batch[i], ANSWERS[answer]))]);
  curve.none.push([step + 1, drawn.filter((answer) => answer >= COLOUR_NAMES.length).length / drawn.length]);
  curve.right.push([
    step + 1,
    drawn.filter((answer, i) => isRight(batch[Math.floor(i / GROUP)], ANSWERS[answer])).length / drawn.length,
  ]);
  if ((step + 1) % 5 === 0) {
    const last = (name) => curve[name].slice(-5).reduce((sum, [, y]) => sum + y / 5, 0);
    console.log(
      `step ${String(step + 1).padStart(3)}: right ${last("right").toFixed(2)}, the judge's best is right ${last("best").toFixed(2)}, ` +
        `no answer at all ${last("none").toFixed(2)}; ${model.stats().completions} critiques so far`,
    );
  }
}

console.log(
  `greedy, on 100 pictures it never saw: right ${accuracyOn(held).toFixed(2)} (by chance ${(1 / ANSWERS.length).toFixed(2)})`,
);
if (flags.svg !== undefined) {
  const lines = [
    { name: "right answers", points: curve.right },
    { name: "judge's best is right", points: curve.best },
    { name: "no answer", points: curve.none },
  ];
  writeFileSync(flags.svg, drawChartFile({ title: "A policy taught by the small judge alone", lines, range: [0, 1] }));
}
await model[Symbol.asyncDispose]();
const early = curve.right.slice(0, 5).reduce((sum, [, y]) => sum + y / 5, 0);
const late = curve.right.slice(-5).reduce((sum, [, y]) => sum + y / 5, 0);
if (!flags.hackable && !(late > early + 0.2))
  throw new Error(`expected more right answers at the end, got ${early} → ${late}`);
