/** Runs a function under the tracing backend and gives back what it recorded. */
import { engine, setBackend, Tensor, tidy } from "@tensorflow/tfjs-core";
import { callSite, EngineError } from "../errors.ts";
import { registerGradients } from "../gradients/register.ts";
import type { DType, Graph, Value } from "../onnx/ir.ts";
import type { External } from "../frozen.ts";
import { flatten, pathOf, rebuild, type Flat, type Template } from "../tree.ts";
import { infoOf, registerTraceBackend, swapTrace, TRACE_BACKEND, valueOf, type Trace } from "./backend.ts";
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
  const [random, frames] = [Math.random, Error.stackTraceLimit];
  try {
    Error.stackTraceLimit = 50; // the caller's line lies below TensorFlow.js's and ours
    void setBackend(TRACE_BACKEND); // completes at once: the backend's factory is synchronous
    Math.random = refuseRandom;
    return work();
  } finally {
    Math.random = random;
    Error.stackTraceLimit = frames;
    swapTrace(before);
    if (name === undefined) Object.assign(state, { backendName: name, backendInstance: instance });
    else void setBackend(name);
  }
};

const refuseRandom = (): never => {
  throw new EngineError(
    "random numbers were drawn while tracing and would be the same on every call: pass them in as an argument",
    { reason: "random" },
  );
};

const UNKNOWN_KERNEL = /[Kk]ernel '([^']+)' not registered|registered kernel '([^']+)'|kernel function for '([^']+)'/;

/**
 * Thrown by TensorFlow.js? Its files say so, or, where a bundler has put everything into one, its functions: it calls them
 * `matMul__op` and so on by a property that minifiers leave alone. A user's function never runs inside of one.
 */
const fromTensorFlow = (error: Error): boolean => {
  if (/\bat (?:Object\.)?\w+__op\b/.test(error.stack ?? "")) return true;
  const frame = (error.stack ?? "").split("\n").find((line) => /^\s+at /.test(line)) ?? "";
  return /tfjs-core|tf-core|@tensorflow/.test(frame);
};

/** The same error with the op and the line of user code that led to it. */
const located = (error: unknown, trace: Trace): unknown => {
  if (!(error instanceof Error)) return error;
  const site = callSite(error.stack);
  if (error instanceof EngineError) {
    if (error.site !== undefined) return error;
    return new EngineError(error.problem, { reason: error.reason, op: error.op, site }, { cause: error });
  }
  const kernel = UNKNOWN_KERNEL.exec(error.message);
  if (kernel !== null) {
    const op = kernel[1] ?? kernel[2] ?? kernel[3];
    const problem = "has no lowering to ONNX: write it with supported ops, or use an eager runtime";
    return new EngineError(problem, { reason: "no-kernel", op, site }, { cause: error });
  }
  const ours = /[\\/]engine[\\/](trace|gradients)[\\/]/.test((error.stack ?? "").split("\n")[1] ?? "");
  if (!fromTensorFlow(error) && !ours) return error;
  const reason = /dtype|type/.test(error.message) && !/shape/.test(error.message) ? "dtype" : "shape";
  return new EngineError(
    error.message,
    { reason, op: ours ? trace.recorder.label : undefined, site },
    { cause: error },
  );
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
      throw located(error, trace);
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
