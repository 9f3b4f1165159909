import { defineReward } from "@r1reward/core";
import { mul, neg, sum, type Scalar, type Tensor2D } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  advantageEstimators,
  corrections,
  kl,
  losses,
  penalties,
  policyLoss,
  presets,
  tokenMean,
  type Recipe,
} from "../algorithm/index.ts";
import { createEngine, type Engine, type RuntimeName } from "../engine/index.ts";
import { initParams, namedParams } from "../model/index.ts";
import { banditPolicy, characterTokenizer, transformerPolicy, type Policy, type TokenRow } from "../policy/index.ts";
import { createLearner, type Update } from "./learner.ts";
import type { Objective } from "./learner-graphs.ts";
import { trainSft } from "./sft.ts";
import { trainStableReinforce } from "./train.ts";
import type { Snapshot, TrainingStep, TrainStableReinforceOptions } from "./types.ts";

const tokenizer = characterTokenizer("0123456789+");
const config = {
  vocabSize: 16,
  hiddenSize: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 32,
  tiedEmbeddings: true,
};
const prompts = ["1+1", "12+3", "4+0", "0+9", "127+1"].map((text) => ({
  id: text,
  prompt: [{ role: "user" as const, content: [{ type: "text" as const, text }] }],
  truth: text.slice(-1),
}));
/** Dense, and another for every length: minibatches whose parts have other means than the whole. */
const reward = defineReward<string>({
  name: "ends",
  score: ({ text, truth }) => text.length / 6 + (text.includes(truth) ? 1 : 0),
});

let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ runtime: "onnx-node", threads: 1 })));
afterAll(() => engine[Symbol.asyncDispose]());

const withPolicy = async <T>(work: (policy: Policy<string>) => Promise<T>): Promise<T> => {
  await using policy = transformerPolicy<string>({ engine, config, tokenizer, initSeed: 3 });
  return work(policy);
};

interface Ran {
  readonly steps: readonly TrainingStep<string>[];
  readonly end: Snapshot;
}

const run = (changes: Partial<TrainStableReinforceOptions<string>>): Promise<Ran> =>
  withPolicy(async (policy) => {
    const steps: TrainingStep<string>[] = [];
    let end: Snapshot | undefined;
    const settings = { learningRate: 3e-3, rolloutBatch: 5, samplesPerPrompt: 4, trainBatch: 10, maxTokens: 8 };
    for await (const step of trainStableReinforce({
      policy,
      prompts,
      reward,
      run: { ...settings, ...changes.run },
      steps: 3,
      seed: 11,
      ...Object.fromEntries(Object.entries(changes).filter(([name]) => name !== "run")),
    })) {
      steps.push(step);
      end = await step.snapshot();
    }
    return { steps, end: end as Snapshot };
  });

/** Largest difference of two sets of weights. */
const apart = (a: Snapshot, b: Snapshot): number =>
  Math.max(
    ...Object.entries(a.weights).flatMap(([name, { data }]) =>
      Array.from(data, (x, i) => Math.abs(x - (b.weights[name]?.data[i] as number))),
    ),
  );

const recipeWith = (name: string, loss: Recipe["loss"]): Recipe => ({
  ...presets.paper,
  name,
  estimate: advantageEstimators.rloo(),
  loss,
});

describe("micro-batches", () => {
  const recipes: Recipe[] = [
    presets.paper,
    recipeWith("token mean", losses.dapo()),
    recipeWith("constant length", losses.drGrpo({ maxTokens: 8 })),
    recipeWith("sequences", losses.gspo()),
    recipeWith(
      "all",
      policyLoss({
        aggregate: tokenMean,
        corrections: [corrections.truncated({ cap: 1.5 })],
        penalties: [penalties.kl({ coef: 0.1, estimator: kl.k2 })],
      }),
    ),
  ];
  it.each(recipes.map((recipe) => [recipe.name, recipe] as const))(
    "make the update of the whole minibatch, whatever their size: %s",
    async (_, recipe) => {
      const reference = Object.fromEntries(namedParams(initParams(config, 9)));
      const whole = await run({ recipe, reference, run: { passes: 2 } });
      for (const microBatch of [1, 7]) {
        const parts = await run({ recipe, reference, microBatch, run: { passes: 2 } });
        whole.steps.forEach((step, i) => {
          const other = parts.steps[i] as TrainingStep<string>;
          expect(other.samples.map(({ text }) => text)).toEqual(step.samples.map(({ text }) => text));
          step.losses.forEach((loss, k) => expect(other.losses[k]).toBeCloseTo(loss, 5));
          for (const name of ["gradNorm", "clipped", "preClipped", "ratioMin", "ratioMax", "klOld"] as const) {
            expect(other[name], name).toBeCloseTo(step[name] as number, 4);
          }
        });
        expect(apart(whole.end, parts.end)).toBeLessThan(2e-4);
      }
      expect(engine.liveTensors()).toBe(0);
    },
    120_000,
  );

  it("go on from a snapshot to the last digit", async () => {
    await withPolicy(async (policy) => {
      const options = { policy, prompts, reward, microBatch: 3, steps: 4, seed: 2 };
      const settings = { learningRate: 3e-3, rolloutBatch: 4, samplesPerPrompt: 2, trainBatch: 8, maxTokens: 6 };
      const losses_: unknown[] = [];
      let middle: Snapshot | undefined;
      for await (const step of trainStableReinforce({ ...options, run: settings })) {
        losses_.push(step.losses);
        if (step.step === 2) middle = await step.snapshot();
      }
      const again: unknown[] = [];
      for await (const step of trainStableReinforce({ ...options, run: settings, from: middle }))
        again.push(step.losses);
      expect(again).toEqual(losses_.slice(2));
    });
  }, 60_000);

  it("teach the same in supervised training: the mean is over the tokens of the whole batch", async () => {
    const examples = [..."1+1=2 12+3=15 4+0=4 127+1=128 9+9=18".split(" ")].map((text) => {
      const [asked = "", told = ""] = text.split("=");
      return { promptTokens: tokenizer.encodeReply(asked), tokens: tokenizer.encodeReply(told) };
    });
    const train = (microBatch: number | undefined) =>
      withPolicy(async (policy) => {
        const seen: number[] = [];
        const options = { policy, examples, steps: 8, run: { batch: 5, learningRate: 1e-2 } };
        for await (const step of trainSft({ ...options, microBatch })) seen.push(step.loss as number);
        return seen;
      });
    const whole = await train(undefined);
    for (const microBatch of [1, 2, 3])
      (await train(microBatch)).forEach((loss, i) => expect(loss).toBeCloseTo(whole[i] as number, 4));
  }, 60_000);

  it("are refused when they cannot be", async () => {
    await expect(run({ microBatch: 0 })).rejects.toThrow(/microBatch: expected a whole number from 1, got 0/);
  });
});

