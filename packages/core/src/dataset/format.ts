/** What turns the rows of one published file layout into preferences. */
import { ConfigError, DatasetError, isR1Error, messageOf } from "../errors.ts";
import type { Preference } from "../types.ts";

/** One record of a data file: an object with own fields only. */
export type DatasetRow = Readonly<Record<string, unknown>>;

/** Where a row stands and what may be done about its images. */
export interface RowContext {
  /** Name of the file in errors. */
  readonly file: string;
  /** 1-based line or row. */
  readonly line: number;
  /**
   * Turns a relative path found in a record into one for the media loader. Absent when the reader was given no image
   * folder: then no string of a record ever becomes a path.
   */
  readonly mediaPath?: ((relative: string) => string) | undefined;
  /** What to do with an image that is only named: fail, or leave it out and count it. */
  readonly missingImages: "error" | "omit";
  /** Called once for each image or video that was left out. */
  readonly onImageOmitted: () => void;
}

/** How the records of one layout are read. */
export interface DatasetFormat {
  /** Stable name, e.g. `vl-reward-bench`. */
  readonly name: string;
  /** Does this row have the layout? Looks at the fields only, and never throws. */
  detect(row: DatasetRow): boolean;
  /**
   * The preferences of one row.
   *
   * @throws DatasetError with file, line and field
   */
  toPreferences(row: DatasetRow, context: RowContext): readonly Preference[];
}

/**
 * Makes a dataset format of your own. `toPreferences` may throw plain errors: they become `DatasetError`s that name
 * the file and the line.
 *
 * @throws ConfigError for an empty name
 */
export const defineDatasetFormat = (definition: DatasetFormat): DatasetFormat => {
  if (definition.name === "") throw new ConfigError("dataset format: expected a non-empty name");
  return {
    name: definition.name,
    detect: (row) => definition.detect(row),
    toPreferences: (row, context) => {
      try {
        return definition.toPreferences(row, context);
      } catch (cause) {
        if (isR1Error(cause)) throw cause;
        throw new DatasetError(context, `${definition.name}: ${messageOf(cause)}`, { cause });
      }
    },
  };
};

/**
 * The one format among `formats` whose layout a row has.
 *
 * @throws DatasetError when none or several match: which one it is, is then for the caller to say
 */
export const detectFormat = (
  row: DatasetRow,
  formats: readonly DatasetFormat[],
  context: Pick<RowContext, "file" | "line">,
): DatasetFormat => {
  const [first, ...others] = formats.filter((format) => format.detect(row));
  if (first !== undefined && others.length === 0) return first;
  const fields = Object.keys(row).slice(0, 20).join(", ");
  const matched = [first, ...others].flatMap((format) => (format ? [format.name] : [])).join(" and ");
  throw new DatasetError(
    context,
    first === undefined
      ? `expected one of the layouts ${formats.map((format) => format.name).join(", ")}, got fields ${fields}: pass format`
      : `the record has the layout of ${matched}: pass format to say which it is`,
  );
};
