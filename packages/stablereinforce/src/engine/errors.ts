/** The engine's errors: one class, a reason to match on, and the op, call site or file that is to blame. */
import { isR1Error, R1Error } from "@r1reward/core";

/** What went wrong, in one word that stays stable. */
export type EngineErrorReason =
  | "no-kernel" // an op that the compiled engine cannot lower
  | "value-read" // a tensor's value was read while it was being traced
  | "shape" // shapes that do not fit
  | "dtype" // a dtype that does not fit (int64 where int32 was meant)
  | "attribute" // an op's attribute that cannot be lowered
  | "tree" // an argument that is no tree of tensors
  | "random" // random numbers drawn while tracing, which would be the same on every call
  | "async" // the compiled function returned a promise
  | "disposed" // a tensor, graph or engine used after its end, or after it was donated
  | "not-finite" // NaN or Inf where a caller asked for finite values
  | "too-large" // a graph over the 2 GB limit of protobuf
  | "too-many-graphs" // a value that changes on each call was passed as a static argument
  | "no-runtime" // a runtime package that is not installed or does not load
  | "no-provider" // an execution provider that is not there
  | "version" // a library of another version than the one supported
  | "out-of-memory" // the runtime could not allocate
  | "bad-graph" // a saved graph that is truncated, from another version or for another signature
  | "runtime"; // anything else the runtime said

/** What an engine error knows beside its message. */
export interface EngineErrorData {
  readonly reason: EngineErrorReason;
  /** The TensorFlow.js kernel or ONNX op concerned. */
  readonly op?: string | undefined;
  /** `file:line:column` of the caller's code. */
  readonly site?: string | undefined;
  /** The file concerned. */
  readonly file?: string | undefined;
  /** The command that would bring what is not there. */
  readonly command?: string | undefined;
}

/** A graph that cannot be traced, compiled or run, or a runtime that is not there. */
export class EngineError extends R1Error {
  override readonly code = "R1_ENGINE";
  readonly reason: EngineErrorReason;
  /** The message without op and site. */
  readonly problem: string;
  readonly op: string | undefined;
  readonly site: string | undefined;
  readonly file: string | undefined;
  readonly command: string | undefined;

  constructor(message: string, data: EngineErrorData, options?: { cause?: unknown }) {
    const op = data.op === undefined ? "" : `${data.op}: `;
    const site = data.site === undefined ? "" : ` (at ${data.site})`;
    super(`${op}${message}${site}`, options);
    this.problem = message;
    this.reason = data.reason;
    this.op = data.op;
    this.site = data.site;
    this.file = data.file;
    this.command = data.command;
  }
}

const OURS =
  /@tensorflow[\\/]|tf-core|tfjs-core[\\/]src[\\/]|node:internal|stablereinforce[\\/](src[\\/](engine|ops|optim)[\\/](?!.*\.test\.)|dist[\\/])/;

/** The first line of a stack that is neither TensorFlow.js nor the engine: `file:line:column`. */
export const callSite = (stack: string | undefined = new Error().stack): string | undefined => {
  for (const line of (stack ?? "").split("\n").slice(1)) {
    const place = /\(?((?:file:|https?:|\/|[A-Za-z]:\\|webpack:)[^()\s]*:\d+:\d+)\)?$/.exec(line.trim())?.[1];
    if (place !== undefined && !OURS.test(place)) return place;
  }
  return undefined;
};

/** Is this an engine error, from whichever copy of the package? */
export const isEngineError = (error: unknown): error is EngineError => isR1Error(error) && error.code === "R1_ENGINE";
