/** Unfiltered rows of a PNG to 8-bit pixels. */
import { MediaError } from "@r1reward/core";
import type { PngChunks } from "./png-chunks.ts";
import type { PngPass } from "./png-decode.ts";
import type { PixelImage } from "./types.ts";

type Channels = PixelImage["channels"];

/** Reads the i-th sample of a row at its own depth. */
type ReadSample = (data: Uint8Array, row: number, i: number) => number;

const sampleReader = (depth: number): ReadSample => {
  if (depth === 8) return (data, row, i) => data[row + i]!;
  if (depth === 16) return (data, row, i) => (data[row + 2 * i]! << 8) | data[row + 2 * i + 1]!;
  const mask = (1 << depth) - 1;
  return (data, row, i) => (data[row + ((i * depth) >> 3)]! >> (8 - depth - ((i * depth) & 7))) & mask;
};

/** Writes one pixel, given where its first sample stands. */
type WritePixel = (row: number, sample: number, to: number) => void;

interface Target {
  readonly channels: Channels;
  readonly write: (out: Uint8Array) => WritePixel;
}

const indexed = (data: Uint8Array, { palette, transparency, depth }: PngChunks): Target => {
  const read = sampleReader(depth);
  const colours = palette.length / 3;
  const channels = transparency === undefined ? 3 : 4;
  return {
    channels,
    write: (out) => (row, sample, to) => {
      const index = read(data, row, sample);
      if (index >= colours) throw new MediaError("malformed", `PNG: colour ${index} of a palette of ${colours}`);
      for (let c = 0; c < 3; c++) out[to + c] = palette[index * 3 + c]!;
      if (channels === 4) out[to + 3] = transparency?.[index] ?? 255;
    },
  };
};

/** The one colour that is transparent, in samples; `undefined` when there is none. */
const keyColour = ({ transparency, samples }: PngChunks): readonly number[] | undefined => {
  if (transparency === undefined) return undefined;
  if (transparency.length !== 2 * samples || samples === 2 || samples === 4) {
    throw new MediaError("malformed", "PNG: transparency that does not fit its colour type");
  }
  return Array.from({ length: samples }, (_, i) => (transparency[2 * i]! << 8) | transparency[2 * i + 1]!);
};

const direct = (data: Uint8Array, chunks: PngChunks): Target => {
  const { depth, samples } = chunks;
  const read = sampleReader(depth);
  const key = keyColour(chunks);
  const scale = depth < 8 ? 255 / ((1 << depth) - 1) : 1;
  const shift = depth === 16 ? 8 : 0;
  return {
    channels: (key === undefined ? samples : samples + 1) as Channels,
    write: (out) => (row, sample, to) => {
      let matches = key !== undefined;
      for (let c = 0; c < samples; c++) {
        const value = read(data, row, sample + c);
        out[to + c] = (value >> shift) * scale;
        matches &&= key?.[c] === value;
      }
      if (key !== undefined) out[to + samples] = matches ? 0 : 255;
    },
  };
};

/**
 * Puts the pixels of all passes where they belong.
 *
 * @throws MediaError `malformed`
 */
export const pngPixels = (data: Uint8Array, chunks: PngChunks, passes: readonly PngPass[]): PixelImage => {
  const { width, height, samples } = chunks;
  const target = (chunks.isIndexed ? indexed : direct)(data, chunks);
  const { channels } = target;
  const out = new Uint8Array(width * height * channels);
  const write = target.write(out);
  for (const pass of passes) {
    for (let y = 0; y < pass.height; y++) {
      const row = pass.from + y * (pass.rowBytes + 1) + 1;
      const line = (pass.y + y * pass.stepY) * width + pass.x;
      for (let x = 0; x < pass.width; x++) write(row, x * samples, (line + x * pass.stepX) * channels);
    }
  }
  return { width, height, channels, data: out };
};
