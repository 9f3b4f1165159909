/**
 * Seeded 32-bit random numbers for resampling: xoshiro128** (Blackman & Vigna, 2018), its state filled by splitmix32.
 * The stream depends on the seed alone, so that an interval can be reproduced on any machine. Not for secrets.
 */
export interface RandomStream {
  /** A whole number in [0, 2^32). */
  readonly uint32: () => number;
  /** A whole number in [0, bound), bound ≤ 2^32; off uniform by at most bound / 2^32, which no resampling can see. */
  readonly below: (bound: number) => number;
}

const rotateLeft = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** Spreads a seed over the state, so that neighbouring seeds give unrelated streams and the state is never all zero. */
const splitmix32 = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
};

/** xoshiro128** from its four words of state, which must not all be 0. */
export const xoshiro128 = (words: readonly [number, number, number, number]): RandomStream => {
  let [a, b, c, d] = words;
  const uint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
  return { uint32, below: (bound) => Math.floor((uint32() / 0x1_0000_0000) * bound) };
};

/** The stream of a seed; only its low 32 bits count. */
export const randomStream = (seed: number): RandomStream => {
  const next = splitmix32(seed);
  return xoshiro128([next(), next(), next(), next()]);
};
