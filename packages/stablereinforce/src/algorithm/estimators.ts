/**
 * Advantage estimators: rewards of a rollout batch → token advantages `[N][T_n]`, not yet standardised over the batch (give
 * the result to `filterAdvantages` for that). To add one: a function here, a line in `advantageEstimators`, a golden file.
 *
 * A prompt with one rollout has no siblings: where a method compares siblings, its advantage is 0.
 */
import { ConfigError } from "@r1reward/core";
import { expectOption, expectRewards, expectRow } from "./checks.ts";
import { groupsOf, meanOf, sampleStd, shapeGroups, zeroRows } from "./group.ts";
import { clipReward, reinforce, standardise, tokenRewards, type ReturnOptions } from "./stable-reinforce.ts";
import type { AdvantageEstimator, Scored } from "./types.ts";

/** Rewards are clipped before they are compared: a bound on their differences would bend the comparison. */
const shaped =
  (shape: (rewards: readonly number[]) => readonly number[], options: ReturnOptions): AdvantageEstimator =>
  (batch, context) => {
    expectRewards(batch);
    const bounded = batch.map((rollout) => ({ ...rollout, reward: clipReward(rollout.reward, options) }));
    return reinforce({ ...options, rewardClip: UNBOUNDED })(shapeGroups(bounded, shape), context);
  };

const UNBOUNDED = [-Infinity, Infinity] as const;

const minusMean = (rewards: readonly number[]): readonly number[] => {
  const mean = meanOf(rewards);
  return rewards.map((r) => r - mean);
};

/** r_i − mean of its group, then Reinforce++ returns (REINFORCE++-baseline, arXiv 2501.03262v3). */
const reinforceBaseline = (options: ReturnOptions = {}): AdvantageEstimator => shaped(minusMean, options);

/** r_i − (1/(n−1)) Σ_{j≠i} r_j, then returns (RLOO, arXiv 2402.14740, equation 8). */
const rloo = (options: ReturnOptions = {}): AdvantageEstimator =>
  shaped((rewards) => {
    const scale = rewards.length < 2 ? 0 : rewards.length / (rewards.length - 1);
    return minusMean(rewards).map((a) => a * scale); // r − others' mean = (r − mean)·n/(n−1)
  }, options);

/** Options of the group estimators. */
export interface GroupOptions extends ReturnOptions {
  /** Added to the standard deviation; 1e-6 by default. */
  readonly epsilon?: number | undefined;
}

const DEFAULT_EPSILON = 1e-6;

const groupScores =
  (epsilon: number) =>
  (rewards: readonly number[]): readonly number[] => {
    const std = sampleStd(rewards);
    return minusMean(rewards).map((a) => a / (std + epsilon));
  };

/** (r_i − mean) / (std + ϵ) within the group, the same for all tokens (GRPO, arXiv 2402.03300, section 4.1.2; n − 1 in std). */
const grpo = ({ epsilon = DEFAULT_EPSILON, ...options }: GroupOptions = {}): AdvantageEstimator =>
  shaped(groupScores(expectOption("epsilon", epsilon, [Number.MIN_VALUE, 1])), options);

/** r_i − mean, without the division: no bias towards easy and hard prompts (Dr.GRPO, arXiv 2503.20783, section 3.2). */
const drGrpo = (options: ReturnOptions = {}): AdvantageEstimator => shaped(minusMean, options);

/** Options of GAE. */
export interface GaeOptions extends ReturnOptions {
  /** 0.95 by default, as released. */
  readonly lambda?: number | undefined;
}

const valuesOf = ({ values, logpOld }: Scored, n: number): ArrayLike<number> => {
  if (values === undefined) throw new ConfigError(`gae: expected values on every rollout, batch[${n}] has none`);
  return expectRow(`batch[${n}].values`, values, logpOld.length);
};

/** δ_t = r_t + γ·V_{t+1} − V_t;  A_t = δ_t + γλ·A_{t+1}   (arXiv 1506.02438, equation 16). Targets of the critic: A + V. */
const gae =
  ({ lambda = 0.95, gamma = 1, ...options }: GaeOptions = {}): AdvantageEstimator =>
  (batch, context) => {
    expectRewards(batch);
    expectOption("lambda", lambda, [0, 1]);
    expectOption("gamma", gamma, [0, 1]);
    const klCoef = expectOption("klCoef", context?.klCoef ?? options.klCoef ?? 0, [0, Number.MAX_VALUE]);
    const how = { ...options, klCoef };
    return batch.map((rollout, n) => {
      const values = valuesOf(rollout, n);
      const advantages = tokenRewards(rollout, how); // rewards until they are overwritten, last first
      let [next, valueAfter] = [0, 0];
      for (let t = advantages.length - 1; t >= 0; t--) {
        const value = values[t] as number;
        advantages[t] = next = (advantages[t] as number) + gamma * valueAfter - value + gamma * lambda * next;
        valueAfter = value;
      }
      return advantages;
    });
  };

/** Options of GDPO. */
export interface GdpoOptions {
  /** Weight of each part that counts; left out, every part that occurs counts 1. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
  readonly epsilon?: number | undefined;
}

/** Group scores of one part. Who has no value for it takes no part in the mean and gets 0. */
const partScores = (batch: readonly Scored[], part: string, epsilon: number): readonly number[] => {
  const scores = batch.map(() => 0);
  for (const members of groupsOf(batch).values()) {
    const told = members.filter((n) => typeof batch[n]?.parts?.[part] === "number");
    const values = told.map((n) => batch[n]?.parts?.[part] as number);
    values.forEach((value, i) => {
      if (!Number.isFinite(value)) throw new ConfigError(`gdpo: batch[${told[i]}].parts.${part} is ${value}`);
    });
    groupScores(epsilon)(values).forEach((score, i) => (scores[told[i] as number] = score));
  }
  return scores;
};

/**
 * Σ_k w_k · (r_k − mean_k) / (std_k + ϵ) within the group, then standardised over the rollouts of the batch: parts of
 * different spread no longer drown each other (GDPO, arXiv 2601.05242).
 * @throws ConfigError when no rollout has a part of a name that has a weight
 */
const gdpo =
  ({ weights, epsilon = DEFAULT_EPSILON }: GdpoOptions = {}): AdvantageEstimator =>
  (batch) => {
    expectRewards(batch);
    expectOption("epsilon", epsilon, [Number.MIN_VALUE, 1]);
    const known = new Set(batch.flatMap(({ parts }) => Object.keys(parts ?? {})));
    const wanted = Object.entries(weights ?? Object.fromEntries([...known].map((part) => [part, 1])));
    const sums = new Float64Array(batch.length);
    for (const [part, weight] of wanted) {
      if (!known.has(part)) throw new ConfigError(`gdpo: expected a reward part ${part}, no rollout has one`);
      partScores(batch, part, epsilon).forEach((score, n) => (sums[n] = (sums[n] as number) + weight * score));
    }
    const [scores] = standardise([sums]);
    const made = zeroRows(batch.map(({ logpOld }) => logpOld.length));
    made.forEach((row, n) => row.fill(scores?.[n] ?? 0));
    return made;
  };

/** Advantage estimators by name; each makes one from its options. */
export const advantageEstimators = { reinforce, reinforceBaseline, rloo, grpo, drGrpo, gae, gdpo } as const;
