import { ConfigError } from "./errors.ts";

const isPlainObject = (value: object): value is Record<string, unknown> => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const entry = (record: Record<string, unknown>, key: string, at: string): readonly string[] => {
  const value = record[key];
  return value === undefined ? [] : [`${JSON.stringify(key)}:${encode(value, `${at}.${key}`)}`];
};

const encode = (value: unknown, at: string): string => {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new ConfigError(`${at}: expected a finite number, got ${value}`);
  }
  if (value === null || typeof value === "string" || typeof value === "boolean" || typeof value === "number") {
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item: unknown, i) => encode(item, `${at}[${i}]`)).join(",")}]`;
  if (typeof value === "object" && isPlainObject(value)) {
    const keys = Object.keys(value).sort();
    return `{${keys.flatMap((key) => entry(value, key, at)).join(",")}}`;
  }
  throw new ConfigError(`${at}: expected a JSON value, got ${typeof value}`);
};

/**
 * JSON with one spelling per value: keys in code-unit order, no spaces, undefined properties left out, -0 as 0.
 * Made for hashing.
 *
 * @throws {ConfigError} on what JSON cannot say: NaN, infinities, functions, class instances, undefined in an array.
 */
export const canonicalJson = (value: unknown, name = "value"): string => encode(value, name);
