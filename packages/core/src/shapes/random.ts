/** Random choices of the shapes world: whole numbers only, so that every platform makes the same ones. */
import { xoshiro128, type RandomStream } from "../evaluate/random.ts";
import { sha256 } from "../hash.ts";

export type { RandomStream };

/** A stream that depends on its names and numbers alone. */
export const streamOf = (...parts: readonly (string | number)[]): RandomStream => {
  const hash = sha256(JSON.stringify(parts));
  const word = (at: number): number => Number.parseInt(hash.slice(8 * at, 8 * at + 8), 16) | 0;
  return xoshiro128([word(0), word(1), word(2), word(3) | 1]);
};

/** One of the items, each as likely as the others. */
export const pick = <T>(random: RandomStream, items: readonly T[]): T => items[random.below(items.length)]!;

/** A whole number from `low` to `high`, both included. */
export const between = (random: RandomStream, low: number, high: number): number => low + random.below(high - low + 1);

/** True in `share` of 100 cases. */
export const chance = (random: RandomStream, share: number): boolean => random.below(100) < share;

/** The items in random order (Fisher–Yates). */
export const shuffled = <T>(random: RandomStream, items: readonly T[]): T[] => {
  const order = [...items];
  for (let at = order.length - 1; at > 0; at -= 1) {
    const other = random.below(at + 1);
    [order[at], order[other]] = [order[other]!, order[at]!];
  }
  return order;
};
