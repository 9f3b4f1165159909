/** Which pairs reinforcement learning takes: those the teacher did not solve at once (paper, section 4.3). */
import { ConfigError } from "../errors.ts";
import type { Preference } from "../types.ts";

/** What a distilled pair says about its difficulty, in `meta`. */
export interface Difficulty {
  /** Attempts that were made. */
  readonly attempts: number;
  /** Was one of them right? */
  readonly solved: boolean;
}

/** Which pairs are taken. */
export interface SubsetOptions {
  /** Fewest attempts of a solved pair; 2 unless given, as in the paper. */
  readonly min?: number | undefined;
  /** Most attempts of a solved pair; no limit unless given. */
  readonly max?: number | undefined;
  /** Pairs that were never solved: taken (default, as in the paper), left out, or nothing else. */
  readonly unsolved?: "include" | "exclude" | "only" | undefined;
}

/**
 * The difficulty that distilling wrote into a pair.
 *
 * @throws ConfigError when it is not there
 */
export const difficultyOf = ({ id, meta }: Preference): Difficulty => {
  const attempts = meta?.["attempts"];
  const solved = meta?.["solved"];
  if (typeof attempts === "number" && Number.isSafeInteger(attempts) && attempts >= 1 && typeof solved === "boolean") {
    return { attempts, solved };
  }
  throw new ConfigError(
    `pair ${JSON.stringify(id)}: expected the fields attempts (≥ 1) and solved, which data distill writes`,
  );
};

/** A test for pairs of the wanted difficulty. Throws `ConfigError` for bounds that no pair can meet. */
export const difficultyFilter = (options: SubsetOptions = {}): ((pair: Preference) => boolean) => {
  const { min = 2, max = Infinity, unsolved = "include" } = options;
  if (!(min <= max)) throw new ConfigError(`min and max: expected min ≤ max, got ${min} and ${max}`);
  return (pair) => {
    const { attempts, solved } = difficultyOf(pair);
    if (!solved) return unsolved !== "exclude";
    return unsolved !== "only" && attempts >= min && attempts <= max;
  };
};
