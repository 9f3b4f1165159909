/** Reading numbers out of image headers. Running past the end means that the image is truncated. */
import { MediaError } from "../errors.ts";

/** What an image header says. */
export interface ImageHeader {
  readonly mediaType: "image/png" | "image/jpeg" | "image/webp" | "image/gif";
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Frames of an animation; 1 for a still image. */
  readonly frames: number;
}

/** The error of an image that ends too early. */
export const truncated = (what: string): MediaError =>
  new MediaError("truncated", `image: the ${what} file ends in the middle`);

/** The error of an image whose structure contradicts itself. */
export const malformed = (what: string, problem: string): MediaError =>
  new MediaError("malformed", `image: ${what}: ${problem}`);

/** Big- and little-endian reads of `bytes` that throw `MediaError` `truncated` past the end. */
export const reader = (bytes: Uint8Array, what: string) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (at: number, count: number): number => {
    if (at + count > bytes.length) throw truncated(what);
    return at;
  };
  return {
    length: bytes.length,
    u8: (at: number): number => view.getUint8(need(at, 1)),
    u16be: (at: number): number => view.getUint16(need(at, 2)),
    u16le: (at: number): number => view.getUint16(need(at, 2), true),
    u24le: (at: number): number => view.getUint16(need(at, 3), true) | (view.getUint8(at + 2) << 16),
    u32be: (at: number): number => view.getUint32(need(at, 4)),
    u32le: (at: number): number => view.getUint32(need(at, 4), true),
    tag: (at: number): string => String.fromCharCode(...bytes.subarray(need(at, 4), at + 4)),
  };
};

/** What `reader` makes. */
export type Reader = ReturnType<typeof reader>;
