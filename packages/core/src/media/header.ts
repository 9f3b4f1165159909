/** What an image is, read from its first bytes: never from its name, nor from what a server says it is. */
import { MediaError } from "../errors.ts";
import { readGif } from "./gif.ts";
import { readJpeg } from "./jpeg.ts";
import { readPng } from "./png.ts";
import { readWebp } from "./webp.ts";
import { truncated, type ImageHeader } from "./bytes.ts";

export type { ImageHeader } from "./bytes.ts";

const ascii = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, Math.min(to, bytes.length)));

const PNG_SIGNATURE = "\x89PNG\r\n\x1a\n";

interface Readable {
  readonly mediaType: ImageHeader["mediaType"];
  readonly matches: (bytes: Uint8Array) => boolean;
  readonly read: (bytes: Uint8Array) => ImageHeader;
}

const READABLE: readonly Readable[] = [
  { mediaType: "image/png", matches: (bytes) => ascii(bytes, 0, 8) === PNG_SIGNATURE, read: readPng },
  { mediaType: "image/jpeg", matches: (bytes) => ascii(bytes, 0, 3) === "\xff\xd8\xff", read: readJpeg },
  {
    mediaType: "image/webp",
    matches: (bytes) => ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 12) === "WEBP",
    read: readWebp,
  },
  { mediaType: "image/gif", matches: (bytes) => /^GIF8[79]a/.test(ascii(bytes, 0, 6)), read: readGif },
];

const REFUSED: readonly {
  readonly name: string;
  readonly matches: (start: string) => boolean;
  readonly why: string;
}[] = [
  { name: "svg", matches: (start) => /^(\xef\xbb\xbf)?\s*</.test(start), why: "SVG and HTML can fetch and run things" },
  { name: "bmp", matches: (start) => start.startsWith("BM"), why: "BMP is not sent to models" },
  { name: "tiff", matches: (start) => /^(II\*\0|MM\0\*)/.test(start), why: "TIFF is not sent to models" },
  { name: "heif", matches: (start) => start.slice(4, 8) === "ftyp", why: "HEIF, AVIF and MP4 are not sent to models" },
  { name: "pdf", matches: (start) => start.startsWith("%PDF"), why: "PDF is not an image" },
];

/** The media type that the first 12 bytes name, or `undefined` when they name none that is supported. */
export const sniffMediaType = (bytes: Uint8Array): ImageHeader["mediaType"] | undefined =>
  READABLE.find((format) => format.matches(bytes))?.mediaType;

/**
 * Format, size in pixels and number of frames of a whole encoded image, without decoding any pixel.
 *
 * @throws MediaError `unsupported-format`, `svg`, `bmp`, `tiff`, `heif`, `pdf`, `truncated`, `malformed`, `empty`
 */
export const readImageHeader = (bytes: Uint8Array): ImageHeader => {
  if (bytes.length === 0) throw new MediaError("empty", "image: expected PNG, JPEG, WebP or GIF, got 0 bytes");
  const format = READABLE.find((candidate) => candidate.matches(bytes));
  if (format !== undefined) return format.read(bytes);
  const start = ascii(bytes, 0, 64);
  const refused = REFUSED.find((candidate) => candidate.matches(start));
  if (refused) throw new MediaError(refused.name, `image: expected PNG, JPEG, WebP or GIF: ${refused.why}`);
  if (PNG_SIGNATURE.startsWith(start) || "\xff\xd8\xff".startsWith(start)) throw truncated("image");
  throw new MediaError("unsupported-format", "image: expected PNG, JPEG, WebP or GIF, got something else");
};
