/** From a file, or stdin, to pairs. */
import { stat } from "node:fs/promises";
import {
  DatasetError,
  datasetFormats,
  type DatasetFormat,
  type DatasetLocation,
  type Preference,
} from "@r1reward/core";
import { readPreferences } from "@r1reward/core/node";
import { flagError, type FileFlags, type JudgeFlags } from "./options.ts";

/** Pairs as they are read, and what was left out so far. */
export interface Input {
  readonly pairs: AsyncIterable<Preference>;
  skipped(): number;
  imagesOmitted(): number;
}

/** What is wrong with a pair. */
export interface PairProblem {
  readonly field?: string;
  readonly problem: string;
  readonly cause?: unknown;
}

/** Pairs of a file: it is known where each stands. */
export interface FileInput extends Input {
  /**
   * Says that a pair, which could be read, is of no use after all. Where the flags say so it is counted as skipped.
   * @throws DatasetError naming place and pair, otherwise
   */
  refuse(pair: Preference, problem: PairProblem): void;
}

/** How an input is opened. */
export interface InputOptions {
  /** A judge that looks at images never gets a pair whose image is missing: that is an error. */
  readonly needsImages: boolean;
  /** Is a pair without a human's choice of no use? */
  readonly needsLabels?: boolean;
  readonly signal: AbortSignal;
}

type InputFlags = FileFlags & Pick<JudgeFlags, "imageRoot">;

async function* take<T>(items: AsyncIterable<T>, n: number): AsyncGenerator<T> {
  let left = n;
  for await (const item of items) {
    yield item;
    left -= 1;
    if (left <= 0) return;
  }
}

const NO_LABEL: PairProblem = { field: "human", problem: "expected a human choice (0 or 1), got none" };

async function* labelled(
  pairs: AsyncIterable<Preference>,
  refuse: FileInput["refuse"],
): AsyncGenerator<Preference, void> {
  for await (const pair of pairs) {
    if (pair.human === undefined) refuse(pair, NO_LABEL);
    else yield pair;
  }
}

const formatNamed = (name: string): DatasetFormat => {
  const format = datasetFormats.find((known) => known.name === name);
  if (format !== undefined) return format;
  throw flagError("--format", `expected one of ${datasetFormats.map((known) => known.name).join(", ")}, got "${name}"`);
};

/** Counts and shows what is of no use, or throws it. */
const refusing = (source: string, flags: InputFlags) => {
  const places = new WeakMap<Preference, DatasetLocation>();
  let refused = 0;
  const note = (error: DatasetError): void => {
    if (flags.quiet !== true) process.stderr.write(`skipped: ${error.message}\n`);
  };
  const refuse: FileInput["refuse"] = (pair, { field, problem, cause }) => {
    const where = { ...(places.get(pair) ?? { file: source }), field };
    const error = new DatasetError(where, `pair ${JSON.stringify(pair.id)}: ${problem}`, { cause });
    if (flags.onBadRow !== "skip") throw error;
    refused += 1;
    note(error);
  };
  return { places, note, refuse, refused: () => refused };
};

/** Opens the input. */
export const openInput = (source: string, flags: InputFlags, options: InputOptions): FileInput => {
  const { places, note, refuse, refused } = refusing(source, flags);
  const reading = readPreferences(source, {
    format: flags.format === undefined ? undefined : formatNamed(flags.format),
    imageRoot: flags.imageRoot,
    missingImages: options.needsImages ? "error" : "omit",
    onBadRow: flags.onBadRow,
    onSkip: note,
    onRead: (pair, where) => places.set(pair, where),
    signal: options.signal,
  });
  const usable = options.needsLabels === true ? labelled(reading, refuse) : reading;
  return {
    pairs: flags.limit === undefined ? usable : take(usable, flags.limit),
    refuse,
    skipped: () => reading.stats.skipped + refused(),
    imagesOmitted: () => reading.stats.imagesOmitted,
  };
};

/** Can it be read twice? Pipes cannot, whether they are stdin or have a name. What is not there is the reader's to say. */
export const isReadTwice = async (source: string): Promise<boolean> =>
  source !== "-" &&
  (await stat(source).then(
    (found) => found.isFile(),
    () => true,
  ));

/**
 * Reads a file through before anything is paid for, so that a row of no use is not met half-way. A pipe can be read only once, and is not.
 * @throws DatasetError for the first such row, unless the flags say to skip it
 */
export const checkInput = async (source: string, flags: InputFlags, options: InputOptions): Promise<void> => {
  if (!(await isReadTwice(source))) return;
  const { pairs } = openInput(source, { ...flags, quiet: true }, options);
  for await (const _pair of pairs);
};
