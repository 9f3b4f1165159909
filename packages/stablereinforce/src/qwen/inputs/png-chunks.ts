/** The chunks of a PNG that pixels are made of. */
import { MediaError } from "@r1reward/core";

/** What IHDR, PLTE, tRNS and IDAT say. */
export interface PngChunks {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  readonly isIndexed: boolean;
  /** Samples of a pixel in the file. */
  readonly samples: 1 | 2 | 3 | 4;
  readonly bitsPerPixel: number;
  readonly isInterlaced: boolean;
  /** RGB triples, for indexed colours. */
  readonly palette: Uint8Array;
  /** tRNS as it stands: alpha of palette entries, or one transparent colour in 16-bit samples. */
  readonly transparency: Uint8Array | undefined;
  /** IDAT parts: one zlib stream. */
  readonly compressed: readonly Uint8Array[];
}

const SIGNATURE_BYTES = 8;

/** Samples of a pixel and depths allowed, by colour type. */
const COLOUR_TYPES: Readonly<Record<number, { readonly samples: 1 | 2 | 3 | 4; readonly depths: readonly number[] }>> =
  {
    0: { samples: 1, depths: [1, 2, 4, 8, 16] },
    2: { samples: 3, depths: [8, 16] },
    3: { samples: 1, depths: [1, 2, 4, 8] },
    4: { samples: 2, depths: [8, 16] },
    6: { samples: 4, depths: [8, 16] },
  };
const INDEXED = 3;

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

const crc32 = (bytes: Uint8Array): number => {
  let c = -1;
  for (const byte of bytes) c = CRC_TABLE[(c ^ byte) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
};

interface Chunk {
  readonly tag: string;
  readonly data: Uint8Array;
}

const malformed = (problem: string): MediaError => new MediaError("malformed", `PNG: ${problem}`);

function* chunksOf(bytes: Uint8Array): Generator<Chunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = SIGNATURE_BYTES;
  while (at + 12 <= bytes.length) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) break;
    const tag = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (tag === "IEND") return;
    // The pixels have a checksum of their own inside of the zlib stream; the few other bytes are checked here.
    if (tag !== "IDAT" && crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw malformed(`wrong checksum of chunk ${JSON.stringify(tag)}`);
    }
    yield { tag, data: bytes.subarray(at + 8, at + 8 + length) };
    at += 12 + length;
  }
  throw new MediaError("truncated", "PNG: it ends before its last chunk");
}

const readHeader = (data: Uint8Array | undefined) => {
  if (data?.length !== 13) throw malformed("expected a header of 13 bytes");
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour, compression, filter, interlace] = data.subarray(8) as unknown as number[];
  const type = COLOUR_TYPES[colour!];
  if (type === undefined || !type.depths.includes(depth!)) throw malformed(`colour type ${colour} of ${depth} bits`);
  if (width < 1 || height < 1) throw malformed(`expected a positive size, got ${width}×${height}`);
  if (compression !== 0 || filter !== 0 || interlace! > 1)
    throw malformed("unknown compression, filter or interlacing");
  const { samples } = type;
  const isIndexed = colour === INDEXED;
  return {
    width,
    height,
    depth: depth!,
    isIndexed,
    samples,
    bitsPerPixel: depth! * samples,
    isInterlaced: interlace === 1,
  };
};

const KEPT: readonly string[] = ["IHDR", "PLTE", "tRNS", "IDAT"];

/** An unknown chunk whose name begins with a capital must not be skipped: the picture would be another one. */
const isCritical = (tag: string): boolean => /^[A-Z]/.test(tag);

/**
 * Reads the chunks of a PNG that decide about its pixels. Profiles, texts and other ancillary chunks are not looked into.
 *
 * @throws MediaError `malformed` | `truncated`
 */
export const readPngChunks = (bytes: Uint8Array): PngChunks => {
  const found = new Map<string, Uint8Array[]>();
  for (const { tag, data } of chunksOf(bytes)) {
    if (KEPT.includes(tag)) found.set(tag, [...(found.get(tag) ?? []), data]);
    else if (isCritical(tag)) throw malformed(`unknown critical chunk ${JSON.stringify(tag)}`);
  }
  const only = (tag: string): Uint8Array | undefined => {
    const all = found.get(tag) ?? [];
    if (all.length > 1) throw malformed(`expected one ${tag} chunk, got ${all.length}`);
    return all[0];
  };
  const header = readHeader(only("IHDR"));
  const palette = only("PLTE") ?? new Uint8Array(0);
  if (palette.length % 3 !== 0 || (header.isIndexed && palette.length === 0)) throw malformed("a palette is expected");
  return { ...header, palette, transparency: only("tRNS"), compressed: found.get("IDAT") ?? [] };
};
