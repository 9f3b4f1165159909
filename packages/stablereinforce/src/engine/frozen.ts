/**
 * Weights that stay in their file: a graph that takes one names the file and the byte range (ONNX "external data"), and ONNX Runtime maps it.
 * Only what the graph reads is brought into memory, and what other processes have read already is shared with them.
 */
import { EngineError } from "./errors.ts";
import { bytesPerElement, elementsOf } from "../safetensors/dtype.ts";
import { toFloat32 } from "../safetensors/values.ts";
import type { SafetensorsDtype, SafetensorsTensor } from "../safetensors/types.ts";
import type { DType } from "./onnx/ir.ts";
import type { HostData, HostTensor } from "./tensor.ts";

/** What weights are frozen from: `openSafetensors`, `openWeights` and `openSharded` of `/node` give one. */
export interface FrozenSource {
  readonly entry: (name: string) => { readonly dtype: SafetensorsDtype; readonly shape: readonly number[] };
  readonly read: (name: string) => SafetensorsTensor | Promise<SafetensorsTensor>;
  /** Where the tensor's bytes lie; without it the weights are loaded into memory. */
  readonly locate?: ((name: string) => FileRange) | undefined;
}

/** Bytes of a file. */
export interface FileRange {
  readonly path: string;
  /** From the start of the file. */
  readonly offset: number;
  readonly length: number;
}

/** A tensor in a file, as a graph refers to it. */
export interface External extends FileRange {
  /** How the numbers are stored. */
  readonly type: "float32" | "float16" | "bfloat16";
  /** Differs when the file is another one, or has changed. */
  readonly stamp?: string | undefined;
}

const FROZEN = Symbol.for("r1reward.engine.frozen");

/** What the cell of a frozen tensor's handle holds. */
export interface Frozen {
  readonly [FROZEN]: External;
  /** Reads the numbers from the file. */
  readonly load: () => Promise<HostData>;
}

/** Where a handle's numbers lie, if they lie in a file. */
export const externalOf = (value: unknown): External | undefined =>
  typeof value === "object" && value !== null && FROZEN in value ? (value as Frozen)[FROZEN] : undefined;

/** The same tensor, its file known by its real path and by what tells whether it has changed. */
export const placedAt = (frozen: Frozen, place: (path: string) => Pick<External, "path" | "stamp">): Frozen => ({
  ...frozen,
  [FROZEN]: { ...frozen[FROZEN], ...place(frozen[FROZEN].path) },
});

const STORED: Partial<Record<SafetensorsDtype, External["type"]>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

const HELD: Partial<Record<SafetensorsDtype, DType>> = { I32: "int32", BOOL: "bool" };

/** A tensor's numbers in memory, 16 bits widened to float32. @throws EngineError `dtype` */
export const loadFrozen = async (source: FrozenSource, name: string): Promise<HostTensor> => {
  const tensor = await source.read(name);
  const held = HELD[tensor.dtype];
  if (held !== undefined) return { data: tensor.data as HostData, shape: tensor.shape, dtype: held };
  if (STORED[tensor.dtype] !== undefined) return { data: toFloat32(tensor), shape: tensor.shape, dtype: "float32" };
  const problem = `frozen ${name}: expected F32, F16, BF16, I32 or BOOL, got ${tensor.dtype}`;
  throw new EngineError(problem, { reason: "dtype" });
};

/** A reference to a tensor's place in its file; `undefined` when it must be loaded into memory. */
export const frozenIn = (source: FrozenSource, name: string): Frozen | undefined => {
  const { dtype, shape } = source.entry(name);
  const type = STORED[dtype];
  const place = source.locate?.(name);
  if (type === undefined || place === undefined) return undefined;
  const width = bytesPerElement(dtype);
  const bytes = (elementsOf(shape) ?? Number.NaN) * width;
  // Mapped numbers are read where they lie: at a multiple of their width, or some processors stop.
  if (place.length !== bytes || bytes === 0 || place.offset % width !== 0) return undefined;
  return { [FROZEN]: { ...place, type }, load: async () => (await loadFrozen(source, name)).data };
};
