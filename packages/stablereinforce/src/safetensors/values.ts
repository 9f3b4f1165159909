/** From stored elements to float32 and back, and the search for values that are not finite. */
import { CheckpointError } from "../errors.ts";
import { bf16ToFloat32, f16ToFloat32, float32ToBf16, float32ToF16 } from "./half.ts";
import type { SafetensorsArrays, SafetensorsDtype, SafetensorsTensor } from "./types.ts";

/**
 * A tensor's elements as float32. F32 is returned as it is, without a copy; F64 and integers round to nearest.
 *
 * @returns `[...shape]` in row-major order.
 */
export const toFloat32 = (tensor: SafetensorsTensor): Float32Array => {
  const { dtype, data } = tensor;
  if (dtype === "F32") return data as Float32Array;
  if (dtype === "BF16") return bf16ToFloat32(data as Uint16Array);
  if (dtype === "F16") return f16ToFloat32(data as Uint16Array);
  if (dtype === "I64") return Float32Array.from(data as BigInt64Array, Number);
  return Float32Array.from(data as Exclude<typeof data, BigInt64Array>);
};

/** Dtypes that float32 values can be stored as. */
export type FloatDtype = "F32" | "F16" | "BF16" | "F64";

const STORE: { readonly [D in FloatDtype]: (values: Float32Array) => SafetensorsArrays[D] } = {
  F32: (values) => values,
  F16: float32ToF16,
  BF16: float32ToBf16,
  F64: (values) => Float64Array.from(values),
};

/** A tensor that stores float32 values as `dtype`, rounded to nearest even. F32 shares the given array. */
export const fromFloat32 = <D extends FloatDtype>(
  dtype: D,
  shape: readonly number[],
  values: Float32Array,
): SafetensorsTensor<D> => ({ dtype, shape, data: STORE[dtype](values) });

/** Is the element at a raw pattern NaN or infinite? An exponent of all ones says so. */
const nonFinite: { readonly [D in SafetensorsDtype]?: (data: ArrayLike<number>, i: number) => boolean } = {
  F16: (data, i) => ((data[i] as number) & 0x7c00) === 0x7c00,
  BF16: (data, i) => ((data[i] as number) & 0x7f80) === 0x7f80,
  F32: (data, i) => !Number.isFinite(data[i]),
  F64: (data, i) => !Number.isFinite(data[i]),
};

/** What clears the signs of a 32-bit word, which holds one element or two, and what adds one to their exponents. */
const CARRY: { readonly [D in SafetensorsDtype]?: readonly [unsigned: number, one: number] } = {
  F32: [0x7fffffff, 0x00800000],
  BF16: [0x7fff7fff, 0x00800080],
  F16: [0x7fff7fff, 0x04000400],
};

/**
 * Is everything finite, found out quickly? `false` may also mean that there is no quick way. One more on an exponent of all ones, and
 * on no other, carries into the place of the sign.
 */
const quicklyFinite = ({ dtype, data }: SafetensorsTensor): boolean => {
  const [unsigned, one] = CARRY[dtype] ?? [0, 0];
  if (one === 0 || data.byteOffset % 4 !== 0 || data.byteLength % 4 !== 0) return false;
  const words = new Int32Array(data.buffer, data.byteOffset, data.byteLength / 4);
  let carried = 0;
  for (let i = 0; i < words.length; i++) carried |= ((words[i] as number) & unsigned) + one;
  return (carried & ~unsigned) === 0;
};

/** The index of the first NaN or infinity, or `null` when there is none. Integers have none. */
export const firstNonFinite = (tensor: SafetensorsTensor): number | null => {
  const bad = nonFinite[tensor.dtype];
  if (bad === undefined || quicklyFinite(tensor)) return null;
  const data = tensor.data as Exclude<typeof tensor.data, BigInt64Array>;
  for (let i = 0; i < data.length; i++) if (bad(data, i)) return i;
  return null;
};

/**
 * Throws `CheckpointError` (`not-finite`) when the tensor holds a NaN or an infinity.
 *
 * @param before How many elements of the whole tensor come before these; 0 by default.
 */
export const assertFinite = (file: string, name: string, tensor: SafetensorsTensor, before = 0): void => {
  const at = firstNonFinite(tensor);
  if (at === null) return;
  throw new CheckpointError(
    { file, problem: "not-finite", tensor: name },
    `expected finite values, got NaN or an infinity at element ${before + at}`,
  );
};
