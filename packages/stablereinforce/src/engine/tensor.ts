/**
 * Tensors that stay where the runtime keeps them. A handle is shape, dtype and a cell; what is in the cell is the
 * runtime's business. Reading copies out; donating empties the cell.
 */
import { EngineError } from "./errors.ts";
import { sizeOf, type DType } from "./onnx/ir.ts";

/** Arrays of the three dtypes; `bool` is one byte per element. */
export type HostData = Float32Array | Int32Array | Uint8Array;

/** A tensor in JavaScript's memory. */
export interface HostTensor {
  readonly data: HostData;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

const CELL = Symbol.for("r1reward.engine.cell");

/** What a handle points to. Emptied, with the reason, when the tensor is disposed or donated. */
export interface Cell {
  /** The engine the tensor belongs to. */
  readonly owner: object;
  value: unknown;
  gone: string | undefined;
}

/** A tensor that an engine keeps: input and output of compiled functions. Read it with `engine.read`. */
export interface EngineTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly [CELL]: Cell;
}

/** A handle on what `owner` keeps. */
export const engineTensor = (owner: object, value: unknown, spec: Omit<HostTensor, "data">): EngineTensor => ({
  shape: spec.shape,
  dtype: spec.dtype,
  [CELL]: { owner, value, gone: undefined },
});

/** Is this a handle of some engine? */
export const isEngineTensor = (x: unknown): x is EngineTensor => typeof x === "object" && x !== null && CELL in x;

/** The handle's cell. */
export const cellOf = (x: EngineTensor): Cell => x[CELL];

/**
 * What the handle points to.
 * @throws EngineError `disposed` when it is gone or belongs to another engine.
 */
export const contents = (owner: object, x: EngineTensor): unknown => {
  const cell = x[CELL];
  if (cell.gone === undefined && cell.owner === owner) return cell.value;
  const problem = cell.gone === undefined ? "belongs to another engine" : `was ${cell.gone}`;
  throw new EngineError(`tensor ${x.dtype}[${x.shape.join(", ")}] ${problem}`, { reason: "disposed" });
};

/** Empties the handle and gives back what it pointed to. */
export const take = (owner: object, x: EngineTensor, why: string): unknown => {
  const value = contents(owner, x);
  x[CELL].value = undefined;
  x[CELL].gone = why;
  return value;
};

const WANTED = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

const defaultDtype = (data: unknown): DType =>
  data instanceof Int32Array ? "int32" : data instanceof Uint8Array || typeof data === "boolean" ? "bool" : "float32";

const dtypeProblem = (data: unknown, dtype: DType): string => {
  const name = (data as object).constructor.name;
  const hint = data instanceof BigInt64Array ? "; int64 is not used here: convert to Int32Array" : "";
  return `expected ${WANTED[dtype].name} for dtype ${dtype}, got ${name}${hint}`;
};

/** What `hostTensor` takes: numbers become float32 unless a dtype is given. */
export type Numbers = HostData | readonly number[] | readonly boolean[] | number | boolean;

/**
 * Checks and wraps data; typed arrays are not copied.
 * @throws EngineError `shape` when sizes differ, `dtype` when the array's type does not fit (BigInt64Array never does).
 */
export const hostTensor = (data: Numbers, shape?: readonly number[], dtype: DType = defaultDtype(data)): HostTensor => {
  const Wanted = WANTED[dtype];
  if (ArrayBuffer.isView(data) && !(data instanceof Wanted)) {
    throw new EngineError(dtypeProblem(data, dtype), { reason: "dtype" });
  }
  const single = typeof data === "number" || typeof data === "boolean";
  const values = single ? [Number(data)] : data;
  const array = values instanceof Wanted ? values : new Wanted(Array.from(values, Number));
  const dims = shape ?? (single ? [] : [array.length]);
  if (sizeOf(dims) !== array.length) {
    const problem = `shape [${dims.join(", ")}] holds ${sizeOf(dims)} elements, got ${array.length}`;
    throw new EngineError(problem, { reason: "shape" });
  }
  return { data: array, shape: dims, dtype };
};

/** Wraps whole numbers that are known to fill the shape: inputs made by our own loops. */
export const int32Tensor = (data: Int32Array, shape: readonly number[]): HostTensor => ({
  data,
  shape,
  dtype: "int32",
});
