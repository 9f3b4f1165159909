/** Element types: their width, their array, and their order in a written file. */
import type { SafetensorsArray, SafetensorsDtype } from "./types.ts";

interface DtypeFacts {
  /** Bytes of one element. */
  readonly bytes: number;
  readonly array: new (buffer: ArrayBuffer, byteOffset: number, length: number) => SafetensorsArray;
}

/** Facts of each dtype, in the order the reference implementation ranks them (it writes the last ones first). */
const FACTS: ReadonlyMap<string, DtypeFacts> = new Map<SafetensorsDtype, DtypeFacts>([
  ["BOOL", { bytes: 1, array: Uint8Array }],
  ["U8", { bytes: 1, array: Uint8Array }],
  ["I8", { bytes: 1, array: Int8Array }],
  ["I16", { bytes: 2, array: Int16Array }],
  ["F16", { bytes: 2, array: Uint16Array }],
  ["BF16", { bytes: 2, array: Uint16Array }],
  ["I32", { bytes: 4, array: Int32Array }],
  ["F32", { bytes: 4, array: Float32Array }],
  ["F64", { bytes: 8, array: Float64Array }],
  ["I64", { bytes: 8, array: BigInt64Array }],
]);

const factsOf = (dtype: SafetensorsDtype): DtypeFacts => FACTS.get(dtype) as DtypeFacts;

/** The dtypes that are read and written, lowest rank first. */
export const SAFETENSORS_DTYPES: readonly SafetensorsDtype[] = [...FACTS.keys()] as SafetensorsDtype[];

/** Is this one of the dtypes that are read? */
export const isSafetensorsDtype = (name: unknown): name is SafetensorsDtype =>
  typeof name === "string" && FACTS.has(name);

/** Bytes of one element. */
export const bytesPerElement = (dtype: SafetensorsDtype): number => factsOf(dtype).bytes;

/** The array that holds a dtype's elements. */
export const arrayOf = (dtype: SafetensorsDtype): DtypeFacts["array"] => factsOf(dtype).array;

/** Elements of a shape, or `null` when the product is no safe integer. An empty shape is a scalar: 1. */
export const elementsOf = (shape: readonly number[]): number | null => {
  let product = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) return null;
    product *= dim;
    if (!Number.isSafeInteger(product)) return null;
  }
  return product;
};

/** Bytes of a tensor, or `null` when that is no safe integer. */
export const bytesOf = (dtype: SafetensorsDtype, shape: readonly number[]): number | null => {
  const elements = elementsOf(shape);
  const bytes = elements === null ? null : elements * bytesPerElement(dtype);
  return bytes !== null && Number.isSafeInteger(bytes) ? bytes : null;
};

/**
 * The elements behind `bytes`, which must be a whole number of them. No copy is made when the bytes begin at a
 * multiple of the element's width in their buffer (files of the reference writer do); otherwise they are copied.
 */
export const viewAs = (dtype: SafetensorsDtype, bytes: Uint8Array): SafetensorsArray => {
  const { bytes: width, array: TypedArray } = factsOf(dtype);
  const length = bytes.byteLength / width;
  const plain = bytes.buffer instanceof ArrayBuffer && bytes.byteOffset % width === 0;
  const from = plain ? bytes : new Uint8Array(bytes);
  return new TypedArray(from.buffer as ArrayBuffer, from.byteOffset, length);
};

/** The raw little-endian bytes of an array, without a copy. */
export const bytesOfArray = (array: SafetensorsArray): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
