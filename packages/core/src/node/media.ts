import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { ConfigError, throwIfAborted } from "../errors.ts";
import type { MediaLoader } from "../interfaces.ts";
import { frameIndices } from "../media/frames.ts";
import { checkFrameCount } from "../media/inline.ts";
import { mediaLimits, type MediaLimits } from "../media/limits.ts";
import { bytesOfDataUri, checkImage, encodeImage, type MediaCodec } from "../media/load.ts";
import type { LoadedImage, MediaSource, VideoSource } from "../types.ts";
import { sharedWork } from "./media-cache.ts";
import { readRegularFile, realPathWithin } from "./media-files.ts";
import { remoteImages, type RemoteImages, type RemoteOptions } from "./remote.ts";
import { imageResizer, type ImageResizer, type ResizeOptions } from "./resize.ts";
import { listFrames, type FrameOrder } from "./video-folder.ts";

export type { RemoteOptions, ResolvedAddress } from "./remote.ts";
export type { ResizeOptions } from "./resize.ts";
export type { FrameOrder } from "./video-folder.ts";

/** Options of `nodeMedia`. */
export interface NodeMediaOptions extends Omit<RemoteOptions, "maxBytes">, Omit<ResizeOptions, "factor"> {
  /** Folder that `path` and `folder` sources must lie in. Without it paths are refused. */
  readonly root?: string | undefined;
  /** Resize images to the pixel budget (needs sharp). On when `minPixels`, `maxPixels` or `jpegQuality` is given. */
  readonly resize?: boolean | undefined;
  readonly limits?: Partial<MediaLimits> | undefined;
  /** Frames per second that the model is told about videos. Default 2, as in the paper's evaluation. */
  readonly fps?: number | undefined;
  /** Frames that are taken from a folder, evenly spread. Default 32, as in the paper's evaluation. */
  readonly frames?: number | undefined;
  /** How the frames of a folder are ordered. Default `code-point`, as in the paper's evaluation. */
  readonly frameOrder?: FrameOrder | undefined;
  /** Memory for images that were loaded, in bytes. Default 256 MiB. */
  readonly cacheBytes?: number | undefined;
}

const codec: MediaCodec = {
  sha256: (bytes) => createHash("sha256").update(bytes).digest("hex"),
  base64: (bytes) => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
    const ascii = new Uint8Array(text.length);
    Buffer.from(ascii.buffer).write(text, "latin1");
    return ascii;
  },
};

interface Parts {
  readonly limits: MediaLimits;
  readonly root: string | undefined;
  readonly remote: RemoteImages;
  readonly resizer: ImageResizer | undefined;
}

/** A source that is ready to be read: the name under which its image is remembered, and how to get its bytes. */
interface Opened {
  readonly key: string;
  readonly read: (signal: AbortSignal) => Promise<Uint8Array>;
}

const opener = ({ limits, root, remote }: Parts) => {
  const hashes = new WeakMap<MediaSource, string>();
  const inMemory = (source: MediaSource, bytes: () => Uint8Array): Opened => {
    let key = hashes.get(source);
    if (key === undefined) hashes.set(source, (key = `sha256:${codec.sha256(bytes())}`));
    return { key, read: async () => bytes() };
  };
  return async (source: MediaSource): Promise<Opened> => {
    if ("bytes" in source) return inMemory(source, () => source.bytes);
    if ("dataUri" in source) return inMemory(source, () => bytesOfDataUri(source.dataUri, limits));
    if ("url" in source) return { key: `url:${source.url}`, read: (signal) => remote.fetch(source.url, signal) };
    const real = await realPathWithin(root, source.path);
    const { size, mtimeMs, ino } = await stat(real);
    return { key: `path:${ino}:${size}:${mtimeMs}:${real}`, read: () => readRegularFile(real, limits.maxBytes) };
  };
};

const resizerOf = (options: NodeMediaOptions): ImageResizer | undefined => {
  const { minPixels, maxPixels, jpegQuality } = options;
  const isAsked = minPixels !== undefined || maxPixels !== undefined || jpegQuality !== undefined;
  if (options.resize === false && isAsked) {
    throw new ConfigError(
      "nodeMedia: minPixels, maxPixels and jpegQuality only work with resizing, but resize is false",
    );
  }
  return (options.resize ?? isAsked) ? imageResizer({ minPixels, maxPixels, jpegQuality }) : undefined;
};

const CONCURRENT_FRAMES = 4;

const imageLoader = (parts: Parts, cacheBytes: number) => {
  const open = opener(parts);
  const loaded = sharedWork<LoadedImage>(cacheBytes, (image) => image.base64.length);
  return async (source: MediaSource, signal?: AbortSignal): Promise<LoadedImage> => {
    throwIfAborted(signal);
    const { key, read } = await open(source);
    const make = async (stop: AbortSignal): Promise<LoadedImage> => {
      const checked = checkImage(await read(stop), parts.limits);
      throwIfAborted(stop);
      return encodeImage(parts.resizer === undefined ? checked : await parts.resizer.resize(checked), codec);
    };
    return loaded.get(key, make, signal);
  };
};

/** Loads each distinct frame once, a few at a time, in order. */
const loadFrames = async (
  frames: readonly MediaSource[],
  load: (frame: MediaSource) => Promise<LoadedImage>,
): Promise<readonly LoadedImage[]> => {
  const images = new Map<MediaSource, LoadedImage>();
  const left = [...new Set(frames)];
  const worker = async (): Promise<void> => {
    for (let frame = left.shift(); frame !== undefined; frame = left.shift()) images.set(frame, await load(frame));
  };
  await Promise.all(Array.from({ length: CONCURRENT_FRAMES }, worker));
  return frames.map((frame) => images.get(frame)!);
};

/**
 * The media loader of Node: bytes and data URIs, files below `root`, images from allowed `hosts`, folders of video
 * frames; checked against limits by their headers, resized if asked, each encoded once and kept for the other orders
 * and samples. A URL is downloaded once as long as it is kept, so that both orders see the same image.
 *
 * @throws ConfigError for options that cannot work; MediaError and AbortError from `image` and `video`
 */
export const nodeMedia = (options: NodeMediaOptions = {}): MediaLoader & AsyncDisposable => {
  const limits = mediaLimits(options.limits);
  const resizer = resizerOf(options);
  const { root, fps = 2, frames: count = 32, frameOrder = "code-point" } = options;
  frameIndices(1, count);
  if (!(fps > 0 && Number.isFinite(fps)))
    throw new ConfigError(`nodeMedia: fps: expected a positive number, got ${fps}`);
  const remote = remoteImages({ ...options, maxBytes: limits.maxBytes });
  const load = imageLoader({ limits, root, remote, resizer }, options.cacheBytes ?? 256 * 1024 * 1024);
  const framesOf = async (source: VideoSource): Promise<readonly MediaSource[]> => {
    if ("frames" in source) return source.frames;
    const paths = await listFrames(await realPathWithin(root, source.folder), frameOrder);
    const sources = paths.map((path) => ({ path }));
    return frameIndices(paths.length, count).map((index) => sources[index]!);
  };
  return {
    fingerprint: `node/1 fps=${fps} frames=${count} ${frameOrder} ${resizer?.fingerprint ?? "as-is"}`,
    image: (source, call) => load(source, call?.signal),
    video: async (source, call) => {
      const frames = await framesOf(source);
      checkFrameCount(frames.length, limits);
      return { type: "video", frames: await loadFrames(frames, (frame) => load(frame, call?.signal)), fps };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(remote[Symbol.asyncDispose]()),
  };
};
