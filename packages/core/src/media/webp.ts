import { malformed, reader, truncated, type ImageHeader, type Reader } from "./bytes.ts";

interface Size {
  readonly width: number;
  readonly height: number;
}

const lossy = (at: Reader, body: number): Size => {
  if ((at.u8(body) & 1) !== 0 || at.u24le(body + 3) !== 0x2a019d) throw malformed("WebP", "bad VP8 key frame");
  return { width: at.u16le(body + 6) & 0x3fff, height: at.u16le(body + 8) & 0x3fff };
};

const lossless = (at: Reader, body: number): Size => {
  if (at.u8(body) !== 0x2f) throw malformed("WebP", "bad VP8L signature");
  const bits = at.u32le(body + 1);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
};

interface Found {
  canvas?: Size;
  picture?: Size;
  animations: number;
}

const readChunk = (at: Reader, found: Found, tag: string, body: number): void => {
  if (tag === "VP8X") found.canvas = { width: at.u24le(body + 4) + 1, height: at.u24le(body + 7) + 1 };
  else if (tag === "VP8 ") found.picture ??= lossy(at, body);
  else if (tag === "VP8L") found.picture ??= lossless(at, body);
  else if (tag === "ANMF") found.animations++;
};

/**
 * Header of a WebP: simple lossy, simple lossless, or extended with a canvas and perhaps an animation.
 *
 * @throws MediaError `truncated` | `malformed`
 */
export const readWebp = (bytes: Uint8Array): ImageHeader => {
  const at = reader(bytes, "WebP");
  const end = at.u32le(4) + 8;
  if (end > at.length) throw truncated("WebP");
  const found: Found = { animations: 0 };
  for (let chunk = 12; chunk + 8 <= end;) {
    const length = at.u32le(chunk + 4);
    if (chunk + 8 + length > end) throw truncated("WebP");
    readChunk(at, found, at.tag(chunk), chunk + 8);
    chunk += 8 + length + (length % 2);
  }
  const { canvas, picture, animations } = found;
  const size = canvas ?? picture;
  if (size === undefined || (picture === undefined && animations === 0)) throw malformed("WebP", "it has no image");
  if (canvas && picture && (canvas.width !== picture.width || canvas.height !== picture.height)) {
    throw malformed("WebP", "its canvas and its picture have different sizes");
  }
  return { mediaType: "image/webp", ...size, frames: Math.max(1, animations) };
};
