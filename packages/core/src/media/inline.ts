import { MediaError, throwIfAborted } from "../errors.ts";
import type { MediaLoader } from "../interfaces.ts";
import type { LoadedImage, MediaSource, VideoSource } from "../types.ts";
import { bytesOfDataUri, checkImage, encodeImage } from "./load.ts";
import { mediaLimits, type MediaLimits } from "./limits.ts";

/** Options of `inlineMedia`. */
export interface InlineMediaOptions {
  readonly limits?: Partial<MediaLimits> | undefined;
  /** Frames per second that the model is told about videos. Default 2, as in the paper's evaluation. */
  readonly fps?: number | undefined;
}

const bytesOf = (source: MediaSource, limits: MediaLimits): Uint8Array => {
  if ("bytes" in source) return source.bytes;
  if ("dataUri" in source) return bytesOfDataUri(source.dataUri, limits);
  const [kind, option] = "path" in source ? ["path", "root"] : ["url", "hosts"];
  throw new MediaError(
    `${kind}-not-allowed`,
    `image: expected bytes or a data URI, got a ${kind}: use nodeMedia({ ${option} }) of @r1reward/core/node`,
  );
};

/** Refuses a video with no frames or with more than the limit. */
export const checkFrameCount = (count: number, limits: MediaLimits): void => {
  if (count < 1) throw new MediaError("no-frames", "video: expected at least 1 frame, got 0");
  if (count > limits.maxVideoFrames) {
    throw new MediaError("too-many-frames", `video: expected at most ${limits.maxVideoFrames} frames, got ${count}`);
  }
};

/**
 * A media loader for images that are already in memory: bytes and data URIs. It never reads a file nor sends a
 * request, and runs in browsers. An image object is read once and remembered as long as the object lives, so its
 * bytes must not change afterwards.
 *
 * @throws MediaError from `image` and `video`, ConfigError when an option cannot work
 */
export const inlineMedia = (options: InlineMediaOptions = {}): MediaLoader => {
  const limits = mediaLimits(options.limits);
  const fps = options.fps ?? 2;
  const loaded = new WeakMap<MediaSource, LoadedImage>();
  const load = (source: MediaSource): LoadedImage => {
    const known = loaded.get(source);
    if (known !== undefined) return known;
    const image = encodeImage(checkImage(bytesOf(source, limits), limits));
    loaded.set(source, image);
    return image;
  };
  return {
    fingerprint: `inline/1 fps=${fps}`,
    image: async (source, call) => {
      throwIfAborted(call?.signal);
      return load(source);
    },
    video: async (source: VideoSource, call) => {
      if ("folder" in source) {
        throw new MediaError(
          "folder-not-allowed",
          "video: expected frames, got a folder: use nodeMedia({ root }) of @r1reward/core/node",
        );
      }
      checkFrameCount(source.frames.length, limits);
      const frames = source.frames.map((frame) => {
        throwIfAborted(call?.signal);
        return load(frame);
      });
      return { type: "video", frames, fps };
    },
  };
};
