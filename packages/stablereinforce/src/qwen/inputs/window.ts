/**
 * Which patches the vision tower lets look at each other, and where each patch lies (transformers 5.23,
 * `vision_utils.get_vision_window_index`, `get_vision_position_ids`, `get_vision_cu_seqlens`).
 */
import { ConfigError } from "@r1reward/core";
import { mediaTokenCount } from "./processor.ts";
import type { Grid } from "./types.ts";

/** The part of the vision tower's configuration that decides about windows. */
export interface WindowOptions {
  /** Side of a window in pixels. Default 112. */
  readonly windowSize?: number | undefined;
  /** Default 14. */
  readonly patchSize?: number | undefined;
  /** Default 2. */
  readonly mergeSize?: number | undefined;
}

/** Windows of the vision tower's attention. */
export interface WindowIndex {
  /** `[N / mergeSize²]` the block of patches that comes at this place when blocks are sorted by window: a permutation. */
  readonly index: Int32Array;
  /** `[windows + 1]` cumulative lengths of the windows in patches, beginning with 0. */
  readonly cumulative: Int32Array;
}

const windowSide = ({ windowSize = 112, patchSize = 14, mergeSize = 2 }: WindowOptions): number => {
  const side = Math.floor(Math.floor(windowSize / mergeSize) / patchSize);
  if (Number.isSafeInteger(side) && side > 0) return side;
  throw new ConfigError(`windowIndex: expected a window of at least one block, got windowSize ${windowSize}`);
};

/** Calls `visit` for each window of a grid of blocks, row of windows after row, time step after time step. */
const eachWindow = (
  [t, rows, columns]: Grid,
  side: number,
  visit: (window: { readonly step: number; readonly row: number; readonly column: number }) => void,
): void => {
  for (let step = 0; step < t; step++) {
    for (let row = 0; row < rows; row += side) {
      for (let column = 0; column < columns; column += side) visit({ step, row, column });
    }
  }
};

/**
 * Sorts blocks of merged patches into square windows; windows at the right and lower edge may be smaller, and none spans
 * two time steps or pictures.
 *
 * @throws ConfigError for a grid that does not divide into blocks
 */
export const windowIndex = (grids: readonly Grid[], options: WindowOptions = {}): WindowIndex => {
  const { mergeSize = 2 } = options;
  const side = windowSide(options);
  const index = new Int32Array(grids.reduce((sum, grid) => sum + mediaTokenCount(grid, mergeSize), 0));
  const cumulative = [0];
  let [at, base] = [0, 0];
  for (const [t, h, w] of grids) {
    const [rows, columns] = [h / mergeSize, w / mergeSize];
    eachWindow([t, rows, columns], side, ({ step, row, column }) => {
      const right = Math.min(column + side, columns);
      for (let y = row; y < Math.min(row + side, rows); y++) {
        const line = base + (step * rows + y) * columns;
        for (let x = column; x < right; x++) index[at++] = line + x;
      }
      cumulative.push(at * mergeSize * mergeSize);
    });
    base += t * rows * columns;
  }
  return { index, cumulative: Int32Array.from(cumulative) };
};

/** Cumulative lengths in patches of the spans that full attention sees, one for each time step: `[steps + 1]`. */
export const frameCumulative = (grids: readonly Grid[]): Int32Array => {
  const cumulative = [0];
  for (const [t, h, w] of grids) {
    for (let step = 0; step < t; step++) cumulative.push(cumulative.at(-1)! + h * w);
  }
  return Int32Array.from(cumulative);
};

/**
 * Row and column of each patch in its picture, `[N, 2]`, in merge-block order: what the vision tower's rotary embedding
 * turns by. Each time step of a video begins at (0, 0) again.
 *
 * @throws ConfigError for a grid that does not divide into blocks
 */
export const visionPositions = (grids: readonly Grid[], mergeSize = 2): Int32Array => {
  const inner = mergeSize * mergeSize;
  const total = grids.reduce((sum, grid) => sum + mediaTokenCount(grid, mergeSize) * inner, 0);
  const positions = new Int32Array(total * 2);
  let at = 0;
  for (const [t, h, w] of grids) {
    const blocksWide = w / mergeSize;
    for (let patch = 0; patch < t * h * w; patch++) {
      const block = Math.floor((patch % (h * w)) / inner);
      positions[at++] = Math.floor(block / blocksWide) * mergeSize + Math.floor((patch % inner) / mergeSize);
      positions[at++] = (block % blocksWide) * mergeSize + (patch % mergeSize);
    }
  }
  return positions;
};
