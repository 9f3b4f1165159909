/** The data of a run: pairs to learn from, and pairs to measure on. */
import { deflateSync } from "node:zlib";
import {
  DatasetError,
  datasetFormats,
  isR1Error,
  type DatasetFormat,
  type DatasetLocation,
  type Preference,
} from "@r1reward/core";
import { readPreferences } from "@r1reward/core/node";
import { shapesKinds, shapesPair, shapesReasoning, swapShapes, type ShapesPair } from "@r1reward/core/shapes";
import { holdOut, isLabelled, type LabelledPair, type PairData, type SkippedRow } from "@r1reward/stablereinforce";
import { ConfigError } from "@r1reward/core";
import { didYouMean } from "./config/suggest.ts";
import type { RunConfig } from "./config/schema.ts";

/** Both sides of a run's data. */
export interface RunData {
  readonly train: PairData;
  readonly held: PairData | null;
  /** The pairs of `train` that reinforcement learning takes. */
  readonly hard: PairData;
}

type FileSource = Extract<RunConfig["data"]["source"], { kind: "file" }>;
type ShapesSource = Extract<RunConfig["data"]["source"], { kind: "shapes" }>;

const formatNamed = (name: string | undefined): DatasetFormat | undefined => {
  const format = datasetFormats.find((known) => known.name === name);
  if (name === undefined || format !== undefined) return format;
  const known = datasetFormats.map((one) => one.name);
  throw new ConfigError(
    `data.source.format: expected one of ${known.join(", ")}, got "${name}"${didYouMean(name, known)}`,
  );
};

const metaOf = (pair: Preference, field: string): unknown =>
  pair.meta !== undefined && Object.hasOwn(pair.meta, field) ? pair.meta[field] : undefined;

const stringAt = (pair: Preference, field: string): string | null => {
  const value = metaOf(pair, field);
  return typeof value === "string" && value.trim() !== "" ? value : null;
};

/** A row that is left out: its place once, and what is wrong with it. */
const skippedRow = ({ file, line, message }: DatasetError): SkippedRow => {
  const where = line === undefined ? file : `${file}:${line}`;
  return { where, problem: message.startsWith(`${where}:`) ? message.slice(where.length + 1).trimStart() : message };
};

/** Reads a file of pairs. A row without a human's choice is one that cannot be used. */
const readFilePairs = async (
  file: string,
  source: FileSource,
  how: { readonly onBroken: "error" | "skip"; readonly signal: AbortSignal },
): Promise<PairData> => {
  const where = new WeakMap<Preference, DatasetLocation>();
  const skipped: SkippedRow[] = [];
  const skip = (error: DatasetError): void => void skipped.push(skippedRow(error));
  const reading = readPreferences(file, {
    format: formatNamed(source.format),
    imageRoot: source.imageRoot,
    onBadRow: how.onBroken === "skip" ? "skip" : "throw",
    onSkip: skip,
    onRead: (pair, place) => where.set(pair, place),
    signal: how.signal,
  });
  const pairs: LabelledPair[] = [];
  for await (const pair of reading) {
    if (isLabelled(pair)) pairs.push(pair);
    else {
      const place = where.get(pair) ?? { file };
      const error = new DatasetError({ ...place, field: "human" }, "expected the human's choice, got none");
      if (how.onBroken === "error") throw error;
      skip(error);
    }
    if (pairs.length >= (source.limit ?? Infinity)) break;
  }
  if (pairs.length === 0)
    throw new DatasetError({ file }, `expected labelled pairs, got none (${skipped.length} rows skipped)`);
  return {
    name: file,
    pairs,
    skipped,
    where: (pair) => where.get(pair),
    critique: (pair, swapped) => (swapped ? null : stringAt(pair, source.critiqueField)),
  };
};

/** What needed so many attempts of its teacher, or defeated it ("failed"): the paper's hard subset (section 4.3). */
const hardOf = (data: PairData, { attemptsField, minAttempts }: FileSource): PairData => {
  if (minAttempts === 0) return data;
  const pairs = data.pairs.filter((pair) => {
    const attempts = metaOf(pair, attemptsField);
    return attempts === "failed" || (typeof attempts === "number" && attempts >= minAttempts);
  });
  if (pairs.length > 0) return { ...data, pairs };
  throw new DatasetError(
    { file: data.name, field: attemptsField },
    `expected pairs that needed at least ${minAttempts} attempts (data.source.minAttempts), got none; minAttempts: 0 takes all`,
  );
};

const fromFile = async (config: RunConfig, source: FileSource, signal: AbortSignal): Promise<RunData> => {
  const how = { onBroken: config.data.onBroken, signal };
  const all = await readFilePairs(source.train, source, how);
  const { evaluation, seed } = config;
  if (evaluation === null) return { train: all, held: null, hard: hardOf(all, source) };
  if (source.heldOut !== undefined) {
    const held = await readFilePairs(source.heldOut, { ...source, limit: evaluation.pairs }, how);
    return { train: all, held, hard: hardOf(all, source) };
  }
  const { train, held } = holdOut(all, { count: evaluation.pairs, seed });
  return { train, held, hard: hardOf(train, source) };
};

const kindsNamed = (names: readonly string[] | undefined) => {
  if (names === undefined) return undefined;
  const known = shapesKinds.map(({ name }) => name);
  return names.map((name) => {
    const kind = shapesKinds.find((one) => one.name === name);
    if (kind !== undefined) return kind;
    throw new ConfigError(
      `data.source.kinds: expected some of ${known.join(", ")}, got "${name}"${didYouMean(name, known)}`,
    );
  });
};

const shapesData = (source: ShapesSource, split: "train" | "val", count: number): PairData => {
  const { seed, grade } = source;
  const kinds = kindsNamed(source.kinds);
  const records = new WeakMap<Preference, ShapesPair>();
  const pairs = Array.from({ length: count }, (_, index) => {
    const made = shapesPair({ seed, grade, split, kinds, index, deflate: (bytes) => deflateSync(bytes) });
    records.set(made.pair, made);
    return made.pair as LabelledPair;
  });
  return {
    name: `shapes ${split}`,
    pairs,
    skipped: [],
    critique: (pair, swapped) => {
      const record = records.get(pair);
      return record === undefined ? null : shapesReasoning(swapped ? swapShapes(record) : record);
    },
  };
};

const fromShapes = (config: RunConfig, source: ShapesSource): RunData => {
  const train = shapesData(source, "train", source.pairs);
  const held = config.evaluation === null ? null : shapesData(source, "val", config.evaluation.pairs);
  return { train, held, hard: train };
};

/**
 * Reads or makes the data of a run.
 * @throws DatasetError naming file, line and field; ConfigError; AbortError
 */
export const openData = async (config: RunConfig, signal: AbortSignal): Promise<RunData> => {
  const { source } = config.data;
  try {
    return source.kind === "file" ? await fromFile(config, source, signal) : fromShapes(config, source);
  } catch (cause) {
    if (isR1Error(cause) || (cause as NodeJS.ErrnoException).code === undefined) throw cause;
    throw new DatasetError({ file: source.kind === "file" ? source.train : "shapes" }, (cause as Error).message, {
      cause,
    });
  }
};
