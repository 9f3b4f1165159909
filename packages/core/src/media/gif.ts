import { malformed, reader, type ImageHeader, type Reader } from "./bytes.ts";

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = 0x3b;

const tableBytes = (packed: number): number => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0);

const skipSubBlocks = (at: Reader, from: number): number => {
  let block = from;
  for (let size = at.u8(block); size !== 0; size = at.u8(block)) block += size + 1;
  return block + 1;
};

/**
 * Header of a GIF: the size of its canvas, grown to its largest frame, and the number of frames.
 *
 * @throws MediaError `truncated` | `malformed`
 */
export const readGif = (bytes: Uint8Array): ImageHeader => {
  const at = reader(bytes, "GIF");
  let width = at.u16le(6);
  let height = at.u16le(8);
  let frames = 0;
  let block = 13 + tableBytes(at.u8(10));
  for (let kind = at.u8(block); kind !== TRAILER; kind = at.u8(block)) {
    if (kind === EXTENSION) {
      block = skipSubBlocks(at, block + 2);
    } else if (kind === IMAGE) {
      frames++;
      width = Math.max(width, at.u16le(block + 1) + at.u16le(block + 5));
      height = Math.max(height, at.u16le(block + 3) + at.u16le(block + 7));
      block = skipSubBlocks(at, block + 11 + tableBytes(at.u8(block + 9)));
    } else {
      throw malformed("GIF", `an unknown block 0x${kind.toString(16)} at offset ${block}`);
    }
  }
  if (frames === 0) throw malformed("GIF", "it has no image");
  return { mediaType: "image/gif", width, height, frames };
};
