/** Errors with the op and the line of user code that led to them. */
import { callSite, EngineError, type EngineErrorReason } from "../errors.ts";
import { operationsOf, unknownKernel } from "../tensorflow-errors.ts";

const NO_GRADIENT = /gradient function not found for (\w+)/;

const TENSORFLOW_FILE = /tfjs-core|tf-core|@tensorflow/;

/**
 * Thrown by TensorFlow.js? The file of the innermost frame says so. Where a bundler has put everything into one file, the ops'
 * functions do: hardly one of them calls a function of the user's.
 */
const fromTensorFlow = (error: Error): boolean => {
  const frames = (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line) && !/\(<anonymous>\)$/.test(line));
  if (frames.some((frame) => TENSORFLOW_FILE.test(frame))) return TENSORFLOW_FILE.test(frames[0] ?? "");
  return operationsOf(error).length > 0;
};

const reasonOf = ({ message }: Error): EngineErrorReason => {
  if (/must be \w+ tensor, but got \w+ tensor/.test(message)) return "dtype";
  return /dtype|type/.test(message) && !/shape/.test(message) ? "dtype" : "shape";
};

/** What a kernel's lowering has thrown, as the kernel's own error. */
export const ofKernel = (error: unknown, op: string): EngineError => {
  if (error instanceof EngineError) {
    if (error.op !== undefined) return error;
    return new EngineError(error.problem, { reason: error.reason, op, site: error.site }, { cause: error });
  }
  const cause = error instanceof Error ? error : new Error(String(error));
  return new EngineError(cause.message, { reason: reasonOf(cause), op }, { cause });
};

const missing = (error: Error): { problem: string; op: string | undefined } | undefined => {
  const gradient = NO_GRADIENT.exec(error.message)?.[1];
  if (gradient !== undefined) {
    const problem = "has no gradient here: write it with other ops, or give it one with tf.customGrad";
    return { problem, op: gradient };
  }
  const op = unknownKernel(error);
  if (op === undefined) return undefined;
  return { problem: "has no lowering to ONNX: write it with supported ops, or use an eager runtime", op };
};

/** The same error with op and call site. What the traced function itself throws stays as it is. */
export const located = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error;
  const site = callSite(error.stack);
  if (error instanceof EngineError) {
    if (error.site !== undefined) return error;
    return new EngineError(error.problem, { reason: error.reason, op: error.op, site }, { cause: error });
  }
  if (!fromTensorFlow(error)) return error;
  const none = missing(error);
  if (none !== undefined)
    return new EngineError(none.problem, { reason: "no-kernel", op: none.op, site }, { cause: error });
  const [op] = operationsOf(error);
  return new EngineError(error.message, { reason: reasonOf(error), op, site }, { cause: error });
};
