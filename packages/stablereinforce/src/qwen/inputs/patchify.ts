/** Normalised pixels in the order the vision tower reads them. */
import type { RgbImage } from "./resample.ts";
import type { Grid } from "./types.ts";

/** How pixels are cut into patches. */
export interface PatchLayout {
  readonly patchSize: number;
  readonly mergeSize: number;
  readonly temporalPatchSize: number;
}

/** A normalised value for each byte of each channel: `[3, 256]`. */
export type Normaliser = Float32Array;

const CHANNELS = 3;

/**
 * The normalised value of every byte, in the float32 steps of transformers' Pillow processor: rescale, less mean, over
 * standard deviation.
 */
export const normaliser = (mean: readonly number[], std: readonly number[]): Normaliser => {
  const { fround } = Math;
  const table = new Float32Array(CHANNELS * 256);
  for (let channel = 0; channel < CHANNELS; channel++) {
    for (let value = 0; value < 256; value++) {
      const shifted = fround(fround(value * (1 / 255)) - fround(mean[channel]!));
      table[channel * 256 + value] = shifted / fround(std[channel]!);
    }
  }
  return table;
};

/** Where the pixels of one patch begin in a frame, and where its values go. */
interface Place {
  readonly pixel: number;
  readonly to: number;
}

/** The places of patches of one time step, in merge-block order: block row, block column, row in it, column in it. */
function* places(layout: PatchLayout, [, rows, columns]: Grid, patchLength: number): Generator<Place> {
  const { mergeSize, patchSize } = layout;
  let to = 0;
  for (let block = 0; block < (rows * columns) / mergeSize ** 2; block++) {
    const blocksWide = columns / mergeSize;
    for (let inner = 0; inner < mergeSize ** 2; inner++) {
      const row = Math.floor(block / blocksWide) * mergeSize + Math.floor(inner / mergeSize);
      const column = (block % blocksWide) * mergeSize + (inner % mergeSize);
      yield { pixel: (row * patchSize * columns + column) * patchSize, to };
      to += patchLength;
    }
  }
}

/** Writes one frame's part of one patch: `patchSize` rows of `patchSize` pixels for each channel. */
const writePatch = (
  target: { readonly patches: Float32Array; readonly at: number; readonly channelStride: number },
  frame: RgbImage,
  pixel: number,
  { table, patchSize }: { readonly table: Normaliser; readonly patchSize: number },
): void => {
  const { patches, channelStride } = target;
  const { data, width } = frame;
  let to = target.at;
  for (let y = 0; y < patchSize; y++) {
    let from = (pixel + y * width) * CHANNELS;
    for (const end = to + patchSize; to < end; to++, from += CHANNELS) {
      patches[to] = table[data[from]!]!;
      patches[to + channelStride] = table[256 + data[from + 1]!]!;
      patches[to + 2 * channelStride] = table[512 + data[from + 2]!]!;
    }
  }
};

/**
 * Patches `[t·h·w, 3·temporalPatchSize·patchSize²]` of frames whose sides are multiples of patch × merge. Columns are in
 * channel, time, y, x order; rows in merge-block order. Missing frames of the last time step repeat the last frame.
 */
export const patchify = (
  frames: readonly RgbImage[],
  layout: PatchLayout,
  table: Normaliser,
): { readonly patches: Float32Array; readonly grid: Grid } => {
  const { patchSize, temporalPatchSize } = layout;
  const { height, width } = frames[0]!;
  const grid: Grid = [Math.ceil(frames.length / temporalPatchSize), height / patchSize, width / patchSize];
  const area = patchSize * patchSize;
  const channelStride = temporalPatchSize * area;
  const patchLength = CHANNELS * channelStride;
  const stepLength = grid[1] * grid[2] * patchLength;
  const patches = new Float32Array(grid[0] * stepLength);
  const order = [...places(layout, grid, patchLength)];
  for (let slot = 0; slot < grid[0] * temporalPatchSize; slot++) {
    const frame = frames[Math.min(slot, frames.length - 1)]!;
    const base = Math.floor(slot / temporalPatchSize) * stepLength + (slot % temporalPatchSize) * area;
    for (const { pixel, to } of order) {
      writePatch({ patches, at: base + to, channelStride }, frame, pixel, { table, patchSize });
    }
  }
  return { patches, grid };
};
