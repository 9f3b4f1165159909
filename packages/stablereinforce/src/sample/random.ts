/** Seeds and uniform numbers of sampled sequences. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/**
 * A seed for one sequence of a larger plan, spread over 32 bits (the mixer of splitmix32), so that neighbouring indices give
 * unrelated streams.
 */
export const sequenceSeed = (seed: number, ...indices: readonly number[]): number => {
  let state = seed | 0;
  for (const index of [0, ...indices]) {
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
