// The paper's ablation on the small judge: what is compared, and with what.
import { r1Reward } from "@r1reward/core";
import { shapesProtocol } from "@r1reward/core/shapes";
import { filterAdvantages, kl, losses, presets, standardise } from "@r1reward/stablereinforce";
import { reinforce } from "../tiny/recipe.mjs";

const recipe = (name, { preClip = true, filter = true } = {}) => ({
  ...presets.paper,
  name,
  normalise: (rows) => (filter ? filterAdvantages(rows) : standardise(rows)),
  loss: preClip ? losses.stableReinforce() : losses.ppo({ preClip: "none" }),
  klController: kl.fixed(0),
});

const rewardWith = (consistencyWeight) => r1Reward({ protocol: shapesProtocol, undecided: 0, consistencyWeight });
const whole = rewardWith(0.5);

/** All of the algorithm; the other arms lack a part of it. */
const full = { recipe: recipe("StableReinforce"), reward: whole };
const unbounded = [
  { recipe: recipe("Reinforce++", { preClip: false, filter: false }), reward: whole },
  { recipe: recipe("without Pre-CLIP", { preClip: false }), reward: whole },
  { recipe: recipe("without filter", { filter: false }), reward: whole },
];
const inconsistent = { recipe: recipe("without consistency"), reward: rewardWith(0) };

export const seeds = [1, 2, 3, 4, 5];

/** What the cold start of `reproduce:tiny` goes on to learn from, before it is reinforced; see teacher.mjs. */
export const teacher = { seed: 22, contradicting: 25, pairs: 100_000, steps: 200, batch: 16, learningRate: 5e-4 };

const run = { ...reinforce.run, rolloutBatch: 32, samplesPerPrompt: 4 };

/**
 * A rate that trains, and one that is too high: bounds are for the latter. `full` is run first. Where its bounds never acted, the arms in
 * `unbounded` are the same run, update for update, and are not made again.
 */
export const settings = [
  {
    name: "gentle",
    steps: 16,
    run: { ...run, learningRate: 1e-4, trainBatch: 64 },
    full,
    unbounded,
    others: [inconsistent],
  },
  { name: "rough", steps: 10, run: { ...run, learningRate: 3e-4, trainBatch: 32 }, full, unbounded, others: [] },
];

/** Pairs of the test split that no stage has seen: judged greedily in both orders, and `votes` times in one order at temperature 1. */
export const measured = { seed: 21, pairs: 150, voted: 60, votes: 15 };
