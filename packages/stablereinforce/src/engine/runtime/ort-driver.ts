/** ONNX Runtime as a driver: functions become graphs, tensors are arrays that graphs read and write in place. */
import { Tensor } from "@tensorflow/tfjs-core";
import type { Tensor as OrtTensor } from "onnxruntime-common";
import type { Driver, Executable } from "../driver.ts";
import { EngineError } from "../errors.ts";
import { externalOf, type Frozen } from "../frozen.ts";
import { fused } from "../onnx/fuse.ts";
import { sizeOf, type DType } from "../onnx/ir.ts";
import { withPrecision } from "../onnx/precision.ts";
import { scheduled } from "../onnx/schedule.ts";
import { hostTensor, type HostData, type HostTensor } from "../tensor.ts";
import { traceFunction } from "../trace/trace.ts";
import type { Leaf } from "../tree.ts";
import { checkUnchanged, frozenHere } from "./frozen-files.ts";
import { hold, isHeld, letGo } from "./held.ts";
import { ortTensor, type OrtRuntime } from "./ort.ts";
import { openSession, toProgram, type Port, type Program } from "./session.ts";
import type { Template } from "../tree.ts";

const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

const keyOf = (type: string, length: number): string => `${type}:${length}`;

/** The array of a tensor that lies in JavaScript's memory. */
const arrayOf = (tensor: OrtTensor): HostData | undefined =>
  tensor.location === "cpu" ? (tensor.data as HostData) : undefined;

/** Hands out recycled arrays of the right type and length, else new ones. What it hands out is held. */
const buffers = (recycled: unknown[]) => {
  const byKey = new Map<string, HostData[]>();
  for (const tensor of recycled as OrtTensor[]) {
    const array = arrayOf(tensor);
    if (array === undefined || isHeld(array)) continue;
    hold(array); // two handles over one array were both given up: it is there once
    const key = keyOf(tensor.type, tensor.size);
    byKey.set(key, [...(byKey.get(key) ?? []), array]);
  }
  recycled.length = 0;
  return (port: Port): HostData => {
    const length = sizeOf(port.shape);
    const known = byKey.get(keyOf(port.dtype, length))?.pop();
    if (known !== undefined) return known;
    const made = new ARRAYS[port.dtype](length);
    hold(made);
    return made;
  };
};

const toHost = (leaf: Exclude<Leaf, { readonly [key: symbol]: unknown }>): HostTensor =>
  leaf instanceof Tensor
    ? hostTensor(leaf.dataSync() as HostData, leaf.shape, leaf.dtype as DType)
    : (leaf as HostTensor);

const executable = async (
  runtime: OrtRuntime,
  program: Program,
  info: { nodes: number; result: Template },
): Promise<Executable> => {
  const session = await openSession(runtime, program);
  const run: Executable["run"] = async (inputs, recycled) => {
    const give = buffers(recycled);
    const given = new Set<HostData>();
    const outs = await session.run(inputs as OrtTensor[], (port) => {
      const array = give(port);
      given.add(array);
      return array;
    });
    return outs.map((value, i) => {
      const array = arrayOf(value);
      if (array !== undefined && !given.has(array)) hold(array); // the runtime's own
      return { value, spec: session.outputs[i] as Port };
    });
  };
  return { ...info, bytes: program.model.byteLength, program, run, dispose: session.dispose };
};

const read = async (value: unknown): Promise<HostData> => {
  if (externalOf(value) !== undefined) return (value as Frozen).load();
  const tensor = value as OrtTensor;
  const data = tensor.location === "cpu" ? tensor.data : await tensor.getData();
  return (data as HostData).slice();
};

const free = (value: unknown): void => {
  if (externalOf(value) !== undefined) return;
  const tensor = value as OrtTensor;
  const array = arrayOf(tensor);
  if (array === undefined) tensor.dispose();
  else letGo(array);
};

/** What is given out stays held: it is the caller's, and never written again. */
const takeOut = async (value: unknown): Promise<HostData> => {
  if (externalOf(value) !== undefined) return (value as Frozen).load();
  const tensor = value as OrtTensor;
  return (tensor.location === "cpu" ? tensor.data : await tensor.getData(true)) as HostData;
};

const put = (runtime: OrtRuntime, host: HostTensor): OrtTensor => {
  const tensor = ortTensor(runtime, host.data, host);
  hold(host.data);
  return tensor;
};

/** A driver over ONNX Runtime. */
export const ortDriver = (runtime: OrtRuntime): Driver => ({
  compiles: true,
  put: (host) => put(runtime, host),
  borrow: (leaf) => {
    const value = put(runtime, toHost(leaf as HostTensor));
    return { value, release: () => free(value) };
  },
  // On a GPU each graph would have a copy of its own there; a tensor that is given is one for all.
  freeze: runtime.name === "onnx-node" && runtime.provider === "cpu" ? frozenHere : undefined,
  get: read,
  take: takeOut,
  free,
  retire: (values) => {
    values.forEach(free);
    return values;
  },
  prepare: async (fn, call, name) => {
    checkUnchanged(call.specs, name);
    const { graph, result } = traceFunction(fn, call.specs, call.flat.template);
    if (graph.outputs.length === 0) throw new EngineError(`${name} returns no tensor`, { reason: "tree" });
    const chosen = scheduled(fused(withPrecision(graph, runtime.precision)));
    const program = toProgram(chosen, name);
    return executable(runtime, program, { nodes: chosen.nodes.length, result: result.template });
  },
  open: (program, result) => executable(runtime, program, { nodes: 0, result }),
});
