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

const refused = (problem: string): EngineError => new EngineError(problem, { reason: "dtype" });

/** A value as errors show it. */
const shown = (x: unknown): string => {
  if (typeof x === "string") return JSON.stringify(x);
  if (typeof x === "bigint") return `the bigint ${x}n`;
  if (Array.isArray(x)) return "an array";
  return typeof x === "object" && x !== null ? `a ${x.constructor?.name ?? "bare object"}` : String(x);
};

/** The array that holds a dtype. @throws EngineError `dtype` when there is no such dtype, naming `where` */
export const arrayFor = (dtype: unknown, where: () => string): (typeof WANTED)[DType] => {
  if (typeof dtype === "string" && Object.hasOwn(WANTED, dtype)) return WANTED[dtype as DType];
  throw refused(`${where()}: expected dtype ${Object.keys(WANTED).join(", ")}, got ${shown(dtype)}`);
};

/** @throws EngineError `shape` when these are no sizes, or they do not hold that many elements, naming `where` */
export const checkShape = (shape: readonly number[], elements: number, where: () => string): void => {
  if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    const got = Array.isArray(shape) ? `[${shape.map(shown).join(", ")}]` : shown(shape);
    throw new EngineError(`${where()}: expected a shape of whole numbers from 0, got ${got}`, { reason: "shape" });
  }
  if (sizeOf(shape) === elements) return;
  const problem = `${where()}: shape [${shape.join(", ")}] holds ${sizeOf(shape)} elements, got ${elements}`;
  throw new EngineError(problem, { reason: "shape" });
};

const HOLDS: Readonly<Record<DType, { readonly what: string; readonly fits: (x: number) => boolean }>> = {
  float32: { what: "a number", fits: () => true },
  int32: { what: "a whole number from -2147483648 to 2147483647", fits: (x) => x === (x | 0) },
  bool: { what: "true, false, 0 or 1", fits: (x) => x === 0 || x === 1 },
};

/** One number of a list, as it is held. */
const element = (x: unknown, dtype: DType, index?: number): number => {
  const { what, fits } = HOLDS[dtype];
  if ((typeof x === "number" || typeof x === "boolean") && fits(Number(x))) return Number(x);
  const place = index === undefined ? "" : ` at element ${index}`;
  const hint = Array.isArray(x) ? ": flatten nested arrays and give a shape" : "";
  throw refused(`tensor: expected ${what}${place} for dtype ${dtype}, got ${shown(x)}${hint}`);
};

const checkBools = (bytes: Uint8Array): void => {
  const at = bytes.findIndex((x) => x > 1);
  if (at < 0) return;
  const hint = "Uint8Array holds bools; for numbers convert to Float32Array or Int32Array";
  throw refused(`tensor: expected 0 or 1 at element ${at} for dtype bool, got ${bytes[at]}: ${hint}`);
};

const here = (): string => "tensor";

/** The elements as an array of that dtype; typed arrays are handed on as they are. */
const elementsOf = (data: unknown, dtype: DType): HostData => {
  const Wanted = arrayFor(dtype, here);
  if (data instanceof Wanted) {
    if (data instanceof Uint8Array) checkBools(data);
    return data;
  }
  if (typeof data === "number" || typeof data === "boolean") return Wanted.of(element(data, dtype));
  if (Array.isArray(data)) return Wanted.from(Array.from(data, (x, i) => element(x, dtype, i)));
  const hint = data instanceof BigInt64Array ? "; int64 is not used here: convert to Int32Array" : "";
  throw refused(`tensor: expected ${Wanted.name}, a list or a number for dtype ${dtype}, got ${shown(data)}${hint}`);
};

/** What `hostTensor` takes: numbers become float32 unless a dtype is given. */
export type Numbers = HostData | readonly number[] | readonly boolean[] | number | boolean;

/**
 * Checks and wraps data; typed arrays are not copied.
 * @throws EngineError `shape` when sizes are no sizes or differ; `dtype` when the array's type does not fit (BigInt64Array never does), or a
 *   number: int32 takes whole numbers in its range, bool 0 and 1.
 */
export const hostTensor = (data: Numbers, shape?: readonly number[], dtype: DType = defaultDtype(data)): HostTensor => {
  const array = elementsOf(data, dtype);
  const single = typeof data === "number" || typeof data === "boolean";
  const dims = shape === undefined ? (single ? [] : [array.length]) : shape;
  checkShape(dims, array.length, here);
  return { data: array, shape: dims, dtype };
};

/** Wraps whole numbers that are known to fill the shape: inputs made by our own loops. */
export const int32Tensor = (data: Int32Array, shape: readonly number[]): HostTensor => ({
  data,
  shape,
  dtype: "int32",
});
