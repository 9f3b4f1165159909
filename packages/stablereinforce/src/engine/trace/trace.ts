/** Runs a function under the tracing backend and gives back what it recorded. */
import { engine, setBackend, Tensor, tidy } from "@tensorflow/tfjs-core";
import { EngineError } from "../errors.ts";
import { registerGradients } from "../gradients/register.ts";
import type { DType, Graph, Value } from "../onnx/ir.ts";
import type { External } from "../frozen.ts";
import { flatten, pathOf, rebuild, type Flat, type Template } from "../tree.ts";
import { infoOf, registerTraceBackend, swapTrace, TRACE_BACKEND, valueOf, type Trace } from "./backend.ts";
import { withoutState } from "./forbidden.ts";
import { located } from "./located.ts";
import { cast } from "./lower.ts";
import { recorder, type Recorder } from "./recorder.ts";

/** Shape and dtype of an argument's leaf. */
export interface LeafSpec {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Where the numbers lie, when the graph reads them from a file instead of taking them as an input. */
  readonly external?: External | undefined;
}

/** A traced function. */
export interface Traced {
  readonly graph: Graph;
  /** The result's structure. */
  readonly result: Flat<Tensor>;
}

interface EngineState {
  backendName: string | undefined;
  backendInstance: unknown;
}

const withTraceBackend = <T>(trace: Trace, work: () => T): T => {
  const state = engine() as unknown as EngineState;
  const [name, instance] = [state.backendName, state.backendInstance];
  const before = swapTrace(trace);
  const frames = Error.stackTraceLimit;
  try {
    Error.stackTraceLimit = 50; // the caller's line lies below TensorFlow.js's and ours
    void setBackend(TRACE_BACKEND); // completes at once: the backend's factory is synchronous
    return withoutState(work);
  } finally {
    Error.stackTraceLimit = frames;
    swapTrace(before);
    if (name === undefined) Object.assign(state, { backendName: name, backendInstance: instance });
    else void setBackend(name);
  }
};

/**
 * Records `fn` called with tensors of the given shapes.
 * @throws EngineError `no-kernel`, `value-read`, `shape`, `dtype`, `random` or `async`, with op and call site.
 */
export const traceFunction = (
  fn: (...args: never[]) => unknown,
  specs: readonly LeafSpec[],
  args: Template,
): Traced => {
  registerTraceBackend();
  registerGradients();
  const trace: Trace = { recorder: recorder(), values: new WeakMap() };
  const given = specs.map((spec) => leafOf(trace.recorder, spec));
  const inputs = given.filter((_, i) => specs[i]?.external === undefined);
  const record = (): Traced => {
    const leaves = given.map((value) => engine().makeTensorFromTensorInfo(infoOf(trace, value)));
    const returned = fn(...(rebuild(args, leaves) as never[]));
    if (returned instanceof Promise) {
      returned.catch(() => undefined);
      throw new EngineError("a compiled function must be synchronous, got a promise", { reason: "async" });
    }
    const result = flatten<Tensor>(returned, "result");
    const outputs = result.leaves.map((leaf, i) => outputOf(trace, leaf, () => pathOf(result, i)));
    return { graph: trace.recorder.finish(inputs, outputs), result };
  };
  return withTraceBackend(trace, () => {
    const kept: { traced?: Traced } = {};
    try {
      tidy(() => void (kept.traced = record()));
    } catch (error) {
      throw located(error);
    }
    return kept.traced as Traced;
  });
};

/** An input of the graph, or a value in a file; 16 bits are widened where they are read. */
const leafOf = (r: Recorder, { shape, dtype, external }: LeafSpec): Value => {
  if (external === undefined) return r.input({ type: dtype, shape });
  return cast(r, r.external({ type: external.type, shape }, external), "float32");
};

const outputOf = (trace: Trace, leaf: unknown, path: () => string): Value => {
  if (leaf instanceof Tensor) return valueOf(trace, leaf);
  throw new EngineError(`${path()}: a compiled function returns tensors, got an engine tensor`, { reason: "tree" });
};
