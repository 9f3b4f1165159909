/** TensorFlow.js run eagerly as a driver: compiling is calling, under `tidy`. */
import { engine, keep, setBackend, tensor as makeTensor, Tensor, tidy } from "@tensorflow/tfjs-core";
import type { Driver, Executable, Made } from "../driver.ts";
import { EngineError } from "../errors.ts";
import { registerGradients } from "../gradients/register.ts";
import type { DType } from "../onnx/ir.ts";
import type { HostData, HostTensor } from "../tensor.ts";
import { flatten, rebuild, type Template } from "../tree.ts";
import type { Call } from "../signature.ts";
import { eagerError } from "./eager-errors.ts";

type Fn = (...args: never[]) => unknown;

/** Calls `fn` and keeps its result. Outputs that are inputs are cloned: a handle owns what it holds. */
const callEagerly = (fn: Fn, call: Call, inputs: readonly Tensor[]): { outs: Tensor[]; template: Template } => {
  const kept: { outs: Tensor[]; template: Template } = { outs: [], template: { list: [] } };
  tidy(() => {
    const returned = fn(...(rebuild(call.flat.template, inputs) as never[]));
    if (returned instanceof Promise) {
      returned.catch(() => undefined);
      throw new EngineError("a compiled function must be synchronous, got a promise", { reason: "async" });
    }
    const flat = flatten<Tensor>(returned, "result");
    const seen = new Set(inputs);
    kept.template = flat.template;
    kept.outs = flat.leaves.map((leaf) => {
      if (!(leaf instanceof Tensor)) throw new EngineError("a compiled function returns tensors", { reason: "tree" });
      const owned = seen.has(leaf) ? leaf.clone() : leaf;
      seen.add(leaf);
      return keep(owned);
    });
  });
  return kept;
};

const onBackend = (backend: string): void => {
  if (engine().backendName !== backend) void setBackend(backend);
};

const upload = (backend: string, host: HostTensor): Tensor => {
  onBackend(backend);
  try {
    return keep(makeTensor(host.data, [...host.shape], host.dtype));
  } catch (error) {
    throw eagerError(`a tensor of [${host.shape.join(", ")}]`, backend, error);
  }
};

/** Other tensors may share the memory. */
const copyOf = async (tensor: Tensor): Promise<HostData> => (await tensor.data()).slice() as HostData;

const eagerly = (
  backend: string,
  { fn, call, name }: { readonly fn: Fn; readonly call: Call; readonly name: string },
): Executable => {
  registerGradients();
  const box = { result: { list: [] } as Template };
  const run = (inputs: readonly unknown[]): readonly Made[] => {
    onBackend(backend);
    const frames = Error.stackTraceLimit;
    try {
      Error.stackTraceLimit = 50; // the operation and the caller's line lie below TensorFlow.js's frames
      const { outs, template } = callEagerly(fn, call, inputs as Tensor[]);
      box.result = template;
      return outs.map((value) => ({ value, spec: { shape: value.shape, dtype: value.dtype as DType } }));
    } catch (error) {
      throw eagerError(`running ${name} on ${backend}`, backend, error);
    } finally {
      Error.stackTraceLimit = frames;
    }
  };
  return {
    nodes: 0,
    bytes: 0,
    get result() {
      return box.result;
    },
    program: undefined,
    run: (inputs) => new Promise((resolve) => resolve(run(inputs))),
    dispose: () => Promise.resolve(),
  };
};

/** A driver over the TensorFlow.js backend of that name, which is registered and initialised already. */
export const eagerDriver = (backend: string): Driver => ({
  compiles: false,
  put: (host) => upload(backend, host),
  borrow: (leaf) => {
    if (leaf instanceof Tensor) return { value: leaf, release: () => undefined };
    const made = upload(backend, leaf as HostTensor);
    return { value: made, release: () => made.dispose() };
  },
  get: (value) => copyOf(value as Tensor),
  take: (value) => copyOf(value as Tensor).finally(() => (value as Tensor).dispose()),
  free: (value) => (value as Tensor).dispose(),
  retire: (values) => {
    for (const value of values) (value as Tensor).dispose();
    return [];
  },
  prepare: (fn, call, name) => Promise.resolve(eagerly(backend, { fn, call, name })),
  open: () => {
    const problem = "saved graphs run on onnx-node and onnx-web only";
    return Promise.reject(new EngineError(problem, { reason: "bad-graph" }));
  },
});
