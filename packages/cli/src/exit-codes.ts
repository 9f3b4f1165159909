import { isR1Error } from "@r1reward/core";

/** Exit codes, documented in the README and in `r1reward --help`. */
export const EXIT = {
  ok: 0,
  /** A bug, or something nobody foresaw. */
  unexpected: 1,
  /** Flags, environment or options that cannot work. */
  usage: 2,
  /** The input data cannot be read. */
  input: 3,
  /** Some pairs could not be judged; everything else was written. */
  judge: 4,
  /** Results could not be written; what was written before is whole. */
  output: 5,
  /** Stopped by Ctrl-C or a signal; run the same command again to go on. */
  interrupted: 130,
} as const;

const BY_CODE: Readonly<Record<string, number>> = {
  R1_CONFIG: EXIT.usage,
  R1_DATASET: EXIT.input,
  R1_MEDIA: EXIT.input,
  R1_MODEL: EXIT.judge,
  R1_REWARD: EXIT.judge,
  R1_CACHE: EXIT.output,
  R1_OUTPUT: EXIT.output,
  R1_ABORTED: EXIT.interrupted,
};

/** The exit code that says what kind of thing went wrong. */
export const exitCodeOf = (error: unknown): number =>
  isR1Error(error) ? (BY_CODE[error.code] ?? EXIT.unexpected) : EXIT.unexpected;
