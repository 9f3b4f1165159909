/** How per-token values `[B, T]` become one number. Each takes the batch's own counts, or those of the batch it is part of. */
import { ConfigError } from "@r1reward/core";
import {
  cast,
  div,
  greater,
  maximum,
  mul,
  sum,
  type Scalar,
  type Tensor1D,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import type { BatchTotal } from "./types.ts";

/** Rows, mask and, for a micro-batch, the counts of the whole. */
export interface Aggregated {
  readonly mask: Tensor2D;
  readonly total: BatchTotal | undefined;
}

/** `[B, T]` → scalar. */
export type Aggregate = (values: Tensor2D, over: Aggregated) => Scalar;

const atLeastOne = (x: Scalar): Scalar => maximum(x, 1);

const tokensOf = (mask: Tensor2D): Tensor1D => sum(mask, 1);

/** Rows with at least one token: rows that only fill a batch up do not count. */
const sequencesOf = ({ mask, total }: Aggregated): Scalar =>
  atLeastOne(total?.sequences ?? sum(cast(greater(tokensOf(mask), 0), "float32")));

/** (1/B) Σ_i (1/|t_i|) Σ_t x: every sequence weighs the same. PPO as released, GRPO, GSPO, this paper's 1/|t|. */
export const sequenceMean: Aggregate = (values, over) => {
  const perRow = div(sum(mul(values, over.mask), 1), maximum(tokensOf(over.mask), 1));
  return div(sum(perRow), sequencesOf(over));
};

/** Σ x / Σ 1: every token weighs the same (DAPO, arXiv 2503.14476, equation 12). */
export const tokenMean: Aggregate = (values, over) =>
  div(sum(mul(values, over.mask)), atLeastOne(over.total?.tokens ?? sum(over.mask)));

/**
 * (1/B) Σ_i (1/L) Σ_t x with one constant L for all: no length bias (Dr.GRPO, arXiv 2503.20783, section 3.2).
 * @throws ConfigError unless `length` is positive
 */
export const constantLength = (length: number): Aggregate => {
  if (!(length > 0 && length < Infinity)) {
    throw new ConfigError(`constantLength: expected a positive number of tokens, got ${length}`);
  }
  return (values, over) => div(div(sum(mul(values, over.mask)), length), sequencesOf(over));
};

/** Sum over tokens, mean over sequences: the log-probability of a sequence is the sum of its tokens' (RLOO). */
export const sequenceSum: Aggregate = constantLength(1);
