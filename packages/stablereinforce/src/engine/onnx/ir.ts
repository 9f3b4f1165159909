/** The graph between TensorFlow.js and ONNX: values, nodes, and nothing that runs. */

/** dtypes a user's tensor can have. */
export type DType = "float32" | "int32" | "bool";

/** dtypes a value inside the graph can have. */
export type ValueType = DType | "int64" | "float64" | "float16" | "bfloat16";

/** Arrays that hold a constant: `bool` and `float16` are bytes and bit patterns. */
export type Data = Float32Array | Int32Array | Uint8Array | BigInt64Array | Float64Array | Uint16Array;

/** Bytes of a file. */
export interface FileSpan {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** One edge of the graph. */
export interface Value {
  /** Unique in its graph. */
  readonly id: number;
  readonly type: ValueType;
  readonly shape: readonly number[];
  /** The value itself, when it is known while tracing. */
  readonly data?: Data | undefined;
  /** Where the value itself lies, when it stays in its file. */
  readonly external?: FileSpan | undefined;
  /** When all elements are one number that is known while tracing. */
  readonly splat?: number | undefined;
  /** The smaller value that this one repeats along axes of length 1: element-wise nodes broadcast it themselves. */
  readonly repeats?: Value | undefined;
}

/** An ONNX attribute. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string }
  | { readonly tensor: Value };

/** One ONNX node. */
export interface Node {
  readonly op: string;
  readonly inputs: readonly (Value | null)[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** The TensorFlow.js kernel it was lowered from; part of the node's name in runtime errors. */
  readonly label: string;
}

/** A traced function: inputs and outputs in the order of their leaves. */
export interface Graph {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly Node[];
}

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((total, n) => total * n, 1);

/** Are two shapes the same? */
export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** Bytes of one element. */
export const BYTES: Readonly<Record<ValueType, number>> = {
  float32: 4,
  int32: 4,
  bool: 1,
  int64: 8,
  float64: 8,
  float16: 2,
  bfloat16: 2,
};
