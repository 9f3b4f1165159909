/** Which pairs reinforcement learning takes: those the teacher did not solve at once (paper, section 4.3). */
import { ConfigError } from "../errors.ts";
import type { Preference } from "../types.ts";

/** Attempts until a right one, or `failed` when none was: what distilling writes into `meta.attempts`. */
export type Difficulty = number | "failed";

/** Which pairs are taken. */
export interface SubsetOptions {
  /** Fewest attempts of a solved pair; 2 unless given, as in the paper. */
  readonly min?: number | undefined;
  /** Most attempts of a solved pair; no limit unless given. */
  readonly max?: number | undefined;
  /** Pairs that were never solved: taken (default, as in the paper), left out, or nothing else. */
  readonly failed?: "include" | "exclude" | "only" | undefined;
}

/**
 * The difficulty that distilling wrote into a pair.
 *
 * @throws ConfigError when it is not there
 */
export const difficultyOf = ({ id, meta }: Preference): Difficulty => {
  const attempts = meta?.["attempts"];
  if (attempts === "failed") return attempts;
  if (typeof attempts === "number" && Number.isSafeInteger(attempts) && attempts >= 1) return attempts;
  throw new ConfigError(
    `pair ${JSON.stringify(id)}: expected the field attempts (a number from 1, or "failed"), which data distill writes`,
  );
};

/** A test for pairs of the wanted difficulty. Throws `ConfigError` for bounds that no pair can meet. */
export const difficultyFilter = (options: SubsetOptions = {}): ((pair: Preference) => boolean) => {
  const { min = 2, max = Infinity, failed = "include" } = options;
  if (!(min <= max)) throw new ConfigError(`min and max: expected min ≤ max, got ${min} and ${max}`);
  return (pair) => {
    const difficulty = difficultyOf(pair);
    if (difficulty === "failed") return failed !== "exclude";
    return failed !== "only" && difficulty >= min && difficulty <= max;
  };
};
