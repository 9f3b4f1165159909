/** Puts the better response first in exactly half of the pairs (paper, section 4.1: label 1 : label 2 = 1 : 1). */
import { ConfigError } from "../errors.ts";
import { pairCoin } from "../pair-hash.ts";
import { swapPair } from "../swap.ts";
import type { Preference } from "../types.ts";

/** How pairs are balanced. */
export interface BalanceOptions {
  /** 0 unless given. */
  readonly seed?: number | undefined;
  /** Pairs of one name are balanced among themselves; all together unless given. */
  readonly by?: ((pair: Preference) => string) | undefined;
}

/** What was done so far. */
export interface BalanceStats {
  readonly first: number;
  readonly second: number;
  readonly swapped: number;
  /** Pairs without a human choice: left as they are. */
  readonly unlabelled: number;
}

const hasCritique = ({ meta }: Preference): boolean => typeof meta?.["critique"] === "string";

/**
 * Gives each pair its order. Of every two labelled pairs in turn, a coin made of pair and seed says which has the better
 * response first; the other has it second. So the two places differ by at most one, after any number of pairs, and which
 * response a pair shows first cannot be told from its content.
 */
export const answerBalancer = (options: BalanceOptions = {}) => {
  const { seed = 0, by = () => "" } = options;
  const owed = new Map<string, 0 | 1>();
  const stats = { first: 0, second: 0, swapped: 0, unlabelled: 0 };
  const placeFor = (pair: Preference): 0 | 1 => {
    const name = by(pair);
    const due = owed.get(name);
    if (due !== undefined) {
      owed.delete(name);
      return due;
    }
    const place = pairCoin(pair, "balance", seed) ? 1 : 0;
    owed.set(name, place === 0 ? 1 : 0);
    return place;
  };
  return {
    stats: (): BalanceStats => ({ ...stats }),
    /**
     * The pair in its order.
     * @throws ConfigError when a pair that has a critique would have to be turned: the critique speaks of answers 1 and 2
     */
    place(pair: Preference): Preference {
      if (pair.human === undefined) {
        stats.unlabelled += 1;
        return pair;
      }
      const place = placeFor(pair);
      stats[place === 0 ? "first" : "second"] += 1;
      if (place === pair.human) return pair;
      if (hasCritique(pair)) {
        throw new ConfigError(
          `pair ${JSON.stringify(pair.id)}: has a critique of its answers in this order; balance before distilling`,
        );
      }
      stats.swapped += 1;
      return swapPair(pair);
    },
  };
};
