/** What an importance ratio compares: tokens or sequences. Log-ratios in nats, `[B, T]` → `[B, T]`. */
import { add, div, maximum, mul, onesLike, sub, sum, type Tensor2D } from "@tensorflow/tfjs-core";
import { stopGradient } from "./stop-gradient.ts";

/** Log-ratios of tokens → log-ratios that are bounded and exponentiated. */
export type RatioLevel = (logRatio: Tensor2D, mask: Tensor2D) => Tensor2D;

/** Each token has its own (PPO). */
export const tokenLevel: RatioLevel = (logRatio) => logRatio;

const rowMean = (logRatio: Tensor2D, mask: Tensor2D): Tensor2D =>
  div(sum(mul(logRatio, mask), 1, true), maximum(sum(mask, 1, true), 1));

/** s_i = exp( (1/|y_i|) Σ_t log ρ_t ), the same for all tokens of a sequence (GSPO, arXiv 2507.18071, equation 7). */
export const sequenceLevel: RatioLevel = (logRatio, mask) => mul(rowMean(logRatio, mask), onesLike(mask));

/**
 * The value of `sequenceLevel` with the gradient of each token's own ratio (GSPO-token, arXiv 2507.18071, equation 14):
 * for advantages that differ within a sequence.
 */
export const sequenceTokenLevel: RatioLevel = (logRatio, mask) =>
  add(stopGradient(sub(sequenceLevel(logRatio, mask), logRatio)), logRatio);

/** π(y)/π_old(y) of the whole sequence: Σ_t log ρ_t. Grows with length; meant for corrections that mask or cap it. */
export const sequenceProduct: RatioLevel = (logRatio, mask) => mul(sum(mul(logRatio, mask), 1, true), onesLike(mask));
