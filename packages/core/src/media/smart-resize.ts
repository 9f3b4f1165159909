/**
 * The size at which Qwen2.5-VL sees an image: both sides multiples of 28, the area within a budget, the aspect ratio
 * kept as well as that allows. Python rounds halves to even, and so must this: rounding them up gives another grid
 * for 3.6 % of all sizes.
 */
import { ConfigError, MediaError } from "../errors.ts";

/** Pixel budget and grid of a resize. */
export interface SmartResizeOptions {
  /** Both sides become multiples of this. Default 28 = patch 14 × merge 2. */
  readonly factor?: number | undefined;
  /** Smallest area in pixels. Default 3,136 = 4 · 28². */
  readonly minPixels?: number | undefined;
  /** Largest area in pixels. Default 501,760 = 640 · 28², the budget of the paper's evaluation (section 1.4). */
  readonly maxPixels?: number | undefined;
}

/** Width and height in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

const MAX_ASPECT = 200;
/** The upper bound of the first of the two resizes in the reference pipeline: 16,384 · 28². */
const FIRST_MAX_PIXELS = 16_384 * 28 * 28;

/** Nearest integer, halves to the even neighbour, as Python's `round`. */
export const roundHalfEven = (value: number): number => {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
};

const positive = (name: string, value: number): number => {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new ConfigError(`smartResize: ${name}: expected a positive integer, got ${value}`);
  }
  return value;
};

/** Checks a pixel budget and fills in its defaults. */
export const pixelBudget = (
  options: SmartResizeOptions = {},
): Required<{ [K in keyof SmartResizeOptions]: number }> => {
  const factor = positive("factor", options.factor ?? 28);
  const minPixels = positive("minPixels", options.minPixels ?? 3136);
  const maxPixels = positive("maxPixels", options.maxPixels ?? 501_760);
  if (minPixels > maxPixels) {
    throw new ConfigError(`smartResize: expected minPixels ≤ maxPixels, got ${minPixels} > ${maxPixels}`);
  }
  return { factor, minPixels, maxPixels };
};

/**
 * One resize of `qwen-vl-utils`: sides to the nearest multiple of `factor`, at least one; then scaled into the budget.
 *
 * @throws MediaError `too-elongated` when one side is more than 200 times the other
 * @throws ConfigError when a side or an option is not a positive integer
 */
export const smartResize = (height: number, width: number, options?: SmartResizeOptions): ImageSize => {
  positive("height", height);
  positive("width", width);
  const { factor, minPixels, maxPixels } = pixelBudget(options);
  if (Math.max(height, width) / Math.min(height, width) > MAX_ASPECT) {
    throw new MediaError("too-elongated", `image: expected an aspect ratio of at most 200, got ${width}×${height}`);
  }
  const near = (side: number): number => Math.max(factor, roundHalfEven(side / factor) * factor);
  const size = { height: near(height), width: near(width) };
  const area = size.height * size.width;
  if (area > maxPixels) {
    const beta = Math.sqrt((height * width) / maxPixels);
    const down = (side: number): number => Math.max(factor, Math.floor(side / beta / factor) * factor);
    return { height: down(height), width: down(width) };
  }
  if (area < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    const up = (side: number): number => Math.ceil((side * beta) / factor) * factor;
    return { height: up(height), width: up(width) };
  }
  return size;
};

/**
 * The size after both resizes of the reference pipeline: `qwen-vl-utils` first, with its own budget of 12.8 megapixels,
 * then the model's processor with the budget given.
 *
 * @throws as `smartResize`
 */
export const referenceSize = (height: number, width: number, options?: SmartResizeOptions): ImageSize => {
  const budget = pixelBudget(options);
  const first = smartResize(height, width, {
    factor: budget.factor,
    minPixels: 3136,
    maxPixels: Math.max(FIRST_MAX_PIXELS, budget.maxPixels),
  });
  return smartResize(first.height, first.width, budget);
};
