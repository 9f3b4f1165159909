/** Decoding PNG and JPEG without anything native: in browsers, and in Node where sharp is not installed. */
import { MediaError, messageOf, readImageHeader, throwIfAborted, type ImageHeader } from "@r1reward/core";
import { decodePng } from "./png-decode.ts";
import type { ImageDecoder, PixelImage } from "./types.ts";

/** Limits of a decoder. */
export interface DecoderOptions {
  /** Largest width × height that is decoded. Default 50,000,000. */
  readonly maxPixels?: number | undefined;
}

const DEFAULT_MAX_PIXELS = 50_000_000;

/**
 * The header of a picture that may be decoded: one frame, not too large.
 *
 * @throws MediaError beginning with `where`
 */
export const checkedHeader = (bytes: Uint8Array, where: string, options: DecoderOptions): ImageHeader => {
  const { maxPixels = DEFAULT_MAX_PIXELS } = options;
  let header: ImageHeader;
  try {
    header = readImageHeader(bytes);
  } catch (cause) {
    const reason = cause instanceof MediaError ? cause.reason : "malformed";
    throw new MediaError(reason, `${where}: ${messageOf(cause)}`, { cause });
  }
  const { width, height, frames } = header;
  if (frames > 1) throw new MediaError("too-many-frames", `${where}: expected one frame, got ${frames}`);
  if (width * height <= maxPixels) return header;
  throw new MediaError("too-many-pixels", `${where}: expected at most ${maxPixels} pixels, got ${width}×${height}`);
};

type Decode = (bytes: Uint8Array, header: ImageHeader) => Promise<PixelImage>;

const BYTES_PER_PIXEL = 40;

const jpeg: Decode = async (bytes, { width, height }) => {
  const { decode } = await import("jpeg-js");
  // jpeg-js holds coefficients, lines and pixels at once; its own limits are for pictures it knows nothing of.
  const maxMemoryUsageInMB = 64 + (width * height * BYTES_PER_PIXEL) / 1e6;
  const options = { useTArray: true, formatAsRGBA: false, tolerantDecoding: false } as const;
  const { data, ...size } = decode(bytes, { ...options, maxMemoryUsageInMB, maxResolutionInMP: 1e6 });
  return { width: size.width, height: size.height, channels: 3, data };
};

const DECODERS: Partial<Record<ImageHeader["mediaType"], Decode>> = { "image/png": decodePng, "image/jpeg": jpeg };

/** What escapes a decoder, as an error that names the picture. */
export const undecodable = (where: string, cause: unknown): MediaError =>
  new MediaError(
    cause instanceof MediaError ? cause.reason : "undecodable",
    `${where}: cannot be decoded: ${messageOf(cause)}`,
    { cause },
  );

/**
 * A decoder of PNG and JPEG in plain JavaScript, for browsers and for Node without sharp. PNG gives the same pixels as any
 * decoder. JPEG's colours are spread to the full size without smoothing, so they differ a little from libjpeg's at edges.
 *
 * @throws MediaError naming `where` from the decoder, `unsupported-format` for WebP and GIF
 */
export const portableDecoder =
  (options: DecoderOptions = {}): ImageDecoder =>
  async (bytes, { where = "image", signal } = {}) => {
    throwIfAborted(signal);
    const header = checkedHeader(bytes, where, options);
    const decode = DECODERS[header.mediaType];
    if (decode === undefined) {
      const need = `expected PNG or JPEG, got ${header.mediaType}, which needs the optional package sharp`;
      throw new MediaError("unsupported-format", `${where}: ${need}`);
    }
    try {
      return await decode(bytes, header);
    } catch (cause) {
      throw undecodable(where, cause);
    }
  };
