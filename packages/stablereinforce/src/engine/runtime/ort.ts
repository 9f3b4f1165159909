/** ONNX Runtime behind one small interface: load a model, run it. The same for the native and the wasm package. */
import type { Env, InferenceSession, Tensor, TensorConstructor, InferenceSessionFactory } from "onnxruntime-common";
import { EngineError } from "../errors.ts";
import type { DType } from "../onnx/ir.ts";
import type { Precision } from "../onnx/precision.ts";
import type { HostData } from "../tensor.ts";

/** What `onnxruntime-node` and `onnxruntime-web` both export. */
export interface OrtModule {
  readonly InferenceSession: InferenceSessionFactory;
  readonly Tensor: TensorConstructor;
  readonly env: Env;
  readonly listSupportedBackends?: () => readonly { name: string; bundled: boolean }[];
}

/** ONNX Runtime, ready to load graphs. */
export interface OrtRuntime {
  readonly name: "onnx-node" | "onnx-web";
  readonly provider: Provider;
  readonly ort: OrtModule;
  readonly options: InferenceSession.SessionOptions;
  /** Type of matrix products. */
  readonly precision: Precision;
  /** Does the runtime write results into arrays that it is given? */
  readonly writesInPlace: boolean;
}

/** Execution providers by name. */
export type Provider = "cpu" | "cuda" | "webgpu" | "dml" | "coreml";

/** A tensor over an array; nothing is copied. */
export const ortTensor = (
  runtime: OrtRuntime,
  data: HostData,
  spec: { dtype: DType; shape: readonly number[] },
): Tensor => new runtime.ort.Tensor(spec.dtype as "float32", data as Float32Array, spec.shape);

const MEMORY =
  /bad.?alloc|failed to allocate|out of memory|allocation failed|memory access out of bounds|\bOOM\b|invalid typed array length|tensor shape is too large/i;

const gigabytes = (text: string): string => {
  const asked = /(?:buffer of size|typed array length:?) (\d+)/i.exec(text)?.[1];
  return asked === undefined ? "memory" : `${(Number(asked) / 2 ** 30).toFixed(1)} GiB`;
};

/** What takes memory in a step, most first. */
const LOWER =
  "lower the batch or the sequence length, wrap the model's blocks in checkpoint(), or shard the batch with accumulate()";

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).trim();

/** Does it say that memory ran out? */
export const isMemory = (cause: unknown): boolean => MEMORY.test(textOf(cause));

/** Memory ran out: how much was asked for, and what to lower. */
export const outOfMemory = (where: string, cause: unknown, op?: string): EngineError => {
  const text = textOf(cause);
  const problem = `${where}: ${gigabytes(text)} could not be allocated: ${LOWER} (${text})`;
  return new EngineError(problem, { reason: "out-of-memory", op }, { cause });
};

/** Where ONNX Runtime writes a node's name: `Kernel_12`, with a suffix when it was fused. */
const NAMES = [/[Nn]ame:?\s*'([A-Za-z0-9_]+?)_\d+[/']/, /\b[Nn]ode \(([A-Za-z0-9_]+?)_\d+[/)]/];

/** An ONNX Runtime error in our terms: the node's name says which op, because nodes are named after their kernels. */
export const runtimeError = (where: string, cause: unknown): EngineError => {
  const text = textOf(cause);
  const op = NAMES.map((name) => name.exec(text)?.[1]).find((found) => found !== undefined);
  if (isMemory(cause)) return outOfMemory(where, cause, op);
  return new EngineError(`${where}: ${text}`, { reason: "runtime", op }, { cause });
};

/** A model file in memory, and where the files lie that it refers to. */
export interface Model {
  readonly name: string;
  readonly model: Uint8Array;
  readonly folder?: string | undefined;
}

const optionsFor = ({ options }: OrtRuntime, folder: string | undefined): InferenceSession.SessionOptions => {
  if (folder === undefined) return options;
  const session = (options.extra?.["session"] ?? {}) as object;
  const files = { model_external_initializers_file_folder_path: folder };
  return { ...options, extra: { ...options.extra, session: { ...session, ...files } } };
};

/** Loads a model. */
export const loadModel = async (runtime: OrtRuntime, { name, model, folder }: Model): Promise<InferenceSession> => {
  try {
    return await runtime.ort.InferenceSession.create(model, optionsFor(runtime, folder));
  } catch (cause) {
    throw runtimeError(`loading graph ${name} on ${runtime.name}/${runtime.provider}`, cause);
  }
};
