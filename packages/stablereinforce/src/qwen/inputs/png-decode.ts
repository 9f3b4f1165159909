/**
 * PNG (ISO 15948) to 8-bit pixels. The platform inflates, with its checksum; what comes out must be exactly as long as the
 * header says, so that a bomb stops early and a cut file is an error instead of a picture with an empty part.
 */
import { MediaError } from "@r1reward/core";
import { pngPixels } from "./png-pixels.ts";
import { readPngChunks, type PngChunks } from "./png-chunks.ts";
import type { PixelImage } from "./types.ts";

const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Every stepX-th pixel of every stepY-th row; `from` is where its filtered rows begin. */
export interface PngPass {
  readonly x: number;
  readonly y: number;
  readonly stepX: number;
  readonly stepY: number;
  readonly width: number;
  readonly height: number;
  readonly rowBytes: number;
  readonly from: number;
}

const passesOf = ({ width, height, bitsPerPixel, isInterlaced }: PngChunks): readonly PngPass[] => {
  let from = 0;
  const passes: PngPass[] = [];
  for (const [x, y, stepX, stepY] of isInterlaced ? ADAM7 : ([[0, 0, 1, 1]] as const)) {
    const [columns, rows] = [Math.ceil((width - x) / stepX), Math.ceil((height - y) / stepY)];
    if (columns <= 0 || rows <= 0) continue;
    const rowBytes = Math.ceil((columns * bitsPerPixel) / 8);
    passes.push({ x, y, stepX, stepY, width: columns, height: rows, rowBytes, from });
    from += rows * (rowBytes + 1);
  }
  return passes;
};

/** Inflates a zlib stream to exactly `length` bytes. */
const inflate = async (parts: readonly Uint8Array[], length: number): Promise<Uint8Array> => {
  const source = new Blob(parts as readonly BlobPart[] as BlobPart[]).stream();
  const reader = source.pipeThrough(new DecompressionStream("deflate")).getReader();
  const out = new Uint8Array(length);
  let filled = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const chunk: Uint8Array = next.value;
    if (filled + chunk.length > length) {
      await reader.cancel();
      throw new MediaError("malformed", `PNG: more than the ${length} bytes that its size needs`);
    }
    out.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled === length) return out;
  throw new MediaError("truncated", `PNG: expected ${length} bytes of pixels, got ${filled}`);
};

const paeth = (left: number, up: number, corner: number): number => {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
};

/** What a filter adds to a byte, from the bytes to the left, above, and above to the left. */
const PREDICTORS: readonly ((left: number, up: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_left, up) => up,
  (left, up) => (left + up) >> 1,
  paeth,
];

/** Undoes the filters of a pass in place. */
const unfilter = (data: Uint8Array, { from, height, rowBytes }: PngPass, pixelBytes: number): void => {
  for (let row = 0; row < height; row++) {
    const line = from + row * (rowBytes + 1) + 1;
    const above = line - rowBytes - 1;
    const predict = PREDICTORS[data[line - 1]!];
    if (predict === undefined) throw new MediaError("malformed", `PNG: unknown filter ${data[line - 1]} in a row`);
    for (let i = 0; i < rowBytes; i++) {
      const hasLeft = i >= pixelBytes;
      const left = hasLeft ? data[line + i - pixelBytes]! : 0;
      const up = row > 0 ? data[above + i]! : 0;
      const corner = hasLeft && row > 0 ? data[above + i - pixelBytes]! : 0;
      data[line + i] = data[line + i]! + predict(left, up, corner);
    }
  }
};

/**
 * Pixels of a PNG of any colour type, depth and interlacing; 16 bits are cut to their high byte. Colour profiles and
 * gamma are ignored, as everywhere in the reference pipeline.
 *
 * @throws MediaError `malformed` | `truncated`; what the platform throws for a broken stream
 */
export const decodePng = async (bytes: Uint8Array): Promise<PixelImage> => {
  const chunks = readPngChunks(bytes);
  const passes = passesOf(chunks);
  const last = passes.at(-1)!;
  const data = await inflate(chunks.compressed, last.from + last.height * (last.rowBytes + 1));
  const pixelBytes = Math.max(1, chunks.bitsPerPixel >> 3);
  for (const pass of passes) unfilter(data, pass, pixelBytes);
  return pngPixels(data, chunks, passes);
};
