/** What the vision tower must know of its images, made on the host: windows, frames, positions, and the padding of each. */
import { ConfigError } from "@r1reward/core";
import { int32Tensor, type HostTensor } from "../../engine/tensor.ts";
import type { Grid } from "../inputs/types.ts";
import { frameCumulative, visionPositions, windowIndex } from "../inputs/window.ts";
import type { QwenConfig, QwenVisionConfig, VisionGeometry, VisionInputs } from "./types.ts";

/** Sizes that graphs are made for: powers of two and three quarters of them, so that graphs stay few. */
const bucket = (n: number): number => {
  const power = 2 ** Math.ceil(Math.log2(Math.max(1, n)));
  return power >= 4 && n <= (power / 4) * 3 ? (power / 4) * 3 : power;
};

const patchesIn = ([frames, rows, columns]: Grid): number => frames * rows * columns;

const checkGrid = (grid: Grid, v: QwenVisionConfig): void => {
  const [, rows, columns] = grid;
  const good = grid.every((n) => Number.isSafeInteger(n) && n > 0);
  if (good && rows % v.mergeSize === 0 && columns % v.mergeSize === 0) return;
  throw new ConfigError(`grid: expected rows and columns in multiples of ${v.mergeSize}, got [${grid.join(", ")}]`);
};

/** Lengths of the spans between cumulative sums. */
const lengthsOf = (cumulative: Int32Array): number[] =>
  Array.from(cumulative.subarray(1), (to, i) => to - (cumulative[i] as number));

/** Groups one after another, as a table of places with −1 where a group is smaller. */
const tableOf = (sizes: readonly number[], count: number): { table: HostTensor; slots: HostTensor | undefined } => {
  const longest = Math.max(...sizes);
  if (sizes.every((size) => size === longest) && sizes.length * longest === count) {
    const table = int32Tensor(
      Int32Array.from({ length: count }, (_, i) => i),
      [sizes.length, longest],
    );
    return { table, slots: undefined };
  }
  const [groups, places] = [bucket(sizes.length), longest];
  const [table, slots] = [new Int32Array(groups * places).fill(-1), new Int32Array(count).fill(-1)];
  let patch = 0;
  sizes.forEach((size, group) => {
    for (let i = 0; i < size; i++, patch++) {
      table[group * places + i] = patch;
      slots[patch] = group * places + i;
    }
  });
  return { table: int32Tensor(table, [groups, places]), slots: int32Tensor(slots, [count]) };
};

/** Grids as they are computed: images of one size are filled up with empty ones to a bucket. */
const filledUp = (grids: readonly Grid[], count: number | undefined): readonly Grid[] => {
  const [first] = grids as readonly [Grid, ...Grid[]];
  const same = grids.every((grid) => grid.join() === first.join());
  if (!same || count !== undefined) return grids;
  return Array.from({ length: bucket(grids.length) }, () => first);
};

/**
 * Windows, frames and positions of a batch's images and videos, in the order in which their patches lie.
 *
 * Images of one size are filled up with empty ones to one of few numbers; images of different sizes get places for padding
 * (`windowSlots`, `frameSlots`). N of the result says how many patches there must be: `visionInputs` adds the missing ones.
 *
 * @param patches N, when it is to be a certain number.
 * @throws ConfigError on grids that do not fit the merge size, or N below the sum of the patches.
 */
export const visionGeometry = (
  given: readonly Grid[],
  { vision: v }: QwenConfig,
  patches?: number,
): VisionGeometry<HostTensor> => {
  if (given.length === 0) throw new ConfigError("grids: expected at least one image or video");
  for (const grid of given) checkGrid(grid, v);
  const grids = filledUp(given, patches);
  const real = grids.reduce((sum, grid) => sum + patchesIn(grid), 0);
  const unit = v.mergeSize ** 2;
  const count =
    patches ?? (grids.every((grid) => grid.join() === grids[0]?.join()) ? real : bucket(real / unit) * unit);
  if (count < real || count % unit !== 0) {
    throw new ConfigError(`patches: expected a multiple of ${unit} that is at least ${real}, got ${count}`);
  }
  const order = windowIndex(grids, v);
  const index = Int32Array.from({ length: count / unit }, (_, i) => order.index[i] ?? i);
  const inverse = new Int32Array(index.length);
  index.forEach((group, place) => void (inverse[group] = place));
  const windows = tableOf(lengthsOf(order.cumulative), count);
  const frames = tableOf(lengthsOf(frameCumulative(grids)), count);
  return {
    patchPositions: patchPositions(grids, index, [count, v.mergeSize]),
    windowIndex: int32Tensor(index, [index.length]),
    windowInverse: int32Tensor(inverse, [inverse.length]),
    windows: windows.table,
    ...(windows.slots === undefined ? {} : { windowSlots: windows.slots }),
    frames: frames.table,
    ...(frames.slots === undefined ? {} : { frameSlots: frames.slots }),
  };
};

/** `[2, N]` in window order; 0 for padding. */
const patchPositions = (
  grids: readonly Grid[],
  index: Int32Array,
  [count, merge]: readonly [number, number],
): HostTensor => {
  const natural = visionPositions(grids, merge);
  const data = new Int32Array(2 * count);
  const unit = merge ** 2;
  index.forEach((group, place) => {
    for (let i = 0; i < unit; i++) {
      const [from, to] = [2 * (group * unit + i), place * unit + i];
      data[to] = natural[from] ?? 0;
      data[count + to] = natural[from + 1] ?? 0;
    }
  });
  return int32Tensor(data, [2, count]);
};

/**
 * The vision tower's inputs: geometry, and patches filled up with zeros to N.
 *
 * @param patches `[sum of t·h·w, channels · temporalPatchSize · patchSize²]` of all images, or one array for each.
 * @throws ConfigError when patches and grids do not fit.
 */
export const visionInputs = (
  grids: readonly Grid[],
  patches: Float32Array | readonly Float32Array[],
  config: QwenConfig,
): VisionInputs<HostTensor> => {
  const v = config.vision;
  const geometry = visionGeometry(grids, config);
  const width = v.channels * v.temporalPatchSize * v.patchSize ** 2;
  const parts = patches instanceof Float32Array ? [patches] : patches;
  const wanted = grids.reduce((sum, grid) => sum + patchesIn(grid), 0) * width;
  const got = parts.reduce((sum, part) => sum + part.length, 0);
  if (got !== wanted) throw new ConfigError(`patches: expected ${wanted} numbers for these grids, got ${got}`);
  const count = geometry.patchPositions.shape[1] as number;
  const data = new Float32Array(count * width);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { ...geometry, patches: { data, shape: [count, width], dtype: "float32" } };
};
