/**
 * Protocol-buffer wire format, writing only: what ModelProto needs and no more.
 * Messages are ropes (lists of byte pieces), so that a weight is copied once, when the file is joined.
 *
 * https://protobuf.dev/programming-guides/encoding/
 */

/** Encoded bytes in pieces, with their total length. */
export interface Rope {
  readonly size: number;
  readonly parts: readonly Uint8Array[];
}

const VARINT = 0;
const FIXED32 = 5;
const LENGTH = 2;
const utf8 = new TextEncoder();

const varint = (value: number | bigint): number[] => {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value)); // a negative int64 takes ten bytes
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return out;
};

const small = (value: number): number[] => {
  if (value < 0 || !Number.isSafeInteger(value)) return varint(BigInt(value));
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return out;
};

const tag = (field: number, wire: number): number[] => small(field * 8 + wire);
const rope = (bytes: number[]): Rope => ({ size: bytes.length, parts: [Uint8Array.from(bytes)] });

/** Ropes one after another. */
export const sequence = (ropes: readonly Rope[]): Rope => ({
  size: ropes.reduce((total, one) => total + one.size, 0),
  parts: ropes.flatMap((one) => one.parts),
});

/** An int64, int32 or enum field. */
export const int = (field: number, value: number): Rope => rope([...tag(field, VARINT), ...small(value)]);

/** A float field. */
export const float = (field: number, value: number): Rope => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return rope([...tag(field, FIXED32), ...bytes]);
};

/** A bytes field; the bytes are not copied. */
export const bytes = (field: number, value: Uint8Array): Rope => {
  const head = Uint8Array.from([...tag(field, LENGTH), ...small(value.byteLength)]);
  return { size: head.length + value.byteLength, parts: [head, value] };
};

/** A string field. */
export const text = (field: number, value: string): Rope => bytes(field, utf8.encode(value));

/** A nested message. */
export const message = (field: number, fields: readonly Rope[]): Rope => {
  const body = sequence(fields);
  const head = Uint8Array.from([...tag(field, LENGTH), ...small(body.size)]);
  return { size: head.length + body.size, parts: [head, ...body.parts] };
};

/** One array of the rope's bytes. */
export const join = (whole: Rope): Uint8Array => {
  const out = new Uint8Array(whole.size);
  let at = 0;
  for (const part of whole.parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
};