/** −Σ_{n,t} c·log softmax(s)_a / Σ 1 of a one-row table, and its gradient: plain loops. */
const oracle = (scores: readonly number[], rows: readonly { arm: number; weight: number }[]) => {
  const total = scores.reduce((sum, s) => sum + Math.exp(s), 0);
  const p = scores.map((s) => Math.exp(s) / total);
  let loss = 0;
  const gradient = scores.map(() => 0);
  for (const { arm, weight } of rows) {
    loss -= (weight * Math.log(p[arm] as number)) / rows.length;
    scores.forEach((_, i) => (gradient[i]! -= (weight * ((i === arm ? 1 : 0) - (p[i] as number))) / rows.length));
  }
  return { loss, norm: Math.hypot(...gradient), logp: rows.map(({ arm }) => Math.log(p[arm] as number)) };
};

describe.each<RuntimeName>(["onnx-node", "tfjs-cpu"])("a learner on %s", (runtime) => {
  const weighted: Objective = ({ logp }, columns, total) => {
    const made = losses.rloo({ preClip: "none", aggregate: tokenMean })({
      logp,
      logpOld: logp,
      advantage: columns.advantage as never,
      mask: columns.mask as never,
      total,
    });
    return made as ReturnType<Objective>;
  };

  it("gives loss, gradient and log-probabilities of the oracle, whole and in parts", async () => {
    await using own = await createEngine({ runtime, threads: 1 });
    const policy = banditPolicy({ engine: own, arms: 4 });
    const scores = [0.3, -0.2, 1.1, 0];
    const rows = [2, 0, 3, 3, 1, 2, 0].map((arm, i) => ({ arm, weight: [1, -2, 0.5, 3, -1, 0.25, 2][i] as number }));
    const tokenRows: TokenRow[] = rows.map(({ arm }) => ({
      promptTokens: Int32Array.of(0),
      tokens: Int32Array.of(arm),
    }));
    const columns = { advantage: rows.map(({ weight }) => [weight]), mask: rows.map(() => [1]) };
    const expected = oracle(scores, rows);
    const updates: Update[] = [];
    for (const size of [7, 8, 3, 1]) {
      await using learner = createLearner({
        policy,
        weights: { scores: { data: Float32Array.from(scores), shape: [1, 4], dtype: "float32" } },
        objective: weighted,
        adam: {},
        maxGradNorm: 100,
        nonFinite: "skip",
        rows: size,
        inParts: size < 7,
      });
      // at rate 0 the second must be the first again: nothing of its sums may be left
      for (let i = 0; i < 2; i++) updates.push(await learner.update({ rows: tokenRows, columns }, 0));
    }
    expect(updates).toHaveLength(8);
    for (const { loss, gradNorm, logp, stats } of updates) {
      expect(loss).toBeCloseTo(expected.loss, 5);
      expect(gradNorm).toBeCloseTo(expected.norm, 5);
      expect(stats.tokens).toBe(7);
      logp.forEach((row, n) => expect(row[0]).toBeCloseTo(expected.logp[n] as number, 5));
    }
  });

  it("leaves the weights alone when one part is NaN, and goes on with the next", async () => {
    await using own = await createEngine({ runtime, threads: 1 });
    const policy = banditPolicy({ engine: own, arms: 2 });
    const objective: Objective = ({ logp }, columns) => {
      const [advantage, mask] = [columns.advantage as never, columns.mask as never];
      return { ...(losses.rloo()({ logp, logpOld: logp, advantage, mask }) as ReturnType<Objective>), loss: sumOf(logp, advantage) }; // prettier-ignore
    };
    await using learner = createLearner({
      policy,
      weights: policy.parameters(),
      objective,
      adam: {},
      maxGradNorm: 1,
      nonFinite: "skip",
      rows: 1,
      inParts: true,
    });
    const rows = [0, 1].map((arm) => ({ promptTokens: Int32Array.of(0), tokens: Int32Array.of(arm) }));
    const bad = await learner.update({ rows, columns: { advantage: [[NaN], [1]], mask: [[1], [1]] } }, 0.1);
    expect(bad.loss).toBeNaN();
    expect(Array.from((await learner.snapshot()).weights.scores?.data ?? [])).toEqual([0, 0]);
    const good = await learner.update({ rows, columns: { advantage: [[1], [0]], mask: [[1], [1]] } }, 0.1);
    expect(good.loss).toBeCloseTo(-Math.log(0.5), 5);
    expect(good.gradNorm).toBeCloseTo(Math.hypot(0.5, 0.5), 5);
    expect((await learner.snapshot()).weights.scores?.data[0]).toBeGreaterThan(0);
  });
});

