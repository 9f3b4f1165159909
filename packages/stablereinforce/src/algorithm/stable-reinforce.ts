/**
 * StableReinforce (arXiv 2505.02835, section 3.2): Reinforce++ with two bounds.
 *
 *   rewards → returns → standardise → 3σ filter → Pre-CLIP → clipped objective
 *
 * The problem (section 3.1): exp of a large log-ratio overflows before PPO's clip can act, and where A < 0 that clip does
 * not act at all; and standardising a batch of nearly equal rewards blows a few of them up to many σ.
 * How the released code differs, by number: docs/deviations.md. Its numerics: `reference.ts`.
 */
import { clipByValue, exp, greater, minimum, mul, neg, type Tensor2D } from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import { sequenceMean } from "./aggregate.ts";
import { expectOption, expectRewards, expectRow } from "./checks.ts";
import { guardInputs, lossStats } from "./guard.ts";
import { mapRows, zeroRows } from "./group.ts";
import { kl, type KlEstimator } from "./kl.ts";
import type { AdvantageEstimator, EstimatorContext, Loss, Recipe, Scored } from "./types.ts";

/** How rewards become returns. */
export interface ReturnOptions {
  /** Discount per token, 1 by default. */
  readonly gamma?: number | undefined;
  /** β, 0 by default: no KL in the reward, as in the paper's run. */
  readonly klCoef?: number | undefined;
  /** k1 by default, as released. */
  readonly klEstimator?: KlEstimator | undefined;
  /** Rewards are clipped to it; [−10, 10] by default, as released. */
  readonly rewardClip?: readonly [number, number] | undefined;
}

/** Rewards are clipped to this by default: `reward_clip_range` of the released code. */
const REWARD_CLIP = [-10, 10] as const;

/** clip(r) */
export const clipReward = (reward: number, { rewardClip: [low, high] = REWARD_CLIP }: ReturnOptions = {}): number =>
  Math.min(high, Math.max(low, reward));

/** Writes token rewards into zeros. */
const writeRewards = (rewards: Float64Array, rollout: Scored, options: ReturnOptions): void => {
  const { klCoef = 0, klEstimator = kl.k1 } = options;
  const length = rewards.length;
  if (length === 0) return;
  if (klCoef > 0) {
    if (rollout.logpRef === undefined) throw new ConfigError("KL in the reward: expected logpRef on every rollout");
    const logpOld = expectRow("logpOld", rollout.logpOld, length);
    const logpRef = expectRow("logpRef", rollout.logpRef, length);
    for (let t = 0; t < length; t++) {
      rewards[t] = -klCoef * klEstimator.value((logpOld[t] as number) - (logpRef[t] as number));
    }
  }
  rewards[length - 1] = (rewards[length - 1] as number) + clipReward(rollout.reward, options);
};

/**
 * r_t = 1[t = T]·clip(r) − β·KL_t   (section 2, Reinforce++; KL_t by `klEstimator` from log π_old − log π_ref). → `[T]`
 * @throws NumericError, ShapeError, ConfigError when β > 0 and there is no `logpRef`
 */
export const tokenRewards = (rollout: Scored, options: ReturnOptions = {}): Float64Array => {
  const rewards = new Float64Array(rollout.logpOld.length);
  writeRewards(rewards, rollout, options);
  return rewards;
};

/** G_t = r_t + γ·G_{t+1}, in place. */
const sumBackwards = (rewards: Float64Array, gamma: number): void => {
  let next = 0;
  for (let t = rewards.length - 1; t >= 0; t--) rewards[t] = next = (rewards[t] as number) + gamma * next;
};

/** G_t = r_t + γ·G_{t+1}. `[T]` → `[T]` */
export const returnsToGo = (rewards: Float64Array, gamma = 1): Float64Array => {
  const returns = rewards.slice();
  sumBackwards(returns, gamma);
  return returns;
};

/**
 * Reinforce++ returns (section 2; arXiv 2501.03262): no critic, no group. One reward per rollout → `[N][T_n]`.
 * @throws NumericError, ShapeError, ConfigError
 */
