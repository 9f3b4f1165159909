/** The images and videos of a batch, each distinct one once: rollouts of one prompt, and both orders of a pair, share theirs. */
import { ConfigError } from "@r1reward/core";
import type { Grid, QwenRow } from "../inputs/types.ts";

/** An image or video of a prompt. */
export interface Picture {
  readonly grid: Grid;
  /** `[t·h·w, 1176]`, the prompt's own memory. */
  readonly patches: Float32Array;
  /** Pictures with other numbers have another one, as good as always. */
  readonly hash: number;
}

const patchesIn = ([t, h, w]: Grid): number => t * h * w;

/** FNV-1a over 32-bit words (draft-eastlake-fnv). Collisions are compared number by number. */
const hashOf = (data: Float32Array): number => {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  let hash = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ (words[i] as number), 0x01000193);
  return hash >>> 0;
};

const known = new WeakMap<QwenRow, readonly Picture[]>();

/**
 * The pictures of a prompt, in order of appearance.
 * @throws ConfigError when patches and grids do not fit
 */
export const picturesOf = (row: QwenRow): readonly Picture[] => {
  const before = known.get(row);
  if (before !== undefined) return before;
  const { patches = new Float32Array(0), grids } = row;
  const count = grids.reduce((sum, grid) => sum + patchesIn(grid), 0);
  const width = count === 0 ? 0 : patches.length / count;
  if (!Number.isInteger(width) || (count === 0 && patches.length > 0)) {
    throw new ConfigError(`patches: expected a multiple of ${count} numbers for these grids, got ${patches.length}`);
  }
  let from = 0;
  const pictures = grids.map((grid): Picture => {
    const own = patches.subarray(from, (from += patchesIn(grid) * width));
    return { grid, patches: own, hash: hashOf(own) };
  });
  known.set(row, pictures);
  return pictures;
};

const sameMemory = (a: Float32Array, b: Float32Array): boolean =>
  a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length;

/** Are these the same numbers? */
export const samePicture = (a: Picture, b: Picture): boolean =>
  sameMemory(a.patches, b.patches) ||
  (a.hash === b.hash &&
    a.grid.join() === b.grid.join() &&
    a.patches.length === b.patches.length &&
    a.patches.every((x, i) => x === b.patches[i]));

/** Distinct pictures, and where each one's merged patches begin among those of all. */
export interface Gathered {
  readonly pictures: readonly Picture[];
  /** For each row the first vision row of each of its pictures. */
  readonly starts: readonly (readonly number[])[];
}

/**
 * Gathers the distinct pictures of rows.
 *
 * @param unit Patches that make one vision row: mergeSize².
 */
export const gatherPictures = (rows: readonly (QwenRow | undefined)[], unit: number): Gathered => {
  const pictures: Picture[] = [];
  const begins: number[] = [];
  const byHash = new Map<number, number[]>();
  let end = 0;
  const placeOf = (picture: Picture): number => {
    const candidates = byHash.get(picture.hash) ?? [];
    const found = candidates.find((i) => samePicture(pictures[i] as Picture, picture));
    if (found !== undefined) return begins[found] as number;
    byHash.set(picture.hash, [...candidates, pictures.length]);
    begins.push(end);
    pictures.push(picture);
    end += patchesIn(picture.grid) / unit;
    return begins.at(-1) as number;
  };
  const starts = rows.map((row) => (row === undefined ? [] : picturesOf(row).map(placeOf)));
  return { pictures, starts };
};
