/** A training program of the smallest kind: goes on from its last checkpoint, and ends when all steps are done. */
import { join } from "node:path";
import { defineReward } from "@r1reward/core";
import { kl, losses, presets } from "../src/algorithm/index.ts";
import { loadCheckpoint, saveCheckpoint } from "../src/checkpoint/index.ts";
import { createEngine } from "../src/engine/index.ts";
import { folderStore } from "../src/node/folder-store.ts";
import { jsonlSink } from "../src/node/sinks.ts";
import { banditPolicy } from "../src/policy/index.ts";
import { trainStableReinforce } from "../src/train/index.ts";

const [folder = "", steps = "0"] = process.argv.slice(2);
const store = folderStore(join(folder, "checkpoints"));
const engine = await createEngine({ runtime: "onnx-node", threads: 1 });
const prompts = [0, 1, 2, 3, 4].map((context) => ({
  id: `c${context}`,
  prompt: [{ role: "user" as const, content: [{ type: "text" as const, text: `context ${context}` }] }],
  truth: (context * 3) % 4,
}));
const loaded = await loadCheckpoint(store);
const sink = await jsonlSink(join(folder, "reports.jsonl"), { after: loaded?.snapshot.step ?? 0 });
const training = trainStableReinforce<number>({
  policy: banditPolicy({ engine, arms: 4, contexts: 5 }),
  prompts,
  reward: defineReward<number>({ name: "pays", score: ({ text, truth }) => (Number(text) === truth ? 1 : 0) }),
  recipe: {
    ...presets.paper,
    loss: losses.grpo(),
    klController: kl.adaptive({ initial: 0.01, target: 0.05, horizon: 200 }),
  },
  run: { learningRate: 0.02, rolloutBatch: 8, samplesPerPrompt: 2, trainBatch: 8, passes: 2, maxTokens: 1 },
  steps: Number(steps),
  seed: 7,
  from: loaded?.snapshot,
});
process.stdout.write("training\n");
for await (const step of training) {
  await sink.write(step);
  await saveCheckpoint(store, await step.snapshot(), { keep: 2 });
}
await sink[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