const sumOf = (logp: Tensor2D, advantage: Tensor2D): Scalar => neg(sum(mul(logp, advantage)));

describe("the entropy bonus", () => {
  it("keeps the policy more uncertain than without it, and needs a policy that gives entropy", async () => {
    const bonus = recipeWith("bonus", policyLoss({ penalties: [penalties.entropy({ coef: 1 })] }));
    await expect(run({ recipe: bonus, steps: 1 })).rejects.toThrow(/entropy bonus: expected entropy/);
    const last = async (recipe: Recipe): Promise<number> => {
      await using policy = transformerPolicy<string>({ engine, config, tokenizer, initSeed: 3, entropy: true });
      const options = { policy, prompts, reward, recipe, steps: 12, seed: 1, microBatch: 8 };
      const settings = { learningRate: 1e-2, rolloutBatch: 5, samplesPerPrompt: 4, trainBatch: 20, maxTokens: 6 };
      let entropy = NaN;
      for await (const step of trainStableReinforce({ ...options, run: settings })) entropy = step.entropy as number;
      return entropy;
    };
    const [free, kept] = [await last(recipeWith("free", policyLoss())), await last(bonus)];
    expect(kept).toBeGreaterThan(free + 0.1);
    expect(kept).toBeLessThanOrEqual(Math.log(16) + 0.1);
  }, 60_000);
});

describe("log π_old from the first update", () => {
  it("is that of a forward pass, with ρ exactly 1, and changes nothing but rounding", async () => {
    const [fused, apartFrom] = [await run({}), await run({ oldLogp: "forward" })];
    fused.steps.forEach((step, i) => {
      const other = apartFrom.steps[i] as TrainingStep<string>;
      step.samples.forEach(({ logpOld }, n) =>
        logpOld.forEach((x, t) => expect(x).toBeCloseTo(other.samples[n]?.logpOld[t] as number, 5)),
      );
      expect(step.samplerGap).toBeLessThan(1e-4);
      expect(step.loss).toBeCloseTo(other.loss as number, 5);
      expect(step.entropy).toBeCloseTo(other.entropy as number, 5);
    });
    expect(apart(fused.end, apartFrom.end)).toBeLessThan(2e-4);
    const single = await run({ run: { trainBatch: 20 } });
    for (const { ratioMin, ratioMax, logRatioMax, klOld } of single.steps) {
      expect([ratioMin, ratioMax, logRatioMax]).toEqual([1, 1, 0]);
      expect(klOld).toBeCloseTo(0, 12);
    }
  }, 60_000);

  it("is not used where KL is part of the reward", async () => {
    const adaptive = { ...presets.paper, name: "kl", klController: kl.fixed(0.1) };
    const step = (await run({ recipe: adaptive, steps: 1 })).steps[0] as TrainingStep<string>;
    expect(step.kl).toBeCloseTo(0, 5);
    expect(step.loss).not.toBeNaN();
  }, 60_000);

  it("is the sampler's when asked for, and then there is no gap to measure", async () => {
    const { steps } = await run({ oldLogp: "sampler" });
    for (const { samples, samplerGap } of steps) {
      expect(samplerGap).toBeNull();
      for (const { logpOld, logpRollout } of samples) expect(logpOld).toEqual(logpRollout);
    }
  }, 60_000);

  it("is refused, never guessed, for an estimator that reads it", async () => {
    const recipe: Recipe = {
      ...presets.paper,
      name: "own",
      estimate: (batch) => batch.map(({ logpOld }) => Float64Array.from(logpOld, (x) => -x)),
    };
    await expect(run({ recipe })).rejects.toThrow(/recipe own: its estimator reads logpOld.*oldLogp: "forward"/);
    expect((await run({ recipe, oldLogp: "forward" })).steps).toHaveLength(3);
  }, 60_000);
});
