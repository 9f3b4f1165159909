/**
 * KL(π_θ ‖ π_ref) from samples of π_θ: estimators of the divergence per token (J. Schulman, "Approximating KL divergence",
 * joschu.net/blog/kl-approx.html) and controllers of its weight β.
 *
 * All take d = log π_θ − log π_ref in nats, once as a number (KL in the reward) and once as a tensor (KL in the loss).
 */
import { add, clipByValue, exp, mul, neg, square, sub, type Tensor2D } from "@tensorflow/tfjs-core";
import { expectOption } from "./checks.ts";
import { stopGradient } from "./stop-gradient.ts";
import type { KlController } from "./types.ts";

/** One estimator, for numbers and for tensors `[B, T]`. */
export interface KlEstimator {
  readonly name: string;
  readonly value: (d: number) => number;
  readonly tensor: (d: Tensor2D) => Tensor2D;
}

/** k3 is flat beyond: e²⁰ = 4.9·10⁸ is far past any divergence a run survives, and e⁸⁸ is past float32. */
const K3_BOUND = 20;

/** k1 = d: unbiased, may be negative. As a loss its gradient is 0 in expectation: use it in the reward. */
const k1: KlEstimator = { name: "k1", value: (d) => d, tensor: (d) => d };

/** k2 = ½·d²: biased, but on-policy its gradient is the divergence's. */
const k2: KlEstimator = { name: "k2", value: (d) => (d * d) / 2, tensor: (d) => mul(0.5, square(d)) };

/** k3 = e^(−d) − 1 + d: unbiased and never negative; d is first clipped to ±20. */
const k3: KlEstimator = {
  name: "k3",
  value: (d) => {
    const bounded = Math.min(K3_BOUND, Math.max(-K3_BOUND, d));
    return Math.expm1(-bounded) + bounded;
  },
  tensor: (d) => {
    const bounded = clipByValue(d, -K3_BOUND, K3_BOUND);
    return add(sub(exp(neg(bounded)), 1), bounded);
  },
};

/** The value of one estimator with the gradient of another, e.g. `straightThrough(k3, k2)`. */
const straightThrough = (value: KlEstimator, slope: KlEstimator): KlEstimator => ({
  name: `${value.name}~${slope.name}`,
  value: value.value,
  tensor: (d) => {
    const way = slope.tensor(d);
    return add(way, stopGradient(sub(value.tensor(d), way)));
  },
});

/** β stays what it is. */
const fixed = (coef: number): KlController => ({
  initial: expectOption("fixed KL coefficient", coef, [0, Number.MAX_VALUE]),
  next: (value) => value,
});

/** How β follows a target. */
export interface AdaptiveKlOptions {
  readonly initial: number;
  /** Wanted mean KL, nats. */
  readonly target: number;
  /** Rollouts over which a constant error of 20 % moves β by 20 %; 10,000 as in the released code. */
  readonly horizon?: number | undefined;
}

/** β ← β · (1 + clip(KL / target − 1, −0.2, 0.2) · n / horizon)   (arXiv 1909.08593, section 2.2) */
const adaptive = ({ initial, target, horizon = 10_000 }: AdaptiveKlOptions): KlController => ({
  initial: expectOption("adaptive KL initial", initial, [0, Number.MAX_VALUE]),
  next: (value, current, samples) => {
    expectOption("adaptive KL target", target, [Number.MIN_VALUE, Number.MAX_VALUE]);
    expectOption("observed KL", current, [-Number.MAX_VALUE, Number.MAX_VALUE]);
    const error = Math.min(0.2, Math.max(-0.2, current / target - 1));
    return value * (1 + (error * samples) / horizon);
  },
});

/** KL estimators and controllers. */
export const kl = { k1, k2, k3, straightThrough, fixed, adaptive } as const;
