import { combineRewards, defineReward } from "@r1reward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  advantageEstimators,
  constantLength,
  corrections,
  cutOutliers,
  filterAdvantages,
  kl,
  losses,
  overlongShaping,
  penalties,
  policyLoss,
  presets,
  sequenceLevel,
  sequenceProduct,
  standardise,
  surrogates,
  tokenMean,
  type Recipe,
} from "../algorithm/index.ts";
import { createEngine, type Engine } from "../engine/index.ts";
import { banditPolicy, type TrainingPrompt } from "../policy/index.ts";
import { trainStableReinforce } from "./train.ts";
import type { TrainingStep, TrainStableReinforceOptions } from "./types.ts";

// Every line of the table in docs/guide/training.md, by its name there: what the guide promises can be trained with.

const prompts: TrainingPrompt<number>[] = [0, 1, 2].map((context) => ({
  id: String(context),
  prompt: [{ role: "user", content: [{ type: "text", text: `context ${context}` }] }],
  truth: context,
}));
const right = defineReward<number>({ name: "right", score: ({ text, truth }) => (Number(text) === truth ? 1 : 0) });
const even = defineReward<number>({ name: "even", score: ({ text }) => (Number(text) % 2 === 0 ? 1 : 0) });
const reward = combineRewards<number>("both", [
  { reward: right, weight: 1 },
  { reward: even, weight: 0.5 },
]);

type Changes = Partial<TrainStableReinforceOptions<number>>;
const { grpo, rloo, gae, gdpo, drGrpo, reinforce, reinforceBaseline } = advantageEstimators;
const own = (changes: Partial<Recipe>): Changes => ({ recipe: { ...presets.paper, name: "own", ...changes } });
const asTheyAre = (rows: readonly Float64Array[]): readonly Float64Array[] => rows;
const reference = { scores: { data: new Float32Array(12).fill(0.1), shape: [3, 4], dtype: "float32" as const } };

const RECIPES: Readonly<Record<string, Changes>> = {
  "the paper's run": { recipe: presets.paper },
  "the released script's": { recipe: presets.script },
  "reference mode": { recipe: presets.reference },
  "Reinforce++": own({ estimate: reinforce() }),
  "Reinforce++-baseline": own({ estimate: reinforceBaseline() }),
  RLOO: own({ estimate: rloo(), normalise: asTheyAre, loss: losses.rloo() }),
  GRPO: { ...own({ estimate: grpo(), normalise: asTheyAre, loss: losses.grpo() }), reference },
  "Dr.GRPO": own({ estimate: drGrpo(), normalise: asTheyAre, loss: losses.drGrpo({ maxTokens: 1024 }) }),
  GAE: {
    ...own({ estimate: gae({ lambda: 0.95 }) }),
    values: (rollouts) => rollouts.map(({ tokens }) => new Float32Array(tokens.length)),
  },
  GDPO: own({ estimate: gdpo({ weights: { right: 1, even: 0.5 } }), normalise: asTheyAre }),
  "standardised, not filtered": own({ normalise: standardise }),
  "another filter": own({ normalise: (rows) => filterAdvantages(rows, 2) }),
  "a filter of raw advantages": own({ normalise: (rows) => cutOutliers(rows, 1) }),
  PPO: own({ loss: losses.ppo({ preClip: "none" }) }),
  "clip-higher": own({ loss: losses.ppo({ epsilonHigh: 0.28 }) }),
  "dual clip": own({ loss: losses.dualClip({ c: 3 }) }),
  DAPO: {
    ...own({ estimate: grpo(), normalise: asTheyAre, loss: losses.dapo() }),
    dynamicSampling: { maxRounds: 4 },
  },
  "overlong shaping": own({
    estimate: (batch, context) => grpo()(overlongShaping({ soft: 896, hard: 1024 })(batch), context),
  }),
  GSPO: own({ loss: losses.gspo() }),
  CISPO: own({ loss: losses.cispo() }),
  SAPO: own({ loss: losses.sapo() }),
  REINFORCE: own({ loss: losses.reinforce() }),
  "your own": own({
    loss: policyLoss({ level: sequenceLevel, surrogate: surrogates.clipped(), aggregate: constantLength(64) }),
  }),
  "token mean": own({ loss: losses.ppo({ aggregate: tokenMean }) }),
  "KL in the reward": own({ estimate: reinforce({ klEstimator: kl.k2 }), klController: kl.fixed(0.01) }),
  "adaptive KL": own({ klController: kl.adaptive({ initial: 0.01, target: 0.1 }) }),
  "KL in the loss": {
    ...own({ loss: losses.ppo({ penalties: [penalties.kl({ coef: 0.01, estimator: kl.k3 })] }) }),
    reference,
  },
  "unbiased KL": { ...own({ loss: losses.ppo({ penalties: [penalties.unbiasedKl({ coef: 0.01 })] }) }), reference },
  "straight-through KL": {
    ...own({ loss: losses.ppo({ penalties: [penalties.kl({ coef: 0.01, estimator: kl.straightThrough(kl.k3, kl.k2) })] }) }), // prettier-ignore
    reference,
  },
  TIS: own({ loss: losses.ppo({ corrections: [corrections.truncated({ cap: 2 })] }) }),
  "masked importance sampling": own({ loss: losses.ppo({ corrections: [corrections.masked({ cap: 2 })] }) }),
  IcePop: own({ loss: losses.ppo({ corrections: [corrections.icePop()] }) }),
  "sequence corrections": own({
    loss: losses.ppo({ corrections: [corrections.truncated({ level: sequenceProduct }), corrections.rejected()] }),
  }),
  "off-policy mask": own({ loss: losses.ppo({ corrections: [corrections.offPolicyMask()] }) }),
  "forking tokens": own({ entropyShare: 0.8 }),
  "log π_old by the sampler": { ...own({}), oldLogp: "sampler" },
  "micro-batches": { ...own({}), microBatch: 5 },
};

let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ runtime: "tfjs-cpu" })));
afterAll(() => engine[Symbol.asyncDispose]());

describe("a recipe of the guide", () => {
  it.each(Object.entries(RECIPES))("trains: %s", async (_, changes) => {
    const steps: TrainingStep<number>[] = [];
    const policy = banditPolicy<number>({ engine, arms: 4, contexts: 3 });
    const run = {
      learningRate: 0.05,
      rolloutBatch: 6,
      samplesPerPrompt: 4,
      trainBatch: 12,
      maxTokens: 1,
      warmup: 0,
      finalLearningRate: 1,
    };
    for await (const step of trainStableReinforce({ policy, prompts, reward, run, steps: 25, seed: 3, ...changes }))
      steps.push(step);
    for (const { loss, nanCount, gradNorm } of steps) {
      expect(nanCount).toBe(0);
      expect(Number.isFinite(loss) && (gradNorm as number) >= 0).toBe(true);
    }
    const mean = (some: TrainingStep<number>[]): number =>
      some.reduce((sum, { reward: { mean: value } }) => sum + (value as number), 0) / some.length;
    expect(mean(steps.slice(-5))).toBeGreaterThan(mean(steps.slice(0, 5)) + 0.05);
    expect(engine.liveTensors()).toBe(0);
  });
});
