import { resolve } from "node:path";
import { Readable } from "node:stream";
import { ConfigError, DatasetError } from "../errors.ts";
import { describe, isObject } from "../dataset/fields.ts";
import { preferencesFromRows, type PreferenceOptions, type PreferenceStream, type RowResult } from "../dataset/read.ts";
import { jsonArrayRows } from "./json-array.ts";
import { jsonlRows } from "./jsonl-rows.ts";
import { readParquet } from "./parquet.ts";
import { nameOfSource, type ByteSource } from "./source.ts";

export type { ByteSource } from "./source.ts";

/** Options of `readPreferences`. */
export interface ReadPreferencesOptions extends PreferenceOptions {
  /**
   * Folder that paths in the records are relative to. Without it no string of a record becomes a path. Give the same
   * folder to `nodeMedia({ root })`.
   */
  readonly imageRoot?: string | undefined;
  /** Longest line of a JSONL file in bytes. Default 64 MiB. */
  readonly maxLineBytes?: number | undefined;
}

/** A `.jsonl`, `.json` (one array) or `.parquet` file, `"-"` for JSONL on standard input, a JSONL stream, or rows. */
export type PreferenceSource = ByteSource | AsyncIterable<unknown> | Iterable<unknown>;

async function* numbered(rows: AsyncIterable<unknown> | Iterable<unknown>): AsyncGenerator<RowResult, void, undefined> {
  let line = 0;
  for await (const value of rows) yield { line: ++line, value };
}

const rowsOf = (source: PreferenceSource, options: ReadPreferencesOptions): AsyncIterable<RowResult> => {
  if (typeof source === "string") {
    if (source.endsWith(".parquet")) return readParquet(source, options);
    if (source.endsWith(".json")) return jsonArrayRows(source, options);
    return jsonlRows(source, options);
  }
  if (source instanceof Readable) return jsonlRows(source, options);
  const isRows = Symbol.asyncIterator in source || Symbol.iterator in source;
  if (!isRows) throw new ConfigError("readPreferences: expected a path, a stream or an iterable of rows");
  return numbered(source);
};

/**
 * Preferences of a data file, one at a time; the layout is recognised by the first row unless `format` is given.
 * `stats` of the result counts what was read, skipped and left out.
 *
 * @throws DatasetError from the iteration, naming file, line and field; AbortError when the signal fires
 */
export const readPreferences = (source: PreferenceSource, options: ReadPreferencesOptions = {}): PreferenceStream => {
  const { imageRoot } = options;
  return preferencesFromRows(
    {
      file: typeof source === "string" || source instanceof Readable ? nameOfSource(source) : "<rows>",
      rows: rowsOf(source, options),
      mediaPath: imageRoot === undefined ? undefined : (relative) => resolve(imageRoot, relative),
    },
    options,
  );
};

/** Options of `readRecords`. */
export type ReadRecordsOptions = Pick<ReadPreferencesOptions, "maxLineBytes" | "signal">;

/** One record as it stands in its file. */
export interface DataRecord {
  /** 1-based line of a JSONL file, or row of another. */
  readonly line: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * Records of a data file as they are, for what is no preference: the training set of a policy, say.
 *
 * @throws DatasetError naming file and line for what cannot be read or is no object; AbortError when the signal fires
 */
export async function* readRecords(
  source: PreferenceSource,
  options: ReadRecordsOptions = {},
): AsyncGenerator<DataRecord, void, undefined> {
  const file = typeof source === "string" || source instanceof Readable ? nameOfSource(source) : "<rows>";
  for await (const row of rowsOf(source, options)) {
    if ("error" in row) throw row.error;
    const { line, value } = row;
    if (!isObject(value)) throw new DatasetError({ file, line }, `expected an object, got ${describe(value)}`);
    yield { line, value };
  }
}
