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
  /** Training was ended by an alarm; the last good checkpoint is there. */
  stopped: 6,
  /** The machine cannot do it: memory ran out, or a runtime is missing. */
  machine: 7,
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
  R1_CHECKPOINT: EXIT.input,
  R1_SHAPE: EXIT.input,
  R1_PROMPT: EXIT.input,
  R1_ENGINE: EXIT.machine,
  R1_ABORTED: EXIT.interrupted,
};

/** The exit code that says what kind of thing went wrong. */
export const exitCodeOf = (error: unknown): number =>
  isR1Error(error) ? (BY_CODE[error.code] ?? EXIT.unexpected) : EXIT.unexpected;
