/**
 * Surrogate objectives, per token `[B, T]`, to be maximised. Each says as well where it clipped. Compose with any ratio level,
 * aggregate, correction and penalty in `policyLoss`.
 */
import {
  clipByValue,
  greater,
  less,
  logicalAnd,
  logicalOr,
  maximum,
  minimum,
  mul,
  sigmoid,
  sub,
  where,
  zerosLike,
  type Tensor,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import { expectOption } from "./checks.ts";
import { stopGradient } from "./stop-gradient.ts";

/** What a surrogate is made of. */
export interface TokenTerms {
  /** log π_θ, nats. */
  readonly logp: Tensor2D;
  /** ρ, after Pre-CLIP. */
  readonly ratio: Tensor2D;
  readonly advantage: Tensor2D;
}

/** Per-token objective, and where it was clipped (bool `[B, T]`). */
export type Surrogate = (terms: TokenTerms) => { readonly objective: Tensor2D; readonly clipped: Tensor };

/** Clip range around 1. */
export interface ClipRange {
  /** 0.2 by default. */
  readonly epsilonLow?: number | undefined;
  /** 0.2 by default; larger is "clip-higher" (DAPO, arXiv 2503.14476, equation 10). */
  readonly epsilonHigh?: number | undefined;
}

const rangeOf = ({ epsilonLow = 0.2, epsilonHigh = 0.2 }: ClipRange): readonly [number, number] => [
  1 - expectOption("epsilonLow", epsilonLow, [0, 1]),
  1 + expectOption("epsilonHigh", epsilonHigh, [0, Number.MAX_VALUE]),
];

const nowhere = (x: Tensor): Tensor => less(zerosLike(x), 0);

/** min( ρ·A, clip(ρ, 1 − ε_low, 1 + ε_high)·A )   (PPO, arXiv 1707.06347, equation 7) */
export const clipped = (range: ClipRange = {}): Surrogate => {
  const [low, high] = rangeOf(range);
  return ({ ratio, advantage }) => {
    const plain: Tensor2D = mul(ratio, advantage);
    const bounded: Tensor2D = mul(clipByValue(ratio, low, high), advantage);
    return { objective: minimum(plain, bounded), clipped: greater(plain, bounded) };
  };
};

/** Where A < 0 never less than c·A, so that a large ratio cannot blow the loss up (dual clip, arXiv 1912.09729, equation 5). */
export const dualClipped = ({ c = 3, ...range }: ClipRange & { readonly c?: number | undefined } = {}): Surrogate => {
  expectOption("dual clip c", c, [1, Number.MAX_VALUE]);
  const inner = clipped(range);
  return (terms) => {
    const { objective, clipped: inside } = inner(terms);
    const negative = less(terms.advantage, 0);
    const floor: Tensor2D = mul(terms.advantage, c);
    const cut = logicalAnd(negative, less(objective, floor));
    const bounded: Tensor2D = where(negative, maximum(objective, floor), objective);
    return { objective: bounded, clipped: logicalOr(cut, inside) };
  };
};

/** ρ·A: importance-weighted policy gradient, nothing clipped. */
export const unclipped: Surrogate = ({ ratio, advantage }) => ({
  objective: mul(ratio, advantage),
  clipped: nowhere(ratio),
});

/** log π·A: the policy gradient itself, for data of the present policy (REINFORCE, RLOO). */
export const policyGradient: Surrogate = ({ logp, advantage }) => ({
  objective: mul(logp, advantage),
  clipped: nowhere(logp),
});

/**
 * sg( clip(ρ, 1 − ε_low, 1 + ε_high) )·A·log π: every token keeps a gradient, its weight is clipped (CISPO, arXiv 2506.13585,
 * equation 4). ε_low = 1 leaves the lower side open, as there.
 */
export const weightClipped = ({ epsilonLow = 1, epsilonHigh = 0.2 }: ClipRange = {}): Surrogate => {
  const [low, high] = rangeOf({ epsilonLow, epsilonHigh });
  return ({ logp, ratio, advantage }) => {
    const weight = stopGradient(clipByValue(ratio, low, high)) as Tensor2D;
    const outside = logicalOr(greater(ratio, high), less(ratio, low));
    return { objective: mul(mul(weight, advantage), logp), clipped: outside };
  };
};

/** Temperatures of the soft gate. */
export interface SoftGate {
  /** For A ≥ 0; 1 by default. */
  readonly tauPositive?: number | undefined;
  /** For A < 0; 1.05 by default: these decay faster. */
  readonly tauNegative?: number | undefined;
}

/** σ(τ·(ρ − 1))·(4/τ)·A: a smooth gate in place of a clip; slope 1 at ρ = 1 (SAPO, arXiv 2511.20347). */
export const softGated = ({ tauPositive = 1, tauNegative = 1.05 }: SoftGate = {}): Surrogate => {
  for (const tau of [tauPositive, tauNegative]) expectOption("tau", tau, [1e-3, 1e3]);
  const gate = (ratio: Tensor2D, tau: number): Tensor2D => mul(sigmoid(mul(sub(ratio, 1), tau)), 4 / tau);
  return ({ ratio, advantage }) => ({
    objective: mul(where(less(advantage, 0), gate(ratio, tauNegative), gate(ratio, tauPositive)), advantage),
    clipped: nowhere(ratio),
  });
};

/** Surrogates by name. */
export const surrogates = { clipped, dualClipped, unclipped, policyGradient, weightClipped, softGated } as const;
