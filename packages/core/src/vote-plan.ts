import { ConfigError } from "./errors.ts";
import { orderCoin } from "./pair-hash.ts";
import type { Preference } from "./types.ts";

/**
 * Which orders the responses are shown in.
 *
 * - `both`: the votes are split evenly over the two orders; the order of an odd vote is picked by a hash of the pair.
 * - `random`: each vote's order is a fair coin, made by hashing seed, pair and vote: the same in every run.
 * - `as-stored`: as the pair has them. Data sets often store the better answer first, so this measures position bias
 *   along with quality; it is there for comparisons with published numbers.
 */
export type Orders = "both" | "random" | "as-stored";

/** One critique to ask for. */
export interface Vote {
  readonly swapped: boolean;
  /** Counts from 0 within its order, so that more votes reuse what fewer votes have cached. */
  readonly sample: number;
}

/** How many critiques of a pair, in which orders. */
export interface VotePlanOptions {
  /** Critiques in all. Left out: one per order, so 2 for `both` and 1 otherwise. */
  readonly votes?: number | undefined;
  /** `both` unless told otherwise. */
  readonly orders?: Orders | undefined;
  /** Seed of the order hashes; 0 unless told otherwise. */
  readonly seed?: number | undefined;
}

const isSwapped = (pair: Preference, orders: Orders, seed: number): ((vote: number) => boolean) => {
  if (orders === "as-stored") return () => false;
  if (orders === "random") return (vote) => orderCoin(pair, "order", seed, vote);
  const start = orderCoin(pair, "order", seed, 0);
  return (vote) => (vote % 2 === 0 ? start : !start);
};

const check = (votes: number, orders: string, seed: number): void => {
  if (!Number.isSafeInteger(votes) || votes < 1) {
    throw new ConfigError(`votes: expected a whole number of at least 1, got ${votes}`);
  }
  if (!["both", "random", "as-stored"].includes(orders)) {
    throw new ConfigError(`orders: expected "both", "random" or "as-stored", got ${JSON.stringify(orders)}`);
  }
  if (!Number.isSafeInteger(seed)) throw new ConfigError(`seed: expected a whole number, got ${seed}`);
};

/**
 * The critiques to ask for, in the order they should be sent: with `both`, the orders alternate.
 *
 * @throws {ConfigError} when an option is out of range.
 */
export const planVotes = (pair: Preference, options: VotePlanOptions = {}): readonly Vote[] => {
  const { orders = "both", seed = 0 } = options;
  const votes = options.votes ?? (orders === "both" ? 2 : 1);
  check(votes, orders, seed);
  const swappedAt = isSwapped(pair, orders, seed);
  const sent = { stored: 0, reversed: 0 };
  return Array.from({ length: votes }, (_, vote) => {
    const swapped = swappedAt(vote);
    return { swapped, sample: swapped ? sent.reversed++ : sent.stored++ };
  });
};
