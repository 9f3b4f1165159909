// Writes an event file of a short training into a folder, and prints what must be found in it.
import { defineReward } from "@r1reward/core";
import { banditPolicy, createEngine, metricsOf, trainStableReinforce } from "@r1reward/stablereinforce";
import { tensorBoardSink } from "@r1reward/stablereinforce/node";

const [folder] = process.argv.slice(2);
const engine = await createEngine({ threads: 1 });
const sink = await tensorBoardSink(folder);
const expected = [];
const training = trainStableReinforce({
  policy: banditPolicy({ engine, arms: 3 }),
  prompts: [{ id: "p", prompt: [{ role: "user", content: [{ type: "text", text: "Pick an arm." }] }], truth: "2" }],
  reward: defineReward({ name: "right", score: ({ text, truth }) => (text === truth ? 1 : 0) }),
  run: { learningRate: 0.1, rolloutBatch: 16, trainBatch: 8, maxTokens: 1 },
  steps: 5,
});
for await (const step of training) {
  await sink.write(step);
  expected.push({ step: step.step, metrics: metricsOf(step) });
}
await sink[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
console.log(JSON.stringify(expected));
