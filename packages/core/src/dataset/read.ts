/** From rows to preferences: recognise the format once, convert each row, count what was skipped. */
import { ConfigError, DatasetError, throwIfAborted } from "../errors.ts";
import type { CallOptions } from "../interfaces.ts";
import type { Preference } from "../types.ts";
import { describe, isObject } from "./fields.ts";
import { detectFormat, type DatasetFormat, type DatasetRow, type RowContext } from "./format.ts";
import { datasetFormats } from "./formats/index.ts";

/** A numbered row, or the reason why there is none at that place. */
export type RowResult =
  { readonly line: number; readonly value: unknown } | { readonly line: number; readonly error: DatasetError };

/** How rows are turned into preferences. */
export interface PreferenceOptions extends CallOptions {
  /** The layout of the rows. Recognised by the first row unless given. */
  readonly format?: DatasetFormat | undefined;
  /** An unreadable row ends the reading (default), or is skipped and counted. */
  readonly onBadRow?: "throw" | "skip" | undefined;
  /** Told about each skipped row. */
  readonly onSkip?: ((error: DatasetError) => void) | undefined;
  /** Told about each preference before it is yielded: where its row stands, for errors that are only found later. */
  readonly onRead?:
    ((preference: Preference, where: { readonly file: string; readonly line: number }) => void) | undefined;
  /** What to do with an image that is only named while no image folder was given. Default `error`. */
  readonly missingImages?: "error" | "omit" | undefined;
}

/** Where the rows come from. */
export interface RowSource {
  /** Name of the source in errors. */
  readonly file: string;
  readonly rows: AsyncIterable<RowResult>;
  /** Turns a relative path found in a record into one for the media loader. */
  readonly mediaPath?: ((relative: string) => string) | undefined;
}

/** What has been read so far. */
export interface ReadStats {
  /** Preferences that were yielded. */
  readonly read: number;
  /** Rows that were skipped because they could not be read. */
  readonly skipped: number;
  /** Images and videos that were only named and left out. */
  readonly imagesOmitted: number;
  /** Name of the format, once it is known. */
  readonly format: string | undefined;
}

/** Preferences one after another, read once; `stats` counts along. */
export interface PreferenceStream extends AsyncIterable<Preference> {
  readonly stats: ReadStats;
}

type Counters = { -readonly [K in keyof ReadStats]: ReadStats[K] };

const rowObject = (result: RowResult, file: string): DatasetRow => {
  if ("error" in result) throw result.error;
  if (isObject(result.value)) return result.value;
  throw new DatasetError({ file, line: result.line }, `expected an object, got ${describe(result.value)}`);
};

async function* convert(
  source: RowSource,
  options: PreferenceOptions,
  stats: Counters,
): AsyncGenerator<Preference, void, undefined> {
  let format = options.format;
  stats.format = format?.name;
  for await (const result of source.rows) {
    throwIfAborted(options.signal);
    let omitted = 0;
    const context: RowContext = {
      file: source.file,
      line: result.line,
      mediaPath: source.mediaPath,
      missingImages: options.missingImages ?? "error",
      onImageOmitted: () => void omitted++,
    };
    let preferences: readonly Preference[];
    try {
      const row = rowObject(result, source.file);
      if (format === undefined) {
        format = detectFormat(row, datasetFormats, context);
        stats.format = format.name;
      }
      preferences = format.toPreferences(row, context);
    } catch (error) {
      // Without a format nothing can be read, so that is never a row to skip.
      if (!(error instanceof DatasetError) || options.onBadRow !== "skip") throw error;
      if (format === undefined && !("error" in result)) throw error;
      stats.skipped++;
      options.onSkip?.(error);
      continue;
    }
    stats.imagesOmitted += omitted;
    stats.read += preferences.length;
    for (const preference of preferences) options.onRead?.(preference, { file: source.file, line: result.line });
    yield* preferences;
  }
}

/**
 * Preferences out of rows of any source. The result can be iterated once.
 *
 * @throws DatasetError from the iteration, for a row that cannot be read unless `onBadRow` is `skip`
 */
export const preferencesFromRows = (source: RowSource, options: PreferenceOptions = {}): PreferenceStream => {
  const stats: Counters = { read: 0, skipped: 0, imagesOmitted: 0, format: options.format?.name };
  let started = false;
  return {
    stats,
    [Symbol.asyncIterator]: () => {
      if (started) throw new ConfigError(`${source.file}: preferences can be read once; open the file again`);
      started = true;
      return convert(source, options, stats);
    },
  };
};
