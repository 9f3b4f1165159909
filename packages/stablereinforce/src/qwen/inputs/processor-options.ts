/** `preprocessor_config.json` and the defaults. */
import { ConfigError } from "@r1reward/core";
import { currentPillow } from "./resample.ts";
import type { ProcessorOptions, QwenProcessor } from "./types.ts";

/** Options with every default filled in. */
export type ResolvedProcessorOptions = QwenProcessor["options"];

type Triple = readonly [number, number, number];

/** Mean and standard deviation of CLIP's training pictures. */
const CLIP_MEAN: Triple = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: Triple = [0.26862954, 0.26130258, 0.27577711];
const BICUBIC = 3;

const integer = (name: string, value: number): number => {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new ConfigError(`qwenProcessor: ${name}: expected a positive integer, got ${value}`);
};

const triple = (name: string, value: Triple, isGood: (n: number) => boolean): Triple => {
  if (Array.isArray(value) && value.length === 3 && value.every((n) => Number.isFinite(n) && isGood(n))) return value;
  throw new ConfigError(`qwenProcessor: ${name}: expected three numbers, got ${JSON.stringify(value)}`);
};

/**
 * Fills in defaults: the budget of the paper's evaluation (501,760 pixels), videos like images, patches of 14 × 14 × 2
 * merged 2 × 2.
 *
 * @throws ConfigError naming the option
 */
export const processorOptions = (options: ProcessorOptions): ResolvedProcessorOptions => {
  const minPixels = integer("minPixels", options.minPixels ?? 3136);
  const maxPixels = integer("maxPixels", options.maxPixels ?? 501_760);
  const resize = options.resize ?? "once";
  if (resize !== "once" && resize !== "reference") {
    throw new ConfigError(`qwenProcessor: resize: expected once or reference, got ${String(resize)}`);
  }
  return {
    minPixels,
    maxPixels,
    videoMinPixels: integer("videoMinPixels", options.videoMinPixels ?? minPixels),
    videoMaxPixels: integer("videoMaxPixels", options.videoMaxPixels ?? maxPixels),
    patchSize: integer("patchSize", options.patchSize ?? 14),
    mergeSize: integer("mergeSize", options.mergeSize ?? 2),
    temporalPatchSize: integer("temporalPatchSize", options.temporalPatchSize ?? 2),
    mean: triple("mean", options.mean ?? CLIP_MEAN, () => true),
    std: triple("std", options.std ?? CLIP_STD, (n) => n > 0),
    resize,
    passes: options.passes ?? currentPillow,
  };
};

const FIELDS = {
  min_pixels: "minPixels",
  max_pixels: "maxPixels",
  patch_size: "patchSize",
  merge_size: "mergeSize",
  temporal_patch_size: "temporalPatchSize",
  image_mean: "mean",
  image_std: "std",
} as const;

/** What a configuration may not change, because nothing else is built here. */
const FIXED: Readonly<Record<string, unknown>> = {
  do_resize: true,
  do_rescale: true,
  do_normalize: true,
  resample: BICUBIC,
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isPresent = (value: unknown): boolean => value !== undefined && value !== null;

const checkFixed = (config: Readonly<Record<string, unknown>>): void => {
  for (const [name, expected] of Object.entries(FIXED)) {
    const value = config[name];
    if (isPresent(value) && value !== expected) {
      throw new ConfigError(`preprocessor_config.json: ${name}: expected ${String(expected)}, got ${String(value)}`);
    }
  }
  const factor = config["rescale_factor"];
  if (isPresent(factor) && !(typeof factor === "number" && Math.abs(factor * 255 - 1) < 1e-9)) {
    throw new ConfigError(`preprocessor_config.json: rescale_factor: expected 1/255, got ${String(factor)}`);
  }
};

/**
 * Options from a parsed `preprocessor_config.json`, of old (`min_pixels`) and new (`size.shortest_edge`) checkpoints.
 * What it leaves out keeps its default; `min_pixels` stands above `size`, as in transformers.
 *
 * @throws ConfigError when it is no such file or asks for something that is not built
 */
export const processorOptionsFrom = (config: unknown): ProcessorOptions => {
  if (!isRecord(config)) throw new ConfigError("preprocessor_config.json: expected an object");
  checkFixed(config);
  const size = isRecord(config["size"]) ? config["size"] : {};
  const merged: Readonly<Record<string, unknown>> = {
    ...config,
    min_pixels: config["min_pixels"] ?? size["shortest_edge"],
    max_pixels: config["max_pixels"] ?? size["longest_edge"],
  };
  const found = Object.entries(FIELDS).filter(([from]) => isPresent(merged[from]));
  const options = Object.fromEntries(found.map(([from, to]) => [to, merged[from]])) as ProcessorOptions;
  processorOptions(options);
  return options;
};
