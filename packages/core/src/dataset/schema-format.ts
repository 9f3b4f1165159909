/** Dataset formats whose rows are described by a schema of any library that speaks Standard Schema (zod, valibot, …). */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { ConfigError, DatasetError } from "../errors.ts";
import type { Preference } from "../types.ts";
import { defineDatasetFormat, type DatasetFormat, type DatasetRow, type RowContext } from "./format.ts";

/** A layout of your own. */
export interface SchemaFormat<Schema extends StandardSchemaV1> {
  readonly name: string;
  /** What a row must look like. Synchronous; what it puts out (defaults, coercions) is what `toPreferences` gets. */
  readonly schema: Schema;
  /** Turns a valid row into its pairs. */
  toPreferences(row: StandardSchemaV1.InferOutput<Schema>, context: RowContext): readonly Preference[];
}

const validate = <Schema extends StandardSchemaV1>(
  { name, schema }: SchemaFormat<Schema>,
  row: DatasetRow,
): StandardSchemaV1.Result<StandardSchemaV1.InferOutput<Schema>> => {
  const result = schema["~standard"].validate(row);
  if (result instanceof Promise) {
    result.catch(() => {}); // it is not waited for
    throw new ConfigError(`dataset format ${name}: expected a synchronous schema, got one that validates later`);
  }
  return result as StandardSchemaV1.Result<StandardSchemaV1.InferOutput<Schema>>;
};

const pathOf = ({ path }: StandardSchemaV1.Issue): string | undefined => {
  const keys = path?.map((segment) => String(typeof segment === "object" ? segment.key : segment));
  return keys === undefined || keys.length === 0 ? undefined : keys.join(".");
};

/**
 * Makes a dataset format from a schema. A row that does not fit ends in a `DatasetError` with file, line, the path of the
 * first field that is wrong, and the schema's own words.
 *
 * @throws ConfigError for an empty name, and while reading for a schema that validates asynchronously
 */
export const defineSchemaFormat = <Schema extends StandardSchemaV1>(format: SchemaFormat<Schema>): DatasetFormat =>
  defineDatasetFormat({
    name: format.name,
    detect: (row) => validate(format, row).issues === undefined,
    toPreferences: (row, context) => {
      const result = validate(format, row);
      if (result.issues === undefined) return format.toPreferences(result.value, context);
      const [first] = result.issues;
      const more = result.issues.length > 1 ? ` (and ${result.issues.length - 1} more)` : "";
      const where = { file: context.file, line: context.line, field: first === undefined ? undefined : pathOf(first) };
      throw new DatasetError(where, `${first?.message ?? "does not fit the schema"}${more}`);
    },
  });
