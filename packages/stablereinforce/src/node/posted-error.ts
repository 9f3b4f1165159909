/** Errors on their way between threads: posting one keeps its message and drops its class and its fields. */
import { AbortError, ConfigError, MediaError, messageOf, ModelError } from "@r1reward/core";
import { EngineError } from "../engine/errors.ts";
import { CheckpointError, NumericError, ShapeError } from "../errors.ts";

type Field = string | number | boolean;

/** An error as plain data. */
export interface PostedError {
  readonly message: string;
  /** Where it was thrown, in its own thread. */
  readonly stack: string | undefined;
  readonly code: string | undefined;
  /** What it knows besides: file, tensor, reason, … */
  readonly fields: Readonly<Record<string, Field>>;
}

const isField = (entry: [string, unknown]): entry is [string, Field] =>
  ["string", "number", "boolean"].includes(typeof entry[1]);

/** What is posted of anything that can be thrown. */
export const postedError = (error: unknown): PostedError => {
  const message = messageOf(error);
  if (!(error instanceof Error)) return { message, stack: undefined, code: undefined, fields: {} };
  const fields = Object.fromEntries(Object.entries(error).filter(isField));
  const { code } = fields;
  return { message, stack: error.stack, code: typeof code === "string" ? code : undefined, fields };
};

/** Messages name files and tensors already; so errors are made empty, and given what was posted. */
const EMPTY: ReadonlyMap<string, () => Error> = new Map<string, () => Error>([
  ["R1_ABORTED", () => new AbortError("")],
  ["R1_CHECKPOINT", () => new CheckpointError({ file: "", problem: "io" }, "")],
  ["R1_CONFIG", () => new ConfigError("")],
  ["R1_ENGINE", () => new EngineError("", { reason: "runtime" })],
  ["R1_MEDIA", () => new MediaError("", "")],
  ["R1_MODEL", () => new ModelError("", { model: "", retryable: false })],
  ["R1_NUMERIC", () => new NumericError("", 0)],
  ["R1_SHAPE", () => new ShapeError("", { expected: "", actual: "" })],
]);

/** The error that was posted, of its own class and with its fields; `otherwise` says what becomes of errors that are not ours. */
export const errorFrom = (posted: PostedError, otherwise: (message: string) => Error): Error => {
  const { message, stack, code = "", fields } = posted;
  const empty = EMPTY.get(code)?.();
  if (empty === undefined) return otherwise(message);
  return Object.assign(empty, fields, { message }, stack === undefined ? {} : { stack });
};
