// A small transformer: first it learns the form from examples (with some wrong answers), then the answers from a reward.
import { combineRewards, defineReward } from "@r1reward/core";
import {
  characterTokenizer,
  createEngine,
  trainSft,
  trainStableReinforce,
  transformerPolicy,
} from "@r1reward/stablereinforce";

const tokenizer = characterTokenizer("0123456789<>");
const config = {
  vocabSize: 16,
  hiddenSize: 32,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  intermediateSize: 48,
  tiedEmbeddings: true,
};
const engine = await createEngine({ threads: 1 });
const policy = transformerPolicy({ engine, config, tokenizer });

// The task: write the digit that follows, between angle brackets.
const digits = Array.from({ length: 10 }, (_, digit) => digit);
const prompts = digits.map((digit) => ({
  id: String(digit),
  prompt: [{ role: "user", content: [{ type: "text", text: String(digit) }] }],
  truth: String((digit + 1) % 10),
}));
const examples = prompts.flatMap(({ prompt, truth }) =>
  [Number(truth), Number(truth), (Number(truth) + 3) % 10].map((answer) => ({
    promptTokens: tokenizer.encodePrompt(prompt),
    tokens: tokenizer.encodeReply(`<${answer}>`),
  })),
);

let weights;
for await (const step of trainSft({ policy, examples, steps: 240, run: { batch: 30, learningRate: 1e-2 } })) {
  if (step.step % 60 === 0) console.log(`examples, step ${step.step}: loss ${step.loss.toFixed(3)}`);
  if (step.step === 240) weights = (await step.snapshot()).weights;
}

const form = defineReward({ name: "form", score: ({ text }) => (/^<\d>$/.test(text) ? 1 : 0) });
const right = defineReward({ name: "right", score: ({ text, truth }) => (text === `<${truth}>` ? 1 : 0) });
const rewards = [];
for await (const step of trainStableReinforce({
  policy,
  prompts,
  weights,
  reward: combineRewards("digits", [
    { reward: form, weight: 0.2 },
    { reward: right, weight: 1 },
  ]),
  run: { learningRate: 5e-4, rolloutBatch: 80, trainBatch: 40, maxTokens: 6 },
  steps: 40,
})) {
  rewards.push(step.reward.mean);
  const parts = Object.entries(step.rewardParts).map(([name, value]) => `${name} ${value?.toFixed(2)}`);
  if (step.step % 10 === 0)
    console.log(
      `rewards, step ${step.step}: ${step.reward.mean.toFixed(2)} (${parts.join(", ")}), KL ${step.klOld.toFixed(4)}`,
    );
}
await policy[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();

const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;
const [before, after] = [mean(rewards.slice(0, 5)), mean(rewards.slice(-5))];
console.log(`mean reward of the first five steps ${before.toFixed(2)}, of the last five ${after.toFixed(2)}`);
if (!(after > before)) throw new Error("the reward did not grow");
