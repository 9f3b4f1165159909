/** From encoded bytes to a `LoadedImage`: header, limits, hash, base64. Shared by every media loader. */
import { MediaError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import type { LoadedImage } from "../types.ts";
import { checkBase64Length, checkByteLength, checkHeader, type MediaLimits } from "./limits.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { readImageHeader, type ImageHeader } from "./header.ts";

/** Encoded bytes that were checked, with what their header says. */
export interface CheckedImage {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
}

/**
 * Checks encoded bytes against the limits, by their header alone.
 *
 * @throws MediaError
 */
export const checkImage = (bytes: Uint8Array, limits: MediaLimits): CheckedImage => {
  checkByteLength(bytes.length, limits);
  const header = readImageHeader(bytes);
  checkHeader(header, limits);
  return { bytes, header };
};

/** How bytes are hashed and encoded; Node brings faster ones. */
export interface MediaCodec {
  /** SHA-256, lower-case hex. */
  readonly sha256: (bytes: Uint8Array) => string;
  /** Padded base64 as ASCII bytes. */
  readonly base64: (bytes: Uint8Array) => Uint8Array;
}

const portable: MediaCodec = { sha256, base64: encodeBase64 };

/** Hashes and encodes an image that was checked. */
export const encodeImage = ({ bytes, header }: CheckedImage, codec: MediaCodec = portable): LoadedImage => ({
  mediaType: header.mediaType,
  width: header.width,
  height: header.height,
  base64: codec.base64(bytes),
  sha256: codec.sha256(bytes),
});

const MAX_DATA_URI_HEAD = 256;

/**
 * Bytes of a base64 data URI. Its declared media type is not believed: the bytes say what they are.
 *
 * @throws MediaError `bad-data-uri` | `bad-base64` | `too-many-bytes`
 */
export const bytesOfDataUri = (dataUri: string, limits: MediaLimits): Uint8Array => {
  const comma = dataUri.slice(0, MAX_DATA_URI_HEAD).indexOf(",");
  const head = comma < 0 ? "" : dataUri.slice(0, comma);
  if (!/^data:[^,]*;base64$/i.test(head)) {
    throw new MediaError("bad-data-uri", "image: expected a data URI that starts with data:<type>;base64,");
  }
  checkBase64Length(dataUri.length - comma - 1, limits);
  return decodeBase64(dataUri.slice(comma + 1));
};
