/**
 * Weights against off-policy data, per token `[B, T]`, without gradient; they multiply the surrogate.
 *
 * Most compare the program that sampled with the trainer at the same weights: w = π_old / π_rollout, 1 if both agreed to
 * the last bit. They need `logpRollout`. Bounds are on w; log w is clipped to ±20 before exp.
 */
import {
  cast,
  clipByValue,
  exp,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  mul,
  neg,
  type Tensor,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import { expectOption } from "./checks.ts";
import type { Guarded } from "./guard.ts";
import { sequenceLevel, tokenLevel, type RatioLevel } from "./ratio.ts";

/** Guarded inputs → weights `[B, T]`. `policyLoss` stops their gradient. */
export type Correction = (inputs: Guarded) => Tensor2D;

/** e²⁰: beyond any bound anyone sets, and far below float32's end. */
const WEIGHT_BOUND = 20;

const number = (condition: Tensor): Tensor2D => cast(condition, "float32") as Tensor2D;

const weightsAt = (level: RatioLevel, x: Guarded): Tensor2D => {
  if (x.logRatioRollout === undefined) throw new ConfigError("rollout correction: expected logpRollout in the inputs");
  return exp(clipByValue(level(x.logRatioRollout, x.mask), -WEIGHT_BOUND, WEIGHT_BOUND));
};

/** Where a correction looks. */
export interface CorrectionLevel {
  /** `tokenLevel` by default; `sequenceLevel` (geometric mean) and `sequenceProduct` look at whole sequences. */
  readonly level?: RatioLevel | undefined;
}

/** An upper bound. */
export interface Cap extends CorrectionLevel {
  /** 2 by default. */
  readonly cap?: number | undefined;
}

/** A range. */
export interface Band extends CorrectionLevel {
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

/** min(w, C): truncated importance sampling (TIS; "Your efficient RL framework secretly brings you off-policy RL", 2025). */
export const truncated = ({ cap = 2, level = tokenLevel }: Cap = {}): Correction => {
  expectOption("truncation cap", cap, [Number.MIN_VALUE, Number.MAX_VALUE]);
  return (x) => clipByValue(weightsAt(level, x), 0, cap);
};

/** w·1[ w ≤ C ]: what is over the cap is dropped instead of weighed down (MIS). */
export const masked = ({ cap = 2, level = tokenLevel }: Cap = {}): Correction => {
  expectOption("mask cap", cap, [Number.MIN_VALUE, Number.MAX_VALUE]);
  return (x) => {
    const w = weightsAt(level, x);
    return mul(w, number(lessEqual(w, cap)));
  };
};

const band = (name: string, low: number, high: number): void => {
  expectOption(`${name} low`, low, [0, 1]);
  expectOption(`${name} high`, high, [1, Number.MAX_VALUE]);
};

const within = (w: Tensor2D, low: number, high: number): Tensor => logicalAnd(greaterEqual(w, low), lessEqual(w, high));

/** w·1[ α ≤ w ≤ β ]: both sides are dropped (IcePop, arXiv 2510.18855; α 0.5 and β 5 as published). */
export const icePop = ({ low = 0.5, high = 5, level = tokenLevel }: Band = {}): Correction => {
  band("icePop", low, high);
  return (x) => {
    const w = weightsAt(level, x);
    return mul(w, number(within(w, low, high)));
  };
};

/** 1[ α ≤ w ≤ β ]: keeps or drops and weighs nothing; by the geometric mean of a sequence unless told otherwise. */
export const rejected = ({ low = 0.5, high = 2, level = sequenceLevel }: Band = {}): Correction => {
  band("rejected", low, high);
  return (x) => number(within(weightsAt(level, x), low, high));
};

/**
 * Drops sequences with A < 0 that the policy has moved away from: mean_t(log π_old − log π_θ) > δ nats (off-policy sequence
 * mask, DeepSeek-V3.2, arXiv 2512.02556). Needs no `logpRollout`.
 */
export const offPolicyMask = ({ delta = 0.1 }: { readonly delta?: number | undefined } = {}): Correction => {
  expectOption("offPolicyMask delta", delta, [0, Number.MAX_VALUE]);
  return (x) => {
    const moved = greater(neg(sequenceLevel(x.logRatio, x.mask)), delta);
    return number(logicalNot(logicalAnd(moved, less(x.advantage, 0))));
  };
};

/** Rollout corrections by name. */
export const corrections = { truncated, masked, icePop, rejected, offPolicyMask } as const;
