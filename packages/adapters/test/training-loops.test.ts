import { defaultDevice, grad, init, jit, nn, numpy as np } from "@jax-js/jax";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import fc from "fast-check";
import { beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { jaxReward, rolloutArrays } from "../src/jax/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";
import { vsReference } from "../src/scoring/scalarise.ts";
import {
  groupAdvantages,
  rolloutTensors,
  tfjsReward,
  type RolloutReward,
  type TensorMaker,
} from "../src/tfjs/index.ts";

/** Four answers that the policy can choose from; the judge likes the third. */
const arms = ["good 1", "good 2", "good 9", "good 3"];

/** Numbers from 0 to 1, the same in every run (a linear congruential generator). */
const generator = (seed: number) => () => (seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;

const draw = (p: ArrayLike<number>, random: () => number): number => {
  let left = random();
  for (let arm = 0; arm < p.length - 1; arm += 1) if ((left -= p[arm]!) < 0) return arm;
  return p.length - 1;
};

const softmax = (logits: ArrayLike<number>): readonly number[] => {
  const weights = Array.from(logits, Math.exp);
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
};

const rollOut = async (reward: RolloutReward, p: readonly number[], random: () => number) => {
  const chosen = Array.from({ length: 8 }, () => draw(p, random));
  const rollouts = await reward(["q?"], [chosen.map((arm) => arms[arm]!)]);
  return { chosen, rollouts };
};

describe("a policy trained with TensorFlow.js", () => {
  beforeAll(async () => {
    tf.env().set("IS_TEST", true); // no greeting
    await tf.setBackend("cpu");
  });

  it("comes to choose the answer that the judge prefers, and leaks no tensor", async () => {
    const reward = tfjsReward({ judge: numberJudge() });
    const logits = tf.variable(tf.zeros([4]) as tf.Tensor1D);
    const optimiser = tf.train.sgd(1);
    const random = generator(1);
    const before = tf.memory().numTensors;
    for (let step = 0; step < 60; step += 1) {
      const { chosen, rollouts } = await rollOut(reward, softmax(await logits.data()), random);
      const { rewards, mask, advantages } = rolloutTensors(tf, rollouts);
      optimiser.minimize(() => {
        const logp = tf.sub(logits, tf.log(tf.sum(tf.exp(logits)))) as tf.Tensor1D;
        const taken = tf.gather(logp, tf.tensor1d(chosen, "int32"));
        return tf.neg(tf.mean(tf.mul(taken, tf.reshape(advantages, [8])))) as tf.Scalar;
      });
      tf.dispose([rewards, mask, advantages]);
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(softmax(await logits.data())[2]).toBeGreaterThan(0.9);
    reward.assertHealthy();
  });

  it("gets tensors [B, G]", async () => {
    const rollouts = await tfjsReward({ judge: numberJudge() })(
      ["a", "b"],
      [
        ["1", "2", "3"],
        ["5", "5.0", "4"],
      ],
    );
    const { rewards, mask } = rolloutTensors(tf, rollouts);
    expect(rewards.shape).toEqual([2, 3]);
    expect([...(await mask.data())]).toEqual([1, 1, 1, 1, 1, 1]);
    expectTypeOf(tf).toExtend<TensorMaker>();
  });
});

describe("a policy trained with jax-js", () => {
  beforeAll(async () => {
    await init("wasm");
    defaultDevice("wasm");
  });

  it("comes to choose the answer that the judge prefers", async () => {
    const reward = jaxReward({ judge: numberJudge() });
    const loss = (logits: np.Array, oneHot: np.Array, advantages: np.Array): np.Array =>
      np.mean(np.sum(nn.logSoftmax(logits).mul(oneHot), 1).mul(advantages)).mul(-1);
    const step = jit(grad(loss));
    let logits = np.zeros([4]);
    const random = generator(1);
    for (let at = 0; at < 60; at += 1) {
      const { chosen, rollouts } = await rollOut(reward, softmax(await logits.ref.data()), random);
      const { rewards, mask, advantages } = rolloutArrays(np, rollouts);
      const oneHot = np.array(chosen.map((arm) => arms.map((_, i) => (i === arm ? 1 : 0))));
      const gradient = step(logits.ref, oneHot, advantages.reshape([8]));
      logits = logits.sub(gradient);
      rewards.dispose();
      mask.dispose();
    }
    expect(softmax(await logits.data())[2]).toBeGreaterThan(0.9);
    reward.assertHealthy();
  });
});

describe("rollout rewards", () => {
  const reward = (options: object = {}) => tfjsReward({ judge: numberJudge(), ...options });

  it("are centred in each group, and flat in the order of the prompts", async () => {
    const { rewards, groupSizes, critiques } = await reward()(
      ["a", "a"],
      [
        ["1", "2"],
        ["3", "4", "5"],
      ],
    );
    expect(groupSizes).toEqual([2, 3]);
    expect(rewards[0]! + rewards[1]!).toBeCloseTo(0, 6);
    expect(rewards[2]! + rewards[3]! + rewards[4]!).toBeCloseTo(0, 6);
    expect(critiques[0]).toContain("preferred the other");
  });

  it("measure against a reference when told to", async () => {
    const prompt = { question: "q", reference: "3" };
    const { rewards } = await reward({ scalarise: vsReference() })([prompt], [["2", "3", "4"]]);
    expect([...rewards]).toEqual([-1, 0, 1]);
  });

  it("mask what could not be judged, and the advantages leave it out of the mean", async () => {
    const options = { scalarise: vsReference(), onError: "abstain" };
    const prompt = { question: "q", reference: "3" };
    const rollouts = await reward(options)([prompt], [["4", "THROW", "2"]]);
    expect([[...rollouts.rewards], [...rollouts.mask]]).toEqual([
      [1, 0, -1],
      [1, 0, 1],
    ]);
    expect([...groupAdvantages(rollouts)]).toEqual([1, 0, -1]);
    const allGone = await reward(options)([prompt], [["THROW", "THROW 2"]]);
    expect([...groupAdvantages(allGone)]).toEqual([0, 0]);
  });

  it("throw, or give the number that was asked for", async () => {
    await expect(reward()(["q"], [["THROW", "2"]])).rejects.toThrow(/the judge is out/);
    const { rewards, mask } = await reward({ onError: -0.5 })(["q"], [["THROW", "2"]]);
    expect([[...rewards], [...mask]]).toEqual([
      [-0.5, -0.5],
      [1, 1],
    ]);
  });

  it("refuse groups that do not fit", async () => {
    await expect(reward()(["q"], [])).rejects.toThrow(/expected 1 groups of completions, got 0/);
    const rollouts = await reward()(
      ["a", "b"],
      [
        ["1", "2"],
        ["1", "2", "3"],
      ],
    );
    expect(() => rolloutTensors(tf, rollouts)).toThrow(/groups of one size, got 2, 3/);
  });

  // Oracle: mean and population deviation in plain loops.
  it("become advantages of mean 0 and, divided, of deviation 1", () => {
    const groups = fc.array(fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 6 }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(groups, fc.boolean(), (values, divideByDeviation) => {
        const rewards = Float32Array.from(values.flat());
        const mask = new Float32Array(rewards.length).fill(1);
        const groupSizes = values.map(({ length }) => length);
        const advantages = groupAdvantages({ rewards, mask, groupSizes }, { divideByDeviation });
        let at = 0;
        for (const group of values) {
          let mean = 0;
          for (const value of group) mean += value / group.length;
          let variance = 0;
          for (const value of group) variance += (value - mean) ** 2 / group.length;
          const scale = divideByDeviation && variance > 1e-9 ? Math.sqrt(variance) : 1;
          for (const value of group) expect(advantages[at++]).toBeCloseTo((value - mean) / scale, 4);
        }
      }),
    );
  });
});