export const reinforceReturns = (
  batch: readonly Scored[],
  options: ReturnOptions = {},
  context: EstimatorContext = {},
): readonly Float64Array[] => {
  expectRewards(batch);
  const gamma = expectOption("gamma", options.gamma ?? 1, [0, 1]);
  const klCoef = expectOption("klCoef", context.klCoef ?? options.klCoef ?? 0, [0, Number.MAX_VALUE]);
  const returns = zeroRows(batch.map(({ logpOld }) => logpOld.length));
  const how = { ...options, klCoef };
  batch.forEach((rollout, n) => {
    writeRewards(returns[n] as Float64Array, rollout, how);
    sumBackwards(returns[n] as Float64Array, gamma);
  });
  return returns;
};

/** The paper's ϵ in (A − μ)/(σ + ϵ), whose value it does not give; here a floor of σ, so that equal rewards give exactly 0. */
const SIGMA_FLOOR = 1e-8;

/** Keep up to 3σ (section 3.2). */
const SIGMAS = 3;

/** |z| = 3 is kept. With one failure in ten z is 3 to the last bit or two, whichever way rounding goes. */
const BOUNDARY = 1e-6;

/** Mean and population standard deviation over every token of the batch. */
export interface Moments {
  readonly tokens: number;
  readonly mean: number;
  readonly std: number;
}

const sumOf = (rows: readonly Float64Array[], first: number): number => {
  let sum = 0;
  for (const row of rows) for (let t = 0; t < row.length; t++) sum += (row[t] as number) - first;
  return sum;
};

const squaresOf = (rows: readonly Float64Array[], first: number, shift: number): number => {
  let sum = 0;
  for (const row of rows) for (let t = 0; t < row.length; t++) sum += ((row[t] as number) - first - shift) ** 2;
  return sum;
};

/** μ_A, σ_A. Sums run over differences from the first value: equal numbers have σ = 0 exactly. @throws NumericError */
export const moments = (rows: readonly Float64Array[]): Moments => {
  const first = rows.find((row) => row.length > 0)?.[0] ?? 0;
  const tokens = rows.reduce((count, row) => count + row.length, 0);
  if (tokens === 0) return { tokens, mean: 0, std: 0 };
  const sum = sumOf(rows, first);
  // a sum is finite only if all its terms are: then nobody need look at them one by one
  if (!Number.isFinite(sum)) rows.forEach((row, n) => void expectRow(`advantages[${n}]`, row, row.length));
  const shift = sum / tokens;
  return { tokens, mean: first + shift, std: Math.sqrt(squaresOf(rows, first, shift) / tokens) };
};

/** μ and max(σ, ϵ). */
const scaleOf = (rows: readonly Float64Array[]): readonly [mean: number, sigma: number] => {
  const { mean, std } = moments(rows);
  return [mean, Math.max(std, SIGMA_FLOOR)];
};

/** z = (A − μ_A) / max(σ_A, ϵ)   over the global batch. `[N][T_n]` → `[N][T_n]` @throws NumericError */
export const standardise = (rows: readonly Float64Array[]): readonly Float64Array[] => {
  const [mean, sigma] = scaleOf(rows);
  return mapRows(rows, (a) => (a - mean) / sigma);
};

/** Â = z if |z| ≤ 3 else 0. What is cut has no gradient and still counts in every mean. */
export const cutOutliers = (rows: readonly Float64Array[], sigmas = SIGMAS): readonly Float64Array[] =>
  mapRows(rows, (z) => (Math.abs(z) <= sigmas + BOUNDARY ? z : 0));

/**
 * The advantage filter (section 3.2): Â = z·1[ |z| ≤ 3 ], z standardised over every token of the rollout batch: `standardise`,
 * then `cutOutliers`, in one pass. `[N][T_n]` → `[N][T_n]`
 * @throws NumericError when an advantage is NaN or infinite, ConfigError
 */
export const filterAdvantages = (rows: readonly Float64Array[], sigmas = SIGMAS): readonly Float64Array[] => {
  const bound = expectOption("sigmas", sigmas, [Number.MIN_VALUE, Infinity]) + BOUNDARY;
  const [mean, sigma] = scaleOf(rows);
  return mapRows(rows, (a) => {
    const z = (a - mean) / sigma;
    return Math.abs(z) <= bound ? z : 0;
  });
};

