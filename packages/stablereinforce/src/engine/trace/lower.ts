/** Small words that the kernels are written with. */
import { sameShape, type Value, type ValueType } from "../onnx/ir.ts";
import type { Recorder } from "./recorder.ts";

/** A kernel's inputs, by their TensorFlow.js names; kernels over a list (`Concat`, `Pack`, `AddN`) take them all. */
export interface Inputs {
  (name: string): Value;
  readonly all: readonly Value[];
}

/** A kernel's attributes, as TensorFlow.js passes them. */
export type Attrs = Readonly<Record<string, unknown>>;

/** One TensorFlow.js kernel → ONNX nodes. */
export type Lowering = (r: Recorder, inputs: Inputs, attrs: Attrs) => Value | Value[];

/** Kernel name → lowering. */
export type Lowerings = Readonly<Record<string, Lowering>>;

/** An int64 list, as ONNX wants shapes, axes and starts. */
export const int64s = (r: Recorder, values: readonly number[]): Value =>
  r.constant(BigInt64Array.from(values, BigInt), { type: "int64", shape: [values.length] });

/** A number, rank 0. */
export const scalar = (r: Recorder, value: number, type: ValueType = "float32"): Value =>
  r.splat(value, { type, shape: [] });

/** `x` in another dtype. */
export const cast = (r: Recorder, x: Value, type: ValueType): Value => {
  const CODE = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, bfloat16: 16 } as const;
  if (x.type === type) return x;
  if (x.splat !== undefined && type !== "float16" && type !== "bfloat16" && x.type !== "float64")
    return castSplat(r, x, type);
  return r.emit("Cast", [x], { type, shape: x.shape }, { to: { int: CODE[type] } });
};

const castSplat = (r: Recorder, x: Value, type: ValueType): Value => {
  const value = x.splat ?? 0;
  if (type === "bool") return r.splat(value === 0 ? 0 : 1, { type, shape: x.shape });
  const whole = type === "int32" || type === "int64";
  return r.splat(whole ? (Number.isFinite(value) ? Math.trunc(value) : 0) : value, { type, shape: x.shape });
};

/** `x` in another shape of the same size. */
export const reshape = (r: Recorder, x: Value, shape: readonly number[]): Value => {
  if (sameShape(x.shape, shape)) return x;
  if (x.splat !== undefined) return r.splat(x.splat, { type: x.type, shape });
  if (x.data !== undefined) return r.constant(x.data, { type: x.type, shape });
  return r.emit("Reshape", [x, int64s(r, shape)], { type: x.type, shape });
};

/** One-input node of the same dtype and shape. */
export const unary = (r: Recorder, op: string, x: Value): Value => r.emit(op, [x], { type: x.type, shape: x.shape });

/** Two-input node; the output's shape is given by the caller or is the first input's. */
export const pair = (r: Recorder, op: string, [a, b]: readonly [Value, Value], shape = a.shape): Value =>
  r.emit(op, [a, b], { type: a.type, shape });

/** `where(condition, a, b)`. */
export const where = (r: Recorder, condition: Value, [a, b]: readonly [Value, Value], shape = condition.shape): Value =>
  r.emit("Where", [condition, a, b], { type: a.type, shape });
