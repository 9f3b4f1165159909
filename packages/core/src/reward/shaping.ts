/** Penalties for how an answer is written rather than for what it says. */
import { ConfigError } from "../errors.ts";
import type { Sample } from "../types.ts";
import { defineReward, type DefinedReward } from "./define.ts";

/** Where answers get too long. */
export interface LengthRewardOptions {
  /** The longest answer without a penalty. */
  readonly soft: number;
  /** From here on the penalty is whole. */
  readonly hard: number;
  /** Measures an answer. Left out: UTF-16 code units; give a token count if your limits are in tokens. */
  readonly length?: ((sample: Sample) => number) | undefined;
}

/**
 * 0 up to the soft limit, then a straight line down to −1 at the hard limit, and −1 beyond: DAPO's soft overlong
 * punishment (arXiv 2503.14476, equation 13, with soft = L_max − L_cache and hard = L_max).
 *
 * @throws {ConfigError} unless 0 ≤ soft < hard.
 */
export const lengthReward = ({
  soft,
  hard,
  length = ({ text }) => text.length,
}: LengthRewardOptions): DefinedReward => {
  if (!(soft >= 0 && soft < hard && hard < Infinity)) {
    throw new ConfigError(`lengthReward: expected 0 <= soft < hard, got ${soft} and ${hard}`);
  }
  return defineReward({
    name: "length",
    // 0 − x, for −x would make a negative zero of no penalty.
    score: (sample) => 0 - Math.min(1, Math.max(0, (length(sample) - soft) / (hard - soft))),
  });
};

/** What counts as a repetition. */
export interface RepetitionPenaltyOptions {
  /** Words in a row that are compared; 3 unless told otherwise. */
  readonly n?: number | undefined;
  /** The penalty of an answer that is nothing but repetition; −1 unless told otherwise. */
  readonly max?: number | undefined;
  /**
   * Cuts an answer up. Left out: lower-case words between white space, which does not see repetition in scripts that are
   * written without spaces, nor within one endless word.
   */
  readonly words?: ((text: string) => readonly string[]) | undefined;
}

const spaced = (text: string): readonly string[] =>
  text
    .toLowerCase()
    .split(/\s+/u)
    .filter((word) => word !== "");

/**
 * `max` times the share of n-grams that occurred before: 0 for an answer that never repeats itself or has fewer than n
 * words. The formula of the reference repository, which defines it and leaves it out of its reward.
 *
 * @throws {ConfigError} when n is not a whole number from 1 or max is not a number up to 0.
 */
export const repetitionPenalty = (options: RepetitionPenaltyOptions = {}): DefinedReward => {
  const { n = 3, max = -1, words = spaced } = options;
  if (!Number.isInteger(n) || n < 1) throw new ConfigError(`repetitionPenalty n: expected a whole number, got ${n}`);
  if (!(max <= 0 && max > -Infinity))
    throw new ConfigError(`repetitionPenalty max: expected a number up to 0, got ${max}`);
  return defineReward({
    name: "repetition",
    score({ text }) {
      const list = words(text);
      const total = list.length - n + 1;
      if (total < 1) return 0;
      const grams = new Set(Array.from({ length: total }, (_, at) => JSON.stringify(list.slice(at, at + n))));
      return 0 + max * (1 - grams.size / total);
    },
  });
};
