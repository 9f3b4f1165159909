/**
 * A TensorFlow.js backend that computes nothing: its kernels record ONNX nodes. Because TensorFlow.js's own autodiff
 * calls the same kernels, gradients are recorded too.
 *
 * TensorFlow.js has one engine per process, so this file holds the one piece of global state: the trace under way.
 */
import {
  engine,
  KernelBackend,
  registerBackend,
  registerKernel,
  type BackendValues,
  type DataId,
  type DataType,
  type NamedTensorInfoMap,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { EngineError } from "../errors.ts";
import type { Data, DType, Value } from "../onnx/ir.ts";
import { refuseCaptured } from "./forbidden.ts";
import { lowerings } from "./kernels/index.ts";
import { traceable } from "./kernels/shape.ts";
import { ofKernel } from "./located.ts";
import type { Inputs, Lowering } from "./lower.ts";
import type { Recorder } from "./recorder.ts";

/** Name under which TensorFlow.js knows the tracing backend. */
export const TRACE_BACKEND = "r1-trace";

/** A trace under way. */
export interface Trace {
  readonly recorder: Recorder;
  readonly values: WeakMap<DataId, Value>;
}

const active: { trace: Trace | undefined } = { trace: undefined };

/** The trace under way, if any. */
export const currentTrace = (): Trace | undefined => active.trace;

/** Makes `trace` the one that kernels record into; gives back what was there before. */
export const swapTrace = (trace: Trace | undefined): Trace | undefined => {
  const before = active.trace;
  active.trace = trace;
  return before;
};

const traceNow = (): Trace => {
  if (active.trace === undefined) {
    throw new EngineError("the tracing backend is active outside of compile()", { reason: "runtime" });
  }
  return active.trace;
};

/** A traced tensor's place in TensorFlow.js's books. */
export const infoOf = (trace: Trace, value: Value): TensorInfo => {
  const dataId = {};
  trace.values.set(dataId, value);
  return { dataId, shape: [...value.shape], dtype: traceable(value.type as DataType, trace.recorder.label) };
};

const toData = (values: BackendValues, dtype: DType): Data => {
  if (dtype === "float32") return values instanceof Float32Array ? values.slice() : Float32Array.from(values as never);
  if (dtype === "int32") return values instanceof Int32Array ? values.slice() : Int32Array.from(values as never);
  return Uint8Array.from(values as never, (value: unknown) => (value === 0 || value === false ? 0 : 1));
};

interface Books {
  readonly state: {
    readonly tensorInfo: WeakMap<
      DataId,
      { backend: KernelBackend; shape: number[]; dtype: DataType; refCount?: number }
    >;
  };
}

/** A tensor made outside the trace becomes a constant; the tensor itself stays where it is. */
const captured = (trace: Trace, info: TensorInfo): Value => {
  refuseCaptured(info);
  const known = (engine() as unknown as Books).state.tensorInfo.get(info.dataId);
  if (known === undefined)
    throw new EngineError("a disposed tensor is used in a traced function", { reason: "disposed" });
  if (known.backend === backend) {
    throw new EngineError("a tensor of another trace is used: traced tensors must not leave their function", {
      reason: "disposed",
    });
  }
  const dtype = traceable(info.dtype, trace.recorder.label);
  const value = trace.recorder.constant(toData(known.backend.readSync(info.dataId), dtype), {
    type: dtype,
    shape: info.shape,
  });
  trace.values.set(info.dataId, value);
  return value;
};

/** The graph value behind a tensor. */
export const valueOf = (trace: Trace, info: TensorInfo): Value =>
  trace.values.get(info.dataId) ?? captured(trace, info);

const write = (values: BackendValues, shape: number[], dtype: DataType): DataId => {
  const trace = traceNow();
  const type = traceable(dtype, "tensor");
  const constant = trace.recorder.constant(toData(values, type), { type, shape });
  const large = constant.splat !== undefined && constant.shape.length > 0;
  return infoOf(trace, large ? trace.recorder.splat(constant.splat ?? 0, { type, shape }) : constant).dataId;
};

const read = (dataId: DataId): BackendValues => {
  const value = active.trace?.values.get(dataId);
  if (value?.data !== undefined) return value.data.slice() as BackendValues;
  throw new EngineError(
    "a tensor's value was read (data, dataSync, array, print) while it was being traced: " +
      "return it from the compiled function and read the result",
    { reason: "value-read" },
  );
};

const methods = {
  write,
  readSync: read,
  read: (dataId: DataId) => Promise.resolve().then(() => read(dataId)),
  disposeData: () => true, // values live as long as their trace
  refCount: () => 1,
  incRef: () => undefined,
  move: () => {
    throw new EngineError("a tensor of another backend cannot be moved into a trace", { reason: "runtime" });
  },
  memory: () => ({ unreliable: true }),
  numDataIds: () => 0,
  floatPrecision: () => 32 as const,
  epsilon: () => 1e-7, // tfjs's EPSILON_FLOAT32, so that eager and compiled agree
  dispose: () => undefined,
};

const backend: KernelBackend = Object.assign(new KernelBackend(), methods);

const inputsOf = (trace: Trace, map: NamedTensorInfoMap): Inputs => {
  const all = Object.values(map).filter((info) => info !== undefined && info !== null);
  const find = (name: string): Value => {
    const info = map[name];
    if (info === undefined) throw new EngineError(`input ${name} is missing`, { reason: "shape" });
    return valueOf(trace, info);
  };
  return Object.assign(find, { all: all.map((info) => valueOf(trace, info)) });
};

interface Call {
  readonly inputs: NamedTensorInfoMap;
  readonly attrs?: Record<string, unknown> | undefined;
}

/** No function of the user's runs in here: whatever is thrown is the kernel's. */
const lowered = (trace: Trace, { name, lower }: { name: string; lower: Lowering }, call: Call): Value | Value[] => {
  try {
    return lower(trace.recorder, inputsOf(trace, call.inputs), call.attrs ?? {});
  } catch (error) {
    throw ofKernel(error, name);
  }
};

const kernel = (name: string, lower: Lowering) => ({
  kernelName: name,
  backendName: TRACE_BACKEND,
  kernelFunc: (call: Call) => {
    const trace = traceNow();
    trace.recorder.label = name;
    const result = lowered(trace, { name, lower }, call);
    return Array.isArray(result) ? result.map((value) => infoOf(trace, value)) : infoOf(trace, result);
  },
});

const registered = { done: false };

/** Registers backend and kernels with TensorFlow.js, once. */
export const registerTraceBackend = (): void => {
  if (registered.done) return;
  registered.done = true;
  registerBackend(TRACE_BACKEND, () => backend, -1);
  for (const [name, lower] of Object.entries(lowerings)) registerKernel(kernel(name, lower) as never);
};
