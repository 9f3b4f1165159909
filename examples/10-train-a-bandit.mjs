// The smallest thing that must learn: three arms, one of which pays. Stops half way, and goes on from its checkpoint.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineReward } from "@r1reward/core";
import {
  banditPolicy,
  createEngine,
  loadCheckpoint,
  progressSink,
  saveCheckpoint,
  trainStableReinforce,
} from "@r1reward/stablereinforce";
import { folderStore } from "@r1reward/stablereinforce/node";

const engine = await createEngine({ threads: 1 });
const folder = await mkdtemp(join(tmpdir(), "bandit-"));
const store = folderStore(folder);

const options = {
  policy: banditPolicy({ engine, arms: 3 }),
  prompts: [{ id: "p", prompt: [{ role: "user", content: [{ type: "text", text: "Pick an arm." }] }], truth: "2" }],
  reward: defineReward({ name: "pays", score: ({ text, truth }) => (text === truth ? 1 : 0) }),
  run: { learningRate: 0.1, rolloutBatch: 32, trainBatch: 16, maxTokens: 1 },
  steps: 30,
  seed: 1,
};

// Training is a loop of yours: it yields reports, and you decide what is printed, saved and when it ends.
const progress = progressSink({ print: (text) => process.stdout.write(text), steps: 30 });
for await (const step of trainStableReinforce(options)) {
  if (step.step % 5 === 0) await progress.write(step);
  if (step.step === 15) {
    await saveCheckpoint(store, await step.snapshot());
    break;
  }
}

const checkpoint = await loadCheckpoint(store);
let last;
for await (const step of trainStableReinforce({ ...options, from: checkpoint.snapshot })) {
  if (step.step % 5 === 0) await progress.write(step);
  last = step;
}
await engine[Symbol.asyncDispose]();
await rm(folder, { recursive: true });
console.log(`reward of the last batch: ${last.reward.mean}`);
if (last.reward.mean < 0.9) throw new Error("the bandit did not learn");
