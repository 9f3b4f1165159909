/** Pictures and videos to patches, as transformers' Qwen2-VL processors (5.23, Pillow backend) make them. */
import { ConfigError, MediaError, pixelBudget, smartResize } from "@r1reward/core";
import type { ImageSize } from "@r1reward/core";
import { normaliser, patchify } from "./patchify.ts";
import { toRgb } from "./pixels.ts";
import { processorOptions, type ResolvedProcessorOptions } from "./processor-options.ts";
import { resizeBicubic, type RgbImage } from "./resample.ts";
import type { Grid, PixelImage, ProcessorOptions, QwenProcessor } from "./types.ts";

interface Budget {
  readonly factor: number;
  readonly minPixels: number;
  readonly maxPixels: number;
}

/**
 * The size after the processor's own resize. It differs from `smartResize` (the rule of `qwen-vl-utils`) where a side
 * rounds to nothing: `qwen-vl-utils` then takes one row of patches, the processor scales the whole picture up.
 *
 * @throws MediaError `too-elongated`
 */
export const processorSize = (height: number, width: number, budget: Budget): ImageSize => {
  const size = smartResize(height, width, budget);
  const { factor, minPixels } = budget;
  if (Math.min(height, width) > factor / 2) return size;
  const beta = Math.sqrt(minPixels / (height * width));
  const up = (side: number): number => Math.ceil((side * beta) / factor) * factor;
  return { height: up(height), width: up(width) };
};

/** The sizes a picture goes through, the last one being what is cut into patches; `qwen-vl-utils` has its own budget. */
const steps = (height: number, width: number, budget: Budget, isReference: boolean): readonly ImageSize[] => {
  if (!isReference) return [processorSize(height, width, budget)];
  const block = budget.factor ** 2;
  const first = smartResize(height, width, { factor: budget.factor, minPixels: 4 * block, maxPixels: 16_384 * block });
  return [first, processorSize(first.height, first.width, budget)];
};

/** Frames as `resize` gives them: RGB, of one size, in whole blocks of patches. */
const checkFrames = (frames: readonly PixelImage[], factor: number): readonly RgbImage[] => {
  const [first] = frames;
  if (first === undefined) throw new MediaError("no-frames", "video: expected at least 1 frame, got 0");
  frames.forEach(({ width, height }, i) => {
    if (width === first.width && height === first.height && width % factor === 0 && height % factor === 0) return;
    const size = i === 0 ? `sides divisible by ${factor}` : `the size of frame 0, ${first.width}×${first.height}`;
    throw new MediaError("size-mismatch", `video: frame ${i}: expected ${size}, got ${width}×${height}`);
  });
  return frames.map((frame) => toRgb(frame, "video"));
};

const budgets = (options: ResolvedProcessorOptions): { readonly image: Budget; readonly video: Budget } => {
  const factor = options.patchSize * options.mergeSize;
  const { minPixels, maxPixels, videoMinPixels, videoMaxPixels } = options;
  return {
    image: pixelBudget({ factor, minPixels, maxPixels }),
    video: pixelBudget({ factor, minPixels: videoMinPixels, maxPixels: videoMaxPixels }),
  };
};

/**
 * A processor of pictures and videos. Resizing is Pillow's bicubic with bytes rounded after each pass, transparency shows
 * white, values are rescaled and normalised in float32: the same bits as transformers with Pillow.
 *
 * @throws ConfigError for options that cannot work
 */
export const qwenProcessor = (options: ProcessorOptions = {}): QwenProcessor => {
  const resolved = processorOptions(options);
  const { patchSize, temporalPatchSize, resize } = resolved;
  const { image: imageBudget, video: videoBudget } = budgets(resolved);
  const table = normaliser(resolved.mean, resolved.std);
  const isReference = resize === "reference";
  const resized: QwenProcessor["resize"] = (pixels, kind, where = kind) => {
    const budget = kind === "image" ? imageBudget : videoBudget;
    const sizes = steps(pixels.height, pixels.width, budget, isReference);
    const start = toRgb(pixels, where);
    return {
      ...sizes.reduce<RgbImage>((image, size) => resizeBicubic(image, size, resolved.passes), start),
      channels: 3,
    };
  };
  const patches = (frames: readonly PixelImage[]) =>
    patchify(checkFrames(frames, patchSize * resolved.mergeSize), resolved, table);
  const gridOf = (frames: number, size: readonly [number, number], budget: Budget): Grid => {
    const { height, width } = steps(...size, budget, isReference).at(-1)!;
    return [Math.ceil(frames / temporalPatchSize), height / patchSize, width / patchSize];
  };
  return {
    options: resolved,
    patchLength: 3 * temporalPatchSize * patchSize * patchSize,
    imageGrid: (height, width) => gridOf(1, [height, width], imageBudget),
    videoGrid: (frames, height, width) => {
      if (Number.isSafeInteger(frames) && frames > 0) return gridOf(frames, [height, width], videoBudget);
      throw new MediaError("no-frames", `video: expected a positive number of frames, got ${frames}`);
    },
    image: (pixels) => patches([resized(pixels, "image")]),
    video: (frames) => patches(frames.map((frame, i) => resized(frame, "video", `video: frame ${i}`))),
    resize: resized,
    patches,
  };
};

/**
 * Tokens that an image or video of this grid takes in the prompt: one for each merged block of patches.
 *
 * @throws ConfigError when the grid does not divide into blocks
 */
export const mediaTokenCount = ([t, h, w]: Grid, mergeSize = 2): number => {
  const count = (t * h * w) / (mergeSize * mergeSize);
  const isWhole = [t, h, w, h / mergeSize, w / mergeSize].every((n) => Number.isSafeInteger(n) && n > 0);
  if (isWhole && Number.isSafeInteger(count)) return count;
  throw new ConfigError(`grid: expected positive integers with sides divisible by ${mergeSize}, got ${t}×${h}×${w}`);
};