/** Bounds of Pre-CLIP. */
export interface PreClip {
  /** 10⁻³ by default, the paper's value; it finds results insensitive to it. */
  readonly deltaMin?: number | undefined;
  /** 10³ by default. */
  readonly deltaMax?: number | undefined;
}

/** log δ_min and log δ_max. @throws ConfigError unless 0 < δ_min ≤ 1 ≤ δ_max */
export const logBounds = ({ deltaMin = 1e-3, deltaMax = 1e3 }: PreClip = {}): readonly [number, number] => [
  Math.log(expectOption("deltaMin", deltaMin, [Number.MIN_VALUE, 1])),
  Math.log(expectOption("deltaMax", deltaMax, [1, Number.MAX_VALUE])),
];

/** Pre-CLIP: ρ_t = exp( clip( log π_θ − log π_old, log δ_min, log δ_max ) ). Gradient exactly 0 outside. `[B, T]` */
export const preClippedRatio = (logRatio: Tensor2D, [low, high]: readonly [number, number]): Tensor2D =>
  exp(clipByValue(logRatio, low, high));

/** Settings of the loss. */
export interface StableReinforceOptions extends PreClip {
  /** ε of PPO's clip, 0.2 by default as released; the paper names 0.1 to 0.3 as usual. */
  readonly epsilon?: number | undefined;
}

/**
 * The objective, maximised:  (1/|t|) Σ_t min( ρ_t·Â_t,  clip(ρ_t, 1 − ε, 1 + ε)·Â_t ),  then the mean over sequences.
 *
 * With Â < 0 a token's loss is at most δ_max·|Â|. Returns the negative, to be minimised.
 * @throws ConfigError, and ShapeError when called
 */
export const stableReinforce = (options: StableReinforceOptions = {}): Loss => {
  const epsilon = expectOption("epsilon", options.epsilon ?? 0.2, [0, 1]);
  const bounds = logBounds(options);
  return (inputs) => {
    const x = guardInputs(inputs);
    const ratio = preClippedRatio(x.logRatio, bounds);
    const plain: Tensor2D = mul(ratio, x.advantage);
    const clipped: Tensor2D = mul(clipByValue(ratio, 1 - epsilon, 1 + epsilon), x.advantage);
    const objective: Tensor2D = minimum(plain, clipped);
    const stats = lossStats(x, { logRatio: x.logRatio, ratio, bounds, clipped: greater(plain, clipped) });
    return { loss: neg(sequenceMean(objective, x)), stats };
  };
};

/** Reinforce++ as an estimator: `reinforceReturns` with its options fixed. */
export const reinforce =
  (options: ReturnOptions = {}): AdvantageEstimator =>
  (batch, context) =>
    reinforceReturns(batch, options, context);

/** Defaults of the released code, which the paper does not contradict (`scripts/train.sh`, `train_ppo_ray.py`). */
const RELEASED = {
  rolloutBatch: 256,
  samplesPerPrompt: 1,
  trainBatch: 128,
  passes: 1,
  adam: { beta1: 0.9, beta2: 0.95, weightDecay: 0 },
  maxGradNorm: 1,
  warmup: 0.03,
  finalLearningRate: 0.1,
  temperature: 1,
  maxTokens: 1024,
} as const;

const recipe = (name: string, klCoef: number, run: { learningRate: number; episodes: number }): Recipe => ({
  name,
  estimate: reinforce({ klCoef }),
  normalise: (rows) => filterAdvantages(rows),
  loss: stableReinforce(),
  klController: kl.fixed(klCoef),
  run: { ...RELEASED, ...run },
});

/** Section 4.1: learning rate 1e-6, KL coefficient 0, 5 epochs, batches of 128 and 256. The run of the published numbers. */
export const paper: Recipe = recipe("paper", 0, { learningRate: 1e-6, episodes: 5 });

/** What the released `scripts/train.sh` says instead: 3e-7, 1e-3 and one episode. */
export const script: Recipe = recipe("script", 1e-3, { learningRate: 3e-7, episodes: 1 });
