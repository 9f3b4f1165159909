/** Strict reading of single fields: what is not as expected is an error that names file, line and field. */
import { DatasetError } from "../errors.ts";
import type { JsonValue } from "../types.ts";
import type { DatasetRow, RowContext } from "./format.ts";

/** A few words about a value, for errors; never the value itself when it could be long. */
export const describe = (value: unknown): string => {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (typeof value === "string") {
    return value.length <= 40 ? JSON.stringify(value) : `a string of ${value.length} characters`;
  }
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value instanceof Uint8Array ? `${value.length} bytes` : "an object";
};

/** Throws the error of a field that is not as expected. */
export const expected = (context: RowContext, field: string, what: string, got: unknown): never => {
  throw new DatasetError({ file: context.file, line: context.line, field }, `expected ${what}, got ${describe(got)}`);
};

/** An own field; inherited names such as `constructor` are no fields. */
export const own = (row: DatasetRow, field: string): unknown => (Object.hasOwn(row, field) ? row[field] : undefined);

/** A string, perhaps empty. Throws `DatasetError`. */
export const stringField = (row: DatasetRow, field: string, context: RowContext): string => {
  const value = own(row, field);
  return typeof value === "string" ? value : expected(context, field, "a string", value);
};

/** A string with more than white space in it. Throws `DatasetError`. */
export const textField = (row: DatasetRow, field: string, context: RowContext): string => {
  const value = stringField(row, field, context);
  return value.trim() === "" ? expected(context, field, "a non-empty string", value) : value;
};

/** A name: a non-empty string, or an integer written out. Throws `DatasetError`. */
export const idField = (row: DatasetRow, field: string, context: RowContext): string => {
  const value = own(row, field);
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  return typeof value === "string" && value !== "" ? value : expected(context, field, "a non-empty name", value);
};

/** Exactly two strings. Throws `DatasetError`. */
export const pairField = (row: DatasetRow, field: string, context: RowContext): readonly [string, string] => {
  const value = own(row, field);
  const [first, second] = Array.isArray(value) && value.length === 2 ? (value as readonly unknown[]) : [];
  return typeof first === "string" && typeof second === "string"
    ? [first, second]
    : expected(context, field, "a list of 2 strings", value);
};

/** Is this an object with fields (no list, no bytes)? */
export const isObject = (value: unknown): value is DatasetRow =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/** Does the row have all these fields? */
export const hasFields = (row: DatasetRow, ...fields: readonly string[]): boolean =>
  fields.every((field) => Object.hasOwn(row, field));

const MAX_DEPTH = 20;

const jsonCopy = (value: unknown, depth: number): JsonValue | undefined => {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (depth === 0 || typeof value !== "object" || value instanceof Uint8Array) return undefined;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString();
  if (Array.isArray(value)) return value.map((item) => jsonCopy(item, depth - 1) ?? null);
  return copyFields(value as DatasetRow, [], depth - 1);
};

const copyFields = (row: DatasetRow, without: readonly string[], depth: number): Record<string, JsonValue> => {
  const copy: [string, JsonValue][] = [];
  for (const [field, value] of Object.entries(row)) {
    if (field === "__proto__" || without.includes(field)) continue;
    const json = jsonCopy(value, depth);
    if (json !== undefined) copy.push([field, json]);
  }
  return Object.fromEntries(copy);
};

const isBlank = (value: JsonValue): boolean => value === null || value === "";

/**
 * The fields of a row that are not in `used`, as fresh JSON: bytes, non-finite numbers, nulls and empty strings are
 * left out. What a source says beyond the pair itself ends up here and is never sent to a judge.
 */
export const metaOf = (row: DatasetRow, used: readonly string[]): Record<string, JsonValue> =>
  Object.fromEntries(Object.entries(copyFields(row, used, MAX_DEPTH)).filter(([, value]) => !isBlank(value)));
