/** Shapes of the safetensors format. Data only. */

/** Element types that are read and written. Anything else in a file is refused by name. */
export type SafetensorsDtype = "BOOL" | "U8" | "I8" | "I16" | "F16" | "BF16" | "I32" | "F32" | "F64" | "I64";

/** The array that holds a tensor's elements as they are in the file; F16 and BF16 stay raw 16-bit patterns. */
export interface SafetensorsArrays {
  readonly BOOL: Uint8Array;
  readonly U8: Uint8Array;
  readonly I8: Int8Array;
  readonly I16: Int16Array;
  readonly F16: Uint16Array;
  readonly BF16: Uint16Array;
  readonly I32: Int32Array;
  readonly F32: Float32Array;
  readonly F64: Float64Array;
  readonly I64: BigInt64Array;
}

/** Any of the arrays that can hold elements. */
export type SafetensorsArray = SafetensorsArrays[SafetensorsDtype];

/** One tensor of a header: where its bytes lie, relative to the start of the data part. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** First byte, relative to `dataStart`. */
  readonly begin: number;
  /** One past the last byte, relative to `dataStart`. */
  readonly end: number;
}

/** A checked header. `tensors` is in file order. */
export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /** Byte position in the file where the data part begins: 8 + the header's length. */
  readonly dataStart: number;
}

/** A tensor with its elements. */
export interface SafetensorsTensor<D extends SafetensorsDtype = SafetensorsDtype> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: SafetensorsArrays[D];
}

/** How strictly a file is read. */
export interface SafetensorsReadOptions {
  /** What errors call the file. Default `safetensors`. */
  readonly file?: string | undefined;
  /** Largest header accepted, in bytes. Default 16 MB; the header of a 7B model is about 0.1 MB. */
  readonly maxHeaderBytes?: number | undefined;
  /** Names must match it as well as the built-in rules (1 to 512 characters, no controls, not `__proto__`). */
  readonly names?: RegExp | undefined;
  /** Refuse tensors that hold NaN or an infinity. Default false: the format allows them. */
  readonly finite?: boolean | undefined;
}
