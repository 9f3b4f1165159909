// The small world of the experiment: adding two numbers, with a thought of no use before the answer.
import { defineReward } from "@r1reward/core";
import { characterTokenizer, filterAdvantages, kl, losses, presets, standardise } from "@r1reward/stablereinforce";

export const tokenizer = characterTokenizer("0123456789+=.");

export const config = {
  vocabSize: 16,
  hiddenSize: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 64,
  tiedEmbeddings: true,
};

/** Longest reply: a thought of 8 dots, "=", two digits and the stop token fit twice. */
export const MAX_TOKENS = 24;

const promptOf = (text) => [{ role: "user", content: [{ type: "text", text }] }];

/** All sums of two numbers from 0 to 9. */
export const prompts = Array.from({ length: 100 }, (_, i) => {
  const [a, b] = [Math.floor(i / 10), i % 10];
  return { id: `${a}+${b}`, prompt: promptOf(`${a}+${b}`), truth: String(a + b) };
});

/** Supervised examples: each sum with thoughts of 0 to 8 dots, one of the nine with a sum that is wrong by one. */
export const examples = prompts.flatMap(({ prompt, truth }, i) =>
  Array.from({ length: 9 }, (_, dots) => {
    const answer = dots === i % 9 ? Number(truth) + 1 : Number(truth);
    return {
      promptTokens: tokenizer.encodePrompt(prompt),
      tokens: tokenizer.encodeReply(`${".".repeat(dots)}=${answer}`),
    };
  }),
);

/** Sparse: 1 when what follows the last "=" is the sum, else 0. */
export const reward = defineReward({
  name: "right",
  score: ({ text, truth }) => (text.slice(text.lastIndexOf("=") + 1) === truth && text.includes("=") ? 1 : 0),
});

const recipe = (name, { preClip, filter }) => ({
  ...presets.paper,
  name,
  normalise: (rows) => (filter ? filterAdvantages(rows) : standardise(rows)),
  loss: preClip ? losses.stableReinforce() : losses.ppo({ preClip: "none" }),
  klController: kl.fixed(0),
});

/** The four arms of the paper's ablation (Table 6). */
export const arms = [
  recipe("Reinforce++", { preClip: false, filter: false }),
  recipe("without Pre-CLIP", { preClip: false, filter: true }),
  recipe("without filter", { preClip: true, filter: false }),
  recipe("StableReinforce", { preClip: true, filter: true }),
];

/** Released settings but for sizes: 64 replies a step, 16 updates with them (4 passes of 4 minibatches). */
export const run = {
  rolloutBatch: 64,
  trainBatch: 16,
  passes: 4,
  maxTokens: MAX_TOKENS,
};

/** From a rate that trains to one that nothing survives. */
export const learningRates = [3e-4, 1e-3, 3e-3, 1e-2];
export const seeds = [1, 2, 3, 4, 5];
export const steps = 40;
