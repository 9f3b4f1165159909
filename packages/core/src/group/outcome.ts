/** What a judgment says about its pair, as a number. */
import { ConfigError } from "../errors.ts";
import type { Judgment } from "../types.ts";

/** P(responses[0] wins) that a judgment stands for, from 0 to 1; `null` when it says nothing. */
export type OutcomeRule = (judgment: Judgment) => number | null;

/** The verdict alone: 1, 0, ½ for a tie, `null` when it could not be read. */
export const hardOutcome: OutcomeRule = ({ verdict }) => {
  if (verdict.kind === "unreadable") return null;
  return verdict.kind === "tie" ? 0.5 : verdict.winner === 0 ? 1 : 0;
};

/** How far a judge's own probability is trusted. */
export interface SoftOutcomeOptions {
  /** The probability's logit is divided by this. After a long thought a judge is over-confident: fit it, or use 3 or more. */
  readonly temperature: number;
  /** Probabilities are kept this far from 0 and 1; 0.01 unless told otherwise. */
  readonly margin?: number | undefined;
}

/**
 * The probability at the answer token, tempered; the verdict alone where the judge gave none.
 *
 * @throws {ConfigError} when the temperature or the margin is out of range.
 */
export const softOutcome = ({ temperature, margin = 0.01 }: SoftOutcomeOptions): OutcomeRule => {
  if (!(temperature > 0 && temperature < Infinity)) {
    throw new ConfigError(`softOutcome temperature: expected a number above 0, got ${temperature}`);
  }
  if (!(margin > 0 && margin < 0.5)) throw new ConfigError(`softOutcome margin: expected 0 to 0.5, got ${margin}`);
  return (judgment) => {
    const hard = hardOutcome(judgment);
    const { probability: p } = judgment;
    if (hard === null || p === undefined || !(p >= 0 && p <= 1)) return hard;
    const kept = Math.min(1 - margin, Math.max(margin, p));
    return 1 / (1 + ((1 - kept) / kept) ** (1 / temperature));
  };
};
