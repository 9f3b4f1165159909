import { malformed, reader, truncated, type ImageHeader, type Reader } from "./bytes.ts";

const isStartOfFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const isBare = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= SOI);

const hasEnd = (bytes: Uint8Array, from: number): boolean => {
  for (let at = bytes.length - 2; at >= from; at--) if (bytes[at] === 0xff && bytes[at + 1] === EOI) return true;
  return false;
};

/** The marker at `from`, with the fill bytes before it skipped. */
const markerAt = (at: Reader, from: number): { marker: number; body: number } => {
  if (at.u8(from) !== 0xff) throw malformed("JPEG", `no marker at offset ${from}`);
  let position = from + 1;
  while (at.u8(position) === 0xff) position++;
  return { marker: at.u8(position), body: position + 1 };
};

/**
 * Header of a JPEG: the size of its first frame header. The end marker must follow the scan, so that a download that
 * broke off is refused rather than judged half grey.
 *
 * @throws MediaError `truncated` | `malformed`
 */
export const readJpeg = (bytes: Uint8Array): ImageHeader => {
  const at = reader(bytes, "JPEG");
  let size: { width: number; height: number } | undefined;
  for (let from = 2; ;) {
    const { marker, body } = markerAt(at, from);
    if (marker === EOI) throw malformed("JPEG", "it ends before its pixels");
    if (marker === SOS) {
      if (size === undefined) throw malformed("JPEG", "the scan comes before the frame header");
      if (!hasEnd(bytes, body)) throw truncated("JPEG");
      return { mediaType: "image/jpeg", ...size, frames: 1 };
    }
    if (isBare(marker)) {
      from = body;
      continue;
    }
    const length = at.u16be(body);
    if (length < 2) throw malformed("JPEG", `a segment of ${length} bytes at offset ${body}`);
    if (isStartOfFrame(marker)) {
      if (size !== undefined) throw malformed("JPEG", "two frame headers");
      size = { height: at.u16be(body + 3), width: at.u16be(body + 5) };
    }
    from = body + length;
  }
};
