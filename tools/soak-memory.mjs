#!/usr/bin/env node
// Ten thousand steps of training: does memory stay flat? Prints resident memory, heap and live tensors along the way and fails when
// the second half grows by more than 5 % in memory, or at all in tensors. `node --expose-gc tools/soak-memory.mjs [steps]`
import { defineReward } from "@r1reward/core";
import { banditPolicy, createEngine, trainStableReinforce } from "@r1reward/stablereinforce";

const steps = Number(process.argv[2] ?? 10_000);
const engine = await createEngine({ threads: 1 });
const options = {
  policy: banditPolicy({ engine, arms: 3 }),
  prompts: [{ id: "p", prompt: [{ role: "user", content: [{ type: "text", text: "Pick an arm." }] }], truth: "2" }],
  reward: defineReward({ name: "noisy", score: ({ text, truth }) => (text === truth ? 1 : 0) }),
  run: { learningRate: 1e-4, rolloutBatch: 16, trainBatch: 8, maxTokens: 1 },
  steps,
  seed: 1,
};
const rows = [];
for await (const { step } of trainStableReinforce(options)) {
  if (step % Math.max(1, Math.floor(steps / 10)) !== 0) continue;
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  rows.push({
    step,
    rssMB: Math.round(rss / 2 ** 20),
    heapMB: Math.round(heapUsed / 2 ** 20),
    liveTensors: engine.liveTensors(),
  });
  console.log(JSON.stringify(rows.at(-1)));
}
await engine[Symbol.asyncDispose]();
const [middle, last] = [rows[Math.floor(rows.length / 2) - 1], rows.at(-1)];
const flat =
  last.rssMB <= 1.05 * middle.rssMB &&
  last.heapMB <= 1.05 * middle.heapMB + 1 &&
  last.liveTensors <= middle.liveTensors;
console.log(flat ? "flat" : "NOT flat");
process.exitCode = flat ? 0 : 1;
