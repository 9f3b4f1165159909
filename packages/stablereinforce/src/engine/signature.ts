/** What decides which graph serves a call: structure, static values, shapes and dtypes. */
import { Tensor } from "@tensorflow/tfjs-core";
import { EngineError } from "./errors.ts";
import { externalOf } from "./frozen.ts";
import type { DType } from "./onnx/ir.ts";
import { arrayFor, cellOf, checkShape, isEngineTensor } from "./tensor.ts";
import type { LeafSpec } from "./trace/trace.ts";
import { flatten, pathOf, type Flat, type Leaf } from "./tree.ts";

/** A call's arguments, taken apart. */
export interface Call {
  readonly flat: Flat<Leaf>;
  readonly specs: readonly LeafSpec[];
  readonly key: string;
}

const dtypeOf = (leaf: Leaf, path: () => string): DType => {
  const dtype = leaf.dtype;
  if (dtype === "float32" || dtype === "int32" || dtype === "bool") return dtype;
  throw new EngineError(`${path()}: dtype ${dtype} cannot be compiled`, { reason: "dtype" });
};

const checkHost = (leaf: Leaf, path: () => string): void => {
  if (isEngineTensor(leaf) || leaf instanceof Tensor || !("data" in leaf)) return;
  const wanted = arrayFor(leaf.dtype, path);
  if (!(leaf.data instanceof wanted)) {
    const name = (leaf.data as object).constructor.name;
    const hint = name === "BigInt64Array" ? ": int64 is not used here, convert to int32" : "";
    const problem = `${path()}: expected ${wanted.name} for ${leaf.dtype}, got ${name}${hint}`;
    throw new EngineError(problem, { reason: "dtype" });
  }
  checkShape(leaf.shape, leaf.data.length, path);
};

const specKey = ({ dtype, shape, external }: LeafSpec): string => {
  const place = external === undefined ? "" : `@${external.type}:${external.offset}:${external.path}`;
  return `${dtype}[${shape.join(",")}]${place}`;
};

/** Takes arguments apart. @throws EngineError `tree`, `dtype`, `shape` naming the argument's path */
export const callOf = (args: readonly unknown[]): Call => {
  const flat = flatten<Leaf>([...args], "arguments");
  const specs = flat.leaves.map((leaf, i) => {
    const path = (): string => pathOf(flat, i);
    const dtype = dtypeOf(leaf, path);
    checkHost(leaf, path);
    const external = isEngineTensor(leaf) ? externalOf(cellOf(leaf).value) : undefined;
    return { shape: leaf.shape, dtype, ...(external === undefined ? {} : { external }) };
  });
  const key = `${JSON.stringify(flat.template)}|${specs.map(specKey).join(";")}`;
  return { flat, specs, key };
};
