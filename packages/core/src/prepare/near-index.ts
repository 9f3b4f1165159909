/**
 * Finds sets that have most of their members in common, without comparing every two: MinHash signatures in bands
 * (Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3). Candidates are then compared exactly.
 */
import { randomStream } from "../evaluate/random.ts";

const BANDS = 32;
const ROWS = 4;
const HASHES = BANDS * ROWS;

// Multipliers and offsets of the hash functions: fixed, so that an index is the same in every run.
const FUNCTIONS = (() => {
  const random = randomStream(0x5eed);
  const multipliers = Uint32Array.from({ length: HASHES }, () => random.uint32() | 1);
  const offsets = Uint32Array.from({ length: HASHES }, () => random.uint32());
  return { multipliers, offsets };
})();

const mix = (value: number): number => {
  const half = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (half ^ (half >>> 12)) >>> 0;
};

/** The smallest value of each hash function over the set: `[128]`. */
export const minHash = (set: Uint32Array): Uint32Array => {
  const { multipliers, offsets } = FUNCTIONS;
  const signature = new Uint32Array(HASHES).fill(0xffffffff);
  for (const member of set) {
    for (let at = 0; at < HASHES; at += 1) {
      const value = mix(Math.imul(member, multipliers[at]!) + offsets[at]!);
      if (value < signature[at]!) signature[at] = value;
    }
  }
  return signature;
};

const bandKeys = (set: Uint32Array): readonly string[] => {
  const signature = minHash(set);
  return Array.from(
    { length: BANDS },
    (_, band) => `${band}:${signature.subarray(band * ROWS, (band + 1) * ROWS).join()}`,
  );
};

/** An index of sets. */
export interface NearIndex {
  /** Remembers a set under a number. */
  add(set: Uint32Array, entry: number): void;
  /** Numbers of the sets that are likely to have half of their members or more in common with this one. */
  candidates(set: Uint32Array): ReadonlySet<number>;
}

/**
 * With 32 bands of 4, sets with a share s in common meet with probability 1 − (1 − s⁴)³²: 0.87 at s = 0.5, 0.9999 at 0.7.
 */
export const nearIndex = (): NearIndex => {
  const buckets = new Map<string, number[]>();
  return {
    add(set, entry) {
      for (const key of bandKeys(set)) {
        const bucket = buckets.get(key);
        if (bucket === undefined) buckets.set(key, [entry]);
        else bucket.push(entry);
      }
    },
    candidates: (set) => new Set(bandKeys(set).flatMap((key) => buckets.get(key) ?? [])),
  };
};
