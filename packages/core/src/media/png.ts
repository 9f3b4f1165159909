import { malformed, reader, truncated, type ImageHeader } from "./bytes.ts";

const SIGNATURE_BYTES = 8;
const CHUNK_OVERHEAD = 12; // length, type and CRC

/**
 * Header of a PNG or APNG. Walks the chunks without inflating anything, so a compressed-text bomb costs nothing.
 *
 * @throws MediaError `truncated` | `malformed`
 */
export const readPng = (bytes: Uint8Array): ImageHeader => {
  const at = reader(bytes, "PNG");
  if (at.tag(SIGNATURE_BYTES + 4) !== "IHDR" || at.u32be(SIGNATURE_BYTES) !== 13) {
    throw malformed("PNG", "the first chunk is not IHDR");
  }
  const width = at.u32be(SIGNATURE_BYTES + 8);
  const height = at.u32be(SIGNATURE_BYTES + 12);
  let frames = 1;
  let pixels = false;
  for (let chunk = SIGNATURE_BYTES; ;) {
    const length = at.u32be(chunk);
    const tag = at.tag(chunk + 4);
    if (chunk + CHUNK_OVERHEAD + length > at.length) throw truncated("PNG");
    // An animation declares itself before the first pixels; a later declaration is ignored by decoders.
    if (tag === "acTL" && !pixels) frames = at.u32be(chunk + 8);
    if (tag === "IDAT") pixels = true;
    if (tag === "IEND") break;
    chunk += CHUNK_OVERHEAD + length;
  }
  if (!pixels) throw malformed("PNG", "it has no pixels (no IDAT chunk)");
  return { mediaType: "image/png", width, height, frames };
};
