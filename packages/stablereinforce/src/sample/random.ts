/** Seeds and uniform numbers of sampled sequences. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/**
 * A safe integer as what is mixed in: its lower 32 bits, and what is above them where there is something. That is spread before it is
 * mixed, so that it looks like no index.
 */
const partsOf = (seed: number): readonly [low: number, rest: readonly number[]] => {
  const low = seed | 0;
  const high = (seed - low) / 2 ** 32;
  return [low, high === 0 ? [0] : [0, Math.imul(high, 0x9e3779b1)]];
};

/**
 * A seed for one sequence of a larger plan, spread over 32 bits (the mixer of splitmix32), so that neighbouring indices give
 * unrelated streams. All of a safe integer counts, not only its lower half.
 */
export const sequenceSeed = (seed: number, ...indices: readonly number[]): number => {
  const [low, rest] = partsOf(seed);
  let state = low;
  for (const index of [...rest, ...indices]) {
    state = (Math.imul(state, 0x01000193) ^ index) + 0x9e3779b9;
    state = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    state = Math.imul(state ^ (state >>> 15), 0x735a2d97);
    state ^= state >>> 15;
  }
  return state | 0;
};

/** A stream of multiples of 2⁻²³ in [0, 1), from one seed. What `chooseToken` expects. */
export const uniformStream = (seed: number): (() => number) => {
  const rng = xoroshiro128plus(sequenceSeed(seed));
  return () => (rng.next() >>> 9) * 2 ** -23;
};
