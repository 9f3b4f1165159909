/** Decoding pictures in Node: by sharp where it is installed, else in plain JavaScript. */
import type { Metadata } from "sharp";
import { MediaError, throwIfAborted } from "@r1reward/core";
import { checkedHeader, portableDecoder, undecodable, type DecoderOptions } from "../qwen/inputs/portable-decoder.ts";
import type { ImageDecoder, PixelImage } from "../qwen/inputs/types.ts";
import { loadSharp, type MakeSharp } from "./load-sharp.ts";

/** libvips would turn 16-bit grey into colours by a curve; Pillow and the portable decoder keep the high byte. */
const isDeepGrey = ({ space }: Metadata): boolean => space === "grey16";

const withSharp = async (make: MakeSharp, bytes: Uint8Array, pixels: number): Promise<PixelImage> => {
  const limits = { failOn: "warning", limitInputPixels: pixels, pages: 1 } as const;
  const source = make(bytes, { ...limits, ignoreIcc: true, autoOrient: false });
  const metadata = await source.metadata();
  const upright = isDeepGrey(metadata) ? source.toColourspace("b-w") : source.toColourspace("srgb");
  const { data, info } = await upright.timeout({ seconds: 30 }).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels < 1 || channels > 4) throw new MediaError("malformed", `expected 1 to 4 channels, got ${channels}`);
  return { width, height, channels: channels as PixelImage["channels"], data };
};

/**
 * A decoder of PNG, JPEG, WebP and GIF by sharp (libvips, libjpeg-turbo), without turning by EXIF orientation and without
 * colour profiles, as in the reference pipeline. Without sharp it is `portableDecoder`, which reads PNG and JPEG.
 *
 * @throws MediaError naming `where` from the decoder, ConfigError when sharp is there and cannot be loaded
 */
export const imageDecoder = (options: DecoderOptions = {}): ImageDecoder => {
  const portable = portableDecoder(options);
  let sharp: Promise<MakeSharp | undefined> | undefined;
  return async (bytes, call = {}) => {
    const { where = "image", signal } = call;
    throwIfAborted(signal);
    const make = await (sharp ??= loadSharp());
    if (make === undefined) return portable(bytes, call);
    const { width, height } = checkedHeader(bytes, where, options);
    try {
      return await withSharp(make, bytes, width * height);
    } catch (cause) {
      throw undecodable(where, cause);
    }
  };
};
