/** The key/value cache: arrays that graphs read where they lie and that the loop writes one row at a time. */
import type { HostTensor } from "../engine/tensor.ts";
import type { CacheShape } from "./decoder.ts";

/** Cache of a batch: per layer `[B, K, C, d]` keys and values. */
export interface Cache {
  readonly rows: number;
  readonly capacity: number;
  readonly keys: readonly HostTensor[];
  readonly values: readonly HostTensor[];
}

/**
 * A capacity that holds n positions: multiples of 32, coarser for long sequences, so that graphs stay few. Decoding reads the whole
 * capacity in every step.
 */
export const capacityFor = (n: number): number => {
  const step = Math.max(32, 2 ** Math.floor(Math.log2(Math.max(1, n))) / 4);
  return Math.max(32, Math.ceil(n / step) * step);
};

/** Rows of a graph for n sequences: powers of two from 4. One row would take another path through the matrix products. */
export const rowsFor = (n: number): number => Math.max(4, 2 ** Math.ceil(Math.log2(Math.max(1, n))));

/**
 * Memory of caches, used again: a batch that grows moves between two sets of arrays, and the next run begins with what is there. What lies at
 * unused positions is read with weight 0, so it must be finite; between runs it is cleared, as weights may have been NaN.
 */
export interface CacheMemory {
  /** A cache in the set that the one before is not in. What it holds is what was there. */
  readonly make: (rows: number, capacity: number) => Cache;
  /** After a run: clears everything, or lets go of it when it is more than `most` bytes. */
  readonly rest: (most: number) => void;
}

/** See `CacheMemory`; nothing is allocated yet. */
export const cacheMemory = (c: CacheShape): CacheMemory => {
  const fresh = (): Float32Array[] => Array.from({ length: 2 * c.layers }, () => new Float32Array(0));
  let [used, spare] = [fresh(), fresh()];
  const fit = (arrays: Float32Array[], size: number): Float32Array[] =>
    arrays.map((array) => (array.length < size ? new Float32Array(size) : array));
  return {
    make: (rows, capacity) => {
      const shape = [rows, c.kvHeads, capacity, c.headSize];
      const size = rows * c.kvHeads * capacity * c.headSize;
      [used, spare] = [fit(spare, size), used];
      const tensors = used.map((array): HostTensor => ({ data: array.subarray(0, size), shape, dtype: "float32" }));
      return { rows, capacity, keys: tensors.slice(0, c.layers), values: tensors.slice(c.layers) };
    },
    rest: (most) => {
      const all = [...used, ...spare];
      if (all.reduce((sum, array) => sum + array.byteLength, 0) > most) [used, spare] = [fresh(), fresh()];
      else for (const array of all) array.fill(0);
    },
  };
};

/** Where a row comes from and how much of it is filled. */
export interface RowCopy {
  readonly from: number;
  readonly to: number;
  /** Positions to copy. */
  readonly length: number;
}

const copyTensor = (source: HostTensor, target: HostTensor, copies: readonly RowCopy[]): void => {
  const [, heads = 0, fromCapacity = 0, size = 0] = source.shape;
  const toCapacity = target.shape[2] ?? 0;
  const [from, to] = [source.data as Float32Array, target.data as Float32Array];
  for (const copy of copies) {
    for (let head = 0; head < heads; head++) {
      const start = (copy.from * heads + head) * fromCapacity * size;
      to.set(from.subarray(start, start + copy.length * size), (copy.to * heads + head) * toCapacity * size);
    }
  }
};

/** Copies rows between caches, or from what a prefill returned (`[P, K, T, d]` per layer). */
export const copyRows = (source: Pick<Cache, "keys" | "values">, target: Cache, copies: readonly RowCopy[]): void => {
  source.keys.forEach((keys, i) => copyTensor(keys, target.keys[i] as HostTensor, copies));
  source.values.forEach((values, i) => copyTensor(values, target.values[i] as HostTensor, copies));
};

const writeInto = (target: HostTensor, rows: Float32Array, positions: Int32Array, active: number): void => {
  const [, heads = 0, capacity = 0, size = 0] = target.shape;
  const data = target.data as Float32Array;
  for (let row = 0; row < active; row++) {
    for (let head = 0; head < heads; head++) {
      const from = (row * heads + head) * size;
      const to = ((row * heads + head) * capacity + (positions[row] as number)) * size;
      for (let i = 0; i < size; i++) data[to + i] = rows[from + i] as number;
    }
  }
};

/** Writes a step's new keys and values, `[L, B, K·d]` each, at each row's position. */
export const writeRows = (
  cache: Cache,
  step: { readonly keys: Float32Array; readonly values: Float32Array; readonly positions: Int32Array },
  active: number,
): void => {
  const each = step.keys.length / cache.keys.length;
  cache.keys.forEach((target, i) =>
    writeInto(target, step.keys.subarray(i * each, (i + 1) * each), step.positions, active),
  );
  cache.values.forEach((target, i) =>
    writeInto(target, step.values.subarray(i * each, (i + 1) * each), step.positions, active),
  );
};

/** The same cache with fewer rows: rows are outermost, so this is a shorter view of the same memory. */
export const shrinkRows = (cache: Cache, rows: number): Cache => {
  if (rows >= cache.rows) return cache;
  const shorter = ({ data, shape, dtype }: HostTensor): HostTensor => ({
    data: data.subarray(0, (data.length / cache.rows) * rows),
    shape: [rows, ...shape.slice(1)],
    dtype,
  });
  return { ...cache, rows, keys: cache.keys.map(shorter), values: cache.values.map(shorter) };
};
