/** From whatever a decoder gives to RGB on white. */
import { MediaError } from "@r1reward/core";
import type { RgbImage } from "./resample.ts";
import type { PixelImage } from "./types.ts";

const WHITE = 255;

/** a/255 rounded, as Pillow computes it. */
const over255 = (value: number): number => {
  const rounded = value + 128;
  return ((rounded >> 8) + rounded) >> 8;
};

/**
 * Refuses pixels whose size and data do not fit.
 *
 * @throws MediaError `malformed`
 */
export const checkPixels = ({ width, height, channels, data }: PixelImage, where = "image"): void => {
  const isSize = [width, height].every((side) => Number.isSafeInteger(side) && side > 0);
  if (!isSize || ![1, 2, 3, 4].includes(channels)) {
    throw new MediaError("malformed", `${where}: expected pixels of some size, got ${width}×${height}×${channels}`);
  }
  const isBytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  if (!isBytes || data.length !== width * height * channels) {
    const got = isBytes ? `${data.length}` : "something else";
    throw new MediaError("malformed", `${where}: expected ${width}×${height}×${channels} bytes, got ${got}`);
  }
};

const greyToRgb = (data: PixelImage["data"], pixels: number): Uint8Array => {
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0, at = 0; i < pixels; i++, at += 3) rgb[at] = rgb[at + 1] = rgb[at + 2] = data[i]!;
  return rgb;
};

/** Grey+alpha or RGBA on white: `step` channels a pixel, alpha last. */
const onWhite = (data: PixelImage["data"], pixels: number, step: 2 | 4): Uint8Array => {
  const rgb = new Uint8Array(pixels * 3);
  const [green, blue] = step === 4 ? [1, 2] : [0, 0];
  for (let from = 0, to = 0; to < rgb.length; from += step, to += 3) {
    const alpha = data[from + step - 1]!;
    const white = WHITE * (WHITE - alpha);
    rgb[to] = over255(white + data[from]! * alpha);
    rgb[to + 1] = over255(white + data[from + green]! * alpha);
    rgb[to + 2] = over255(white + data[from + blue]! * alpha);
  }
  return rgb;
};

/**
 * RGB bytes of a picture; transparency shows white, as in transformers 5 (`qwen-vl-utils` does so for RGBA alone). RGB pixels
 * are not copied.
 *
 * @throws MediaError `malformed` when size and data do not fit
 */
export const toRgb = (image: PixelImage, where?: string): RgbImage => {
  checkPixels(image, where);
  const { width, height, channels, data } = image;
  const pixels = width * height;
  if (channels === 3) return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  return { width, height, data: channels === 1 ? greyToRgb(data, pixels) : onWhite(data, pixels, channels) };
};
