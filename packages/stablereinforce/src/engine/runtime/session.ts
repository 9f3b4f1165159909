/**
 * One loaded graph: arrays in, arrays out.
 *
 * onnxruntime-node writes results into arrays that it is given, and then copies every one of them into a fresh array all
 * the same (1.30; 70 MB of weights and moments cost more than 60 ms a step in page faults alone). Its conversion goes
 * through the outputs in order and refuses anything that is no tensor. So large graphs have an empty sequence as first
 * output: everything has been computed and written in place, the copying ends before it starts, and that one refusal
 * means success. A version that learns to return sequences simply does not refuse.
 *
 * The output is put in when a graph is loaded, and only where the runtime writes in place: programs are the same for all of them.
 */
import type { InferenceSession, Tensor } from "onnxruntime-common";
import { EngineError } from "../errors.ts";
import { BYTES, sizeOf, type DType, type Graph } from "../onnx/ir.ts";
import { folderOf, inputName, outputName, SENTINEL, toModel } from "../onnx/model.ts";
import type { HostData } from "../tensor.ts";
import { loadModel, ortTensor, runtimeError, type OrtRuntime } from "./ort.ts";

/** Shape and dtype of an input or output. */
export interface Port {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** A graph loaded into ONNX Runtime. */
export interface GraphSession {
  readonly outputs: readonly Port[];
  /** Runs the graph. `buffer` gives an array for an output; the runtime may use another one. */
  readonly run: (feeds: readonly Tensor[], buffer: (port: Port) => HostData) => Promise<Tensor[]>;
  readonly dispose: () => Promise<void>;
}

/** A graph as it is saved: its model file and what it takes and gives. */
export interface Program {
  readonly name: string;
  readonly model: Uint8Array;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Folder of the files it reads weights from. Such a program is not saved. */
  readonly folder?: string | undefined;
}

const SENTINEL_FROM_BYTES = 2 ** 16;
const REFUSAL = /Non tensor type is temporarily not supported/;

const portsOf = (values: Graph["inputs"], what: string): Port[] =>
  values.map((value) => {
    if (value.type !== "float32" && value.type !== "int32" && value.type !== "bool") {
      throw new EngineError(`${what} of dtype ${value.type}`, { reason: "dtype" });
    }
    return { shape: value.shape, dtype: value.type };
  });

/** Graph → what can be loaded or saved. */
export const toProgram = (graph: Graph, name: string): Program => ({
  name,
  model: toModel(graph, { name }),
  inputs: portsOf(graph.inputs, "an input"),
  outputs: portsOf(graph.outputs, "an output"),
  folder: folderOf(graph),
});

/** Are the outputs worth a sentinel? */
const wantsSentinel = ({ writesInPlace }: OrtRuntime, { outputs }: Program): boolean =>
  writesInPlace &&
  outputs.reduce((sum, port) => sum + sizeOf(port.shape) * BYTES[port.dtype], 0) >= SENTINEL_FROM_BYTES;

/** Protocol buffers that stand one after another are merged, lists in their order: a model with nothing but the sentinel comes first. */
const withSentinel = (model: Uint8Array, name: string): Uint8Array => {
  const first = toModel({ inputs: [], outputs: [], nodes: [] }, { name, sentinel: true });
  const both = new Uint8Array(first.byteLength + model.byteLength);
  both.set(first);
  both.set(model, first.byteLength);
  return both;
};

const runInPlace = async (
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  outs: readonly Tensor[],
): Promise<void> => {
  const fetches = { [SENTINEL]: null, ...Object.fromEntries(outs.map((out, i) => [outputName(i), out])) };
  try {
    await session.run(feeds, fetches);
  } catch (error) {
    if (!(error instanceof Error && REFUSAL.test(error.message))) throw error;
  }
};

/** Loads a program. */
export const openSession = async (runtime: OrtRuntime, program: Program): Promise<GraphSession> => {
  const { name, model, folder } = program;
  const sentinel = wantsSentinel(runtime, program);
  const session = await loadModel(runtime, { name, folder, model: sentinel ? withSentinel(model, name) : model });
  // ORT drops inputs that nothing uses, and refuses them as feeds
  const known = new Set(session.inputNames);
  const wanted = program.inputs.flatMap((_, i) => (known.has(inputName(i)) ? [[inputName(i), i] as const] : []));
  const run: GraphSession["run"] = async (feeds, buffer) => {
    const named: Record<string, Tensor> = {};
    for (const [input, i] of wanted) named[input] = feeds[i] as Tensor;
    try {
      if (sentinel) {
        const outs = program.outputs.map((port) => ortTensor(runtime, buffer(port), port));
        await runInPlace(session, named, outs);
        return outs;
      }
      const results = await session.run(named);
      return program.outputs.map((_, i) => results[outputName(i)] as Tensor);
    } catch (cause) {
      throw runtimeError(`running graph ${name}`, cause);
    }
  };
  return { outputs: program.outputs, run, dispose: () => session.release() };
};
