/** How large an image may be before anything decodes it. */
import { ConfigError, MediaError } from "../errors.ts";
import type { ImageHeader } from "./bytes.ts";
import { decodedLength } from "./base64.ts";

/** Limits that an encoded image must keep. Passing one is an error, never a silent shrink. */
export interface MediaLimits {
  /** Width × height. Default 50,000,000. */
  readonly maxPixels: number;
  /** Encoded bytes. Default 20,000,000. */
  readonly maxBytes: number;
  /** Longer side over shorter side. Default 200, as in Qwen2.5-VL's own preprocessing. */
  readonly maxAspect: number;
  /** Frames of one animated image. Default 1: only still images. */
  readonly maxFrames: number;
  /** Pixels of the shorter side. Default 1. */
  readonly minSide: number;
  /** Frames of one video. Default 768, as in Qwen2.5-VL's own preprocessing. */
  readonly maxVideoFrames: number;
}

/** The limits that hold unless others are given. */
export const defaultMediaLimits: MediaLimits = {
  maxPixels: 50_000_000,
  maxBytes: 20_000_000,
  maxAspect: 200,
  maxFrames: 1,
  minSide: 1,
  maxVideoFrames: 768,
};

/**
 * The defaults with `changes` applied.
 *
 * @throws ConfigError when a limit is not a number of at least 1
 */
export const mediaLimits = (changes: Partial<MediaLimits> = {}): MediaLimits => {
  const limits = { ...defaultMediaLimits, ...changes };
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value !== "number" || !(value >= 1)) {
      throw new ConfigError(`media limits: ${name}: expected a number of at least 1, got ${String(value)}`);
    }
  }
  return limits;
};

const refuse = (reason: string, expected: string, got: string): never => {
  throw new MediaError(reason, `image: expected ${expected}, got ${got}`);
};

/**
 * Refuses an encoded image of `bytes` bytes when it is too long.
 *
 * @throws MediaError `too-many-bytes`
 */
export const checkByteLength = (bytes: number, limits: MediaLimits): void => {
  if (bytes > limits.maxBytes) refuse("too-many-bytes", `at most ${limits.maxBytes} bytes`, `${bytes}`);
};

/**
 * Refuses base64 of `characters` characters when what it decodes to would be too long: asked before decoding.
 *
 * @throws MediaError `too-many-bytes`
 */
export const checkBase64Length = (characters: number, limits: MediaLimits): void =>
  checkByteLength(decodedLength(characters) - 2, limits);

/**
 * Refuses an image whose header passes a limit.
 *
 * @throws MediaError `too-small` | `too-many-pixels` | `too-elongated` | `too-many-frames`
 */
export const checkHeader = ({ width, height, frames }: ImageHeader, limits: MediaLimits): void => {
  const size = `${width}×${height}`;
  const [short, long] = width < height ? [width, height] : [height, width];
  if (short < limits.minSide) refuse("too-small", `sides of at least ${limits.minSide} px`, size);
  if (width * height > limits.maxPixels) refuse("too-many-pixels", `at most ${limits.maxPixels} pixels`, size);
  if (long / short > limits.maxAspect) refuse("too-elongated", `an aspect ratio of at most ${limits.maxAspect}`, size);
  if (frames > limits.maxFrames) {
    refuse("too-many-frames", `at most ${limits.maxFrames} frame(s) in an image`, `${frames}`);
  }
};
