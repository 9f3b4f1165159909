/** Base64 (RFC 4648, section 4) between bytes and ASCII bytes, strict, in browsers and in Node. */
import { MediaError } from "../errors.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD = 61; // "="
const INVALID = 255;

const CODES = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));
const VALUES = new Uint8Array(256).fill(INVALID);
CODES.forEach((code, value) => (VALUES[code] = value));

/** Base64 of `bytes`, as ASCII bytes ready to be spliced into a request body. */
export const encodeBase64 = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  const whole = bytes.length - (bytes.length % 3);
  let to = 0;
  for (let from = 0; from < whole; from += 3) {
    const word = (bytes[from]! << 16) | (bytes[from + 1]! << 8) | bytes[from + 2]!;
    out[to++] = CODES[word >> 18]!;
    out[to++] = CODES[(word >> 12) & 63]!;
    out[to++] = CODES[(word >> 6) & 63]!;
    out[to++] = CODES[word & 63]!;
  }
  if (whole === bytes.length) return out;
  const word = (bytes[whole]! << 16) | ((bytes[whole + 1] ?? 0) << 8);
  out[to++] = CODES[word >> 18]!;
  out[to++] = CODES[(word >> 12) & 63]!;
  out[to++] = bytes.length - whole === 2 ? CODES[(word >> 6) & 63]! : PAD;
  out[to] = PAD;
  return out;
};

/** Bytes that `length` characters of padded base64 decode to, at most. */
export const decodedLength = (length: number): number => Math.floor(length / 4) * 3;

const sextet = (text: string, at: number): number => {
  const code = text.charCodeAt(at);
  const value = code < 256 ? VALUES[code]! : INVALID;
  if (value === INVALID) throw new MediaError("bad-base64", `base64: not a base64 character at offset ${at}`);
  return value;
};

/**
 * Bytes of padded base64 `text`. White space, missing padding and the URL alphabet are refused, so that two spellings
 * of one image cannot both pass.
 *
 * @throws MediaError `bad-base64`
 */
export const decodeBase64 = (text: string): Uint8Array => {
  if (text.length === 0 || text.length % 4 !== 0) {
    throw new MediaError("bad-base64", `base64: expected a positive multiple of 4 characters, got ${text.length}`);
  }
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const out = new Uint8Array(decodedLength(text.length) - padding);
  const end = padding === 0 ? text.length : text.length - 4;
  let to = 0;
  for (let at = 0; at < end; at += 4) {
    const word =
      (sextet(text, at) << 18) | (sextet(text, at + 1) << 12) | (sextet(text, at + 2) << 6) | sextet(text, at + 3);
    out[to++] = word >> 16;
    out[to++] = word >> 8;
    out[to++] = word;
  }
  if (padding > 0) {
    const word = (sextet(text, end) << 18) | (sextet(text, end + 1) << 12);
    const last = padding === 1 ? word | (sextet(text, end + 2) << 6) : word;
    if ((last & (padding === 1 ? 0xff : 0xffff)) !== 0) {
      throw new MediaError("bad-base64", "base64: the last character has bits that no byte uses");
    }
    out[to++] = last >> 16;
    if (padding === 1) out[to] = last >> 8;
  }
  return out;
};
