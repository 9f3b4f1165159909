/** Images made byte by byte for the tests: nothing here uses the readers that are under test. */
import { crc32, deflateSync } from "node:zlib";

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u16le = (value: number): Buffer => Buffer.from([value & 255, value >> 8]);

export const pngChunk = (tag: string, data: Buffer): Buffer => {
  const body = Buffer.concat([Buffer.from(tag, "latin1"), data]);
  return Buffer.concat([u32(data.length), body, u32(crc32(body))]);
};

export const PNG_SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");

export interface PngOptions {
  /** One byte per channel: 3 = RGB, 4 = RGBA. */
  readonly color?: readonly number[];
  readonly before?: readonly Buffer[];
}

/** A whole, decodable PNG of one colour. */
export const png = (width: number, height: number, options: PngOptions = {}): Buffer => {
  const color = options.color ?? [200, 30, 30];
  const row = Buffer.concat([Buffer.from([0]), Buffer.concat(Array.from({ length: width }, () => Buffer.from(color)))]);
  const ihdr = Buffer.concat([u32(width), u32(height), Buffer.from([8, color.length === 4 ? 6 : 2, 0, 0, 0])]);
  return Buffer.concat([
    PNG_SIGNATURE,
    pngChunk("IHDR", ihdr),
    ...(options.before ?? []),
    pngChunk("IDAT", deflateSync(Buffer.concat(Array.from({ length: height }, () => row)))),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
};

/** A 1-bit PNG whose header promises `width` × `height`; its pixels are a few bytes. */
export const pngBomb = (width: number, height: number): Buffer =>
  Buffer.concat([
    PNG_SIGNATURE,
    pngChunk("IHDR", Buffer.concat([u32(width), u32(height), Buffer.from([1, 0, 0, 0, 0])])),
    pngChunk("IDAT", deflateSync(Buffer.alloc(100_000))),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);

/** A GIF with `frames` one-pixel frames on a canvas. */
export const gif = (width: number, height: number, frames: number): Buffer => {
  const frame = Buffer.from([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0]);
  const control = Buffer.from([0x21, 0xf9, 4, 0, 0, 0, 0, 0]);
  return Buffer.concat([
    Buffer.from("GIF89a"),
    u16le(width),
    u16le(height),
    Buffer.from([0x80, 0, 0, 0, 0, 0, 255, 255, 255]),
    ...Array.from({ length: frames }, () => Buffer.concat([control, frame])),
    Buffer.from([0x3b]),
  ]);
};

/** The skeleton of a JPEG: markers and sizes without real pixels. */
export const jpegSkeleton = (width: number, height: number): Buffer =>
  Buffer.concat([
    Buffer.from("ffd8ffe000104a46494600010100000100010000", "hex"),
    // An application segment that holds a whole thumbnail: its markers must not be read.
    Buffer.from("ffe1000effd8ffc0ffd90000000000ffff", "hex").subarray(0, 16),
    Buffer.from([0xff, 0xff, 0xc2, 0, 11, 8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0]),
    Buffer.from("ffda0008010100003f00", "hex"),
    Buffer.from("0102ff0003ffd004ffd9", "hex"),
  ]);

const riff = (...chunks: readonly Buffer[]): Buffer => {
  const body = Buffer.concat([Buffer.from("WEBP"), ...chunks]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([Buffer.from("RIFF"), length, body]);
};

const riffChunk = (tag: string, data: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(data.length);
  return Buffer.concat([Buffer.from(tag), length, data, Buffer.alloc(data.length % 2)]);
};

const vp8 = (width: number, height: number): Buffer =>
  Buffer.concat([Buffer.from([0, 0, 0, 0x9d, 1, 0x2a]), u16le(width), u16le(height), Buffer.alloc(3)]);
const vp8l = (width: number, height: number): Buffer => {
  const bits = Buffer.alloc(5);
  bits[0] = 0x2f;
  bits.writeUInt32LE(((width - 1) | ((height - 1) << 14)) >>> 0, 1);
  return bits;
};
const vp8x = (width: number, height: number): Buffer => {
  const body = Buffer.alloc(10);
  body.writeUIntLE(width - 1, 4, 3);
  body.writeUIntLE(height - 1, 7, 3);
  return body;
};

export const webpLossy = (width: number, height: number): Buffer => riff(riffChunk("VP8 ", vp8(width, height)));
export const webpLossless = (width: number, height: number): Buffer => riff(riffChunk("VP8L", vp8l(width, height)));
export const webpExtended = (width: number, height: number, inner = [width, height] as const): Buffer =>
  riff(riffChunk("VP8X", vp8x(width, height)), riffChunk("VP8 ", vp8(inner[0], inner[1])));
export const webpAnimated = (width: number, height: number, frames: number): Buffer =>
  riff(
    riffChunk("VP8X", vp8x(width, height)),
    ...Array.from({ length: frames }, () => riffChunk("ANMF", Buffer.alloc(16))),
  );
