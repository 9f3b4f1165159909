/**
 * Errors are named after the boundary that was crossed, carry data, keep their cause and never a secret.
 * Messages read `where: expected X, got Y`. User code throws plain errors; `boundary` classifies what escapes.
 *
 * To add one: extend `R1Error` here with a new code, and export it from index.ts.
 */
import { redact } from "./redact.ts";

/** Stable codes: match on these, not on messages. */
export type R1ErrorCode =
  | "R1_CONFIG"
  | "R1_DATASET"
  | "R1_PROMPT"
  | "R1_MEDIA"
  | "R1_MODEL"
  | "R1_REWARD"
  | "R1_CACHE"
  | "R1_OUTPUT"
  | "R1_ABORTED";

const MARKER = Symbol.for("r1reward.error");

/** Base of every error thrown by `@r1reward/*`. Two copies of a package still recognise each other's. */
export abstract class R1Error extends Error {
  abstract readonly code: string;
  readonly [MARKER] = true;

  constructor(message: string, options?: { cause?: unknown }) {
    super(redact(message), options);
    this.name = new.target.name;
  }
}

/** Is this one of our errors, from whichever copy of the package? */
export const isR1Error = (error: unknown): error is R1Error =>
  typeof error === "object" && error !== null && MARKER in error;

/** An option, a flag or a combination of them that cannot work. */
export class ConfigError extends R1Error {
  override readonly code = "R1_CONFIG";
}

/** Where in a data file something is wrong. */
export interface DatasetLocation {
  readonly file: string;
  /** 1-based line of a JSONL file, or 1-based row of a parquet file. */
  readonly line?: number | undefined;
  readonly field?: string | undefined;
}

/** A record that cannot be read. */
export class DatasetError extends R1Error {
  override readonly code = "R1_DATASET";
  readonly file: string;
  readonly line: number | undefined;
  readonly field: string | undefined;

  constructor(where: DatasetLocation, problem: string, options?: { cause?: unknown }) {
    const line = where.line === undefined ? "" : `:${where.line}`;
    const field = where.field === undefined ? "" : ` ${where.field}:`;
    super(`${where.file}${line}:${field} ${problem}`, options);
    this.file = where.file;
    this.line = where.line;
    this.field = where.field;
  }
}

/** A pair that a protocol refuses to ask about, because its untrusted text holds what it must not. */
export class PromptError extends R1Error {
  override readonly code = "R1_PROMPT";
  /** Name of the record. */
  readonly pair: string;
  /** `question`, `responses[0]` or `responses[1]`. */
  readonly field: string;

  constructor(pair: string, field: string, problem: string) {
    super(`pair ${pair} ${field}: ${problem}`);
    this.pair = pair;
    this.field = field;
  }
}

/** An image or video that was refused or cannot be read. */
export class MediaError extends R1Error {
  override readonly code = "R1_MEDIA";
  /** What was refused, in one word: `too-many-pixels`, `host-not-allowed`, `svg`, … */
  readonly reason: string;

  constructor(reason: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.reason = reason;
  }
}

/** What a model error knows. */
export interface ModelErrorData {
  readonly model: string;
  /** HTTP status, when a response came. */
  readonly status?: number | undefined;
  /** Would the same request have a chance later? */
  readonly retryable: boolean;
  /** Tries that were made, the first included. */
  readonly attempts?: number | undefined;
  /** Milliseconds the server asked to wait. */
  readonly retryAfterMs?: number | undefined;
}

/** A chat model that did not answer, or answered with an error. */
export class ModelError extends R1Error {
  override readonly code = "R1_MODEL";
  readonly model: string;
  readonly status: number | undefined;
  readonly retryable: boolean;
  readonly attempts: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, data: ModelErrorData, options?: { cause?: unknown }) {
    super(message, options);
    this.model = data.model;
    this.status = data.status;
    this.retryable = data.retryable;
    this.attempts = data.attempts;
    this.retryAfterMs = data.retryAfterMs;
  }
}

/** A reward function that threw or returned something that is no reward. */
export class RewardError extends R1Error {
  override readonly code = "R1_REWARD";
  readonly reward: string;
  readonly sampleId: string | undefined;

  constructor(reward: string, sampleId: string | undefined, problem: string, options?: { cause?: unknown }) {
    super(`reward ${reward}${sampleId === undefined ? "" : ` on sample ${sampleId}`}: ${problem}`, options);
    this.reward = reward;
    this.sampleId = sampleId;
  }
}

/** The cache folder cannot be used. A single bad entry is not an error: it is a miss. */
export class CacheError extends R1Error {
  override readonly code = "R1_CACHE";
}

/** Results could not be written (disk full, folder gone). What was written before stays whole. */
export class OutputError extends R1Error {
  override readonly code = "R1_OUTPUT";
}

/** The caller's signal fired. `cause` is the signal's reason. */
export class AbortError extends R1Error {
  override readonly code = "R1_ABORTED";
}

/** Throws `AbortError` when the signal has fired. */
export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted) throw new AbortError("aborted by the caller", { cause: signal.reason });
};

/** Runs `work`; our own errors pass through, anything else is wrapped by `wrap`. */
export const boundary = async <T>(wrap: (cause: unknown) => R1Error, work: () => T | Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    throw isR1Error(cause) ? cause : wrap(cause);
  }
};

/** The message of anything that can be thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
