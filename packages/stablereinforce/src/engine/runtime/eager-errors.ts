/** What eager TensorFlow.js throws, in the engine's terms. What the user's own function throws stays as it is. */
import { isR1Error, messageOf } from "@r1reward/core";
import { callSite, EngineError, type EngineErrorReason } from "../errors.ts";
import { operationsOf, unknownKernel } from "../tensorflow-errors.ts";
import { isMemory, outOfMemory } from "./ort.ts";

const THEIRS = /@tensorflow[\\/]|tfjs-core|tf-core|tfjs-backend/;
const NOWHERE = /<anonymous>\)?$|node:internal|wasm:\/\/|wasm-function/;

/**
 * A user's function throws from a frame of its own; TensorFlow.js from one of its files, its wasm, or an array that it makes. Where a bundler
 * has put everything into one file, operations tell: no user's function runs inside of one.
 */
const fromTensorFlow = (error: Error): boolean => {
  const first = (error.stack ?? "").split("\n").find((line) => /^\s+at /.test(line) && !NOWHERE.test(line)) ?? "";
  return THEIRS.test(first) || operationsOf(error).length > 0;
};

const reasonOf = ({ name, message }: Error): EngineErrorReason => {
  if (/^(?:Type|Range|Runtime)Error$/.test(name)) return "runtime";
  if (/shape|rank|dimension|\baxis\b|\baxes\b|\bsize|length|broadcast|inner|elements/i.test(message)) return "shape";
  return /dtype|type/.test(message) ? "dtype" : "runtime";
};

/** The error to throw in place of one that left a call: ours where TensorFlow.js threw it, with it as the cause. */
export const eagerError = (where: string, backend: string, error: unknown): unknown => {
  if (!(error instanceof Error) || isR1Error(error) || !fromTensorFlow(error)) return error;
  const site = callSite(error.stack);
  const operation = operationsOf(error).at(-1); // what the user called
  if (isMemory(error)) return outOfMemory(where, error, operation);
  const op = unknownKernel(error);
  if (op !== undefined) {
    const problem = `${where}: TensorFlow.js has no kernel for it on its backend ${backend}: use other ops, or another runtime`;
    return new EngineError(problem, { reason: "no-kernel", op, site }, { cause: error });
  }
  const data = { reason: reasonOf(error), op: operation, site };
  return new EngineError(`${where}: ${messageOf(error)}`, data, { cause: error });
};
