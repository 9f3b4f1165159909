/**
 * What Qwen2.5-VL is given, made on the host: token ids, positions, patches of pixels. Shapes only.
 *
 *   messages → pixels → patches, grids
 *            ↘ token ids with one pad per merged patch → positions
 */
import type { CallOptions } from "@r1reward/core";
import type { PassOrder } from "./resample.ts";

/** Patches of an image or video: `[time, height, width]`; height and width are multiples of the merge size. */
export type Grid = readonly [t: number, h: number, w: number];

/** A prompt as the model takes it. */
export interface QwenRow {
  /** `[P]` token ids; each image or video has one pad token per merged patch, t·h·w/4 of them. */
  readonly tokens: Int32Array;
  /** `[3, P]` time, height and width positions of multimodal RoPE, row after row. */
  readonly positions: Int32Array;
  /** The position of the token after the prompt is P + ropeDelta, in all three rows. */
  readonly ropeDelta: number;
  /** `[N, 1176]` normalised pixels of all images and videos, in merge-block order; absent when there are none. */
  readonly patches?: Float32Array | undefined;
  /** Of images and videos, in order of appearance. The sum of t·h·w is N. */
  readonly grids: readonly Grid[];
}

/** A decoded picture: `[height, width, channels]` bytes, row after row; channels are grey, grey+alpha, RGB or RGBA. */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** What a decoder is told besides the bytes. */
export interface DecodeOptions extends CallOptions {
  /** Names the picture in errors, e.g. `messages[0].content[1]`. */
  readonly where?: string | undefined;
}

/**
 * Pixels of an encoded PNG, JPEG, WebP or GIF, not turned by EXIF orientation. A broken picture is an error, never a
 * blank one.
 * @throws MediaError naming `where`
 */
export type ImageDecoder = (bytes: Uint8Array, options?: DecodeOptions) => Promise<PixelImage>;

/** An image or video, ready for the vision tower. */
export interface VisualInput {
  /** `[t·h·w, channels·temporalPatchSize·patchSize²]`: 1176 columns in channel, time, y, x order. */
  readonly patches: Float32Array;
  readonly grid: Grid;
}

/** Pixels to patches. */
export interface QwenProcessor {
  readonly options: Required<{ readonly [K in keyof ProcessorOptions]: Exclude<ProcessorOptions[K], undefined> }>;
  /** Columns of a patch: 1176. */
  readonly patchLength: number;
  /** The grid an image of this size gets. @throws MediaError `too-elongated` */
  readonly imageGrid: (height: number, width: number) => Grid;
  /** The grid a video gets; an odd number of frames repeats the last. @throws MediaError */
  readonly videoGrid: (frames: number, height: number, width: number) => Grid;
  /** @throws MediaError when sizes and data do not fit */
  readonly image: (image: PixelImage) => VisualInput;
  /** Frames in time order, all of one size. @throws MediaError */
  readonly video: (frames: readonly PixelImage[]) => VisualInput;
  /** The first half of `image` and `video`: RGB on white, resized. Lets a long video be decoded frame by frame. */
  readonly resize: (image: PixelImage, kind: "image" | "video", where?: string) => PixelImage;
  /** The second half: resized frames to patches. @throws MediaError when frames are not of one size */
  readonly patches: (frames: readonly PixelImage[]) => VisualInput;
}

/** What `preprocessor_config.json` decides. */
export interface ProcessorOptions {
  /** Smallest area of an image in pixels. */
  readonly minPixels?: number | undefined;
  /** Largest area of an image in pixels. */
  readonly maxPixels?: number | undefined;
  /** Smallest area of a video frame in pixels. */
  readonly videoMinPixels?: number | undefined;
  /** Largest area of a video frame in pixels. */
  readonly videoMaxPixels?: number | undefined;
  readonly patchSize?: number | undefined;
  readonly mergeSize?: number | undefined;
  readonly temporalPatchSize?: number | undefined;
  /** Per channel, of pixels between 0 and 1. */
  readonly mean?: readonly [number, number, number] | undefined;
  /** Per channel, of pixels between 0 and 1. */
  readonly std?: readonly [number, number, number] | undefined;
  /** `once`: as transformers' processor alone. `reference`: after the resize of `qwen-vl-utils`, as the paper's evaluation. */
  readonly resize?: "once" | "reference" | undefined;
  /** Which pass of a resize comes first. Default `currentPillow`; `firstPillow` is what the paper's model was trained with. */
  readonly passes?: PassOrder | undefined;
}
