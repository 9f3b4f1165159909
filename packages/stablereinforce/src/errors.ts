/** Errors of this package. They extend `R1Error` of core, so that `isR1Error` and the codes work alike. */
import { R1Error } from "@r1reward/core";

/** What is wrong with a checkpoint, in one word that code can match on. */
export type CheckpointProblem =
  | "pickle"
  | "text"
  | "too-short"
  | "header-too-large"
  | "header-length"
  | "not-utf8"
  | "not-json"
  | "duplicate-key"
  | "bad-name"
  | "bad-dtype"
  | "bad-shape"
  | "bad-offsets"
  | "bad-metadata"
  | "length-mismatch"
  | "missing-tensor"
  | "shape-mismatch"
  | "not-finite"
  | "bad-index"
  | "bad-path"
  | "io"
  | "incomplete"
  | "hash-mismatch"
  | "bad-manifest";

/** A checkpoint file that was refused, or could not be read or written. */
export class CheckpointError extends R1Error {
  override readonly code = "R1_CHECKPOINT";
  readonly file: string;
  readonly problem: CheckpointProblem;
  readonly tensor: string | undefined;

  constructor(
    where: { readonly file: string; readonly problem: CheckpointProblem; readonly tensor?: string | undefined },
    message: string,
    options?: { cause?: unknown },
  ) {
    const tensor = where.tensor === undefined ? "" : ` tensor ${JSON.stringify(where.tensor)}:`;
    super(`${where.file}:${tensor} ${message}`, options);
    this.file = where.file;
    this.problem = where.problem;
    this.tensor = where.tensor;
  }
}

/** Something of a shape or length that does not fit. */
export class ShapeError extends R1Error {
  override readonly code = "R1_SHAPE";
  /** What it is, e.g. `advantage` or `batch[3].logpRef`. */
  readonly of: string;

  constructor(of: string, problem: { readonly expected: string; readonly actual: string }) {
    super(`${of}: expected ${problem.expected}, got ${problem.actual}`);
    this.of = of;
  }
}

/** A number that is NaN or infinite where the algorithm needs a finite one. */
export class NumericError extends R1Error {
  override readonly code = "R1_NUMERIC";
  /** What it is, e.g. `batch[3].reward` or `loss`. */
  readonly of: string;

  constructor(of: string, value: number, hint = "") {
    super(`${of}: expected a finite number, got ${value}${hint}`);
    this.of = of;
  }
}
