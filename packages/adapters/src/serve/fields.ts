/** Reading untrusted values: every reader names the field and what was expected, and never quotes the value. */
import type { JsonValue } from "@r1reward/core";
import { badRequest } from "./wire-error.ts";

/** A JSON object as it came. */
export type Fields = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 64;
const MAX_NODES = 2_000_000;

/** Is it an object, and neither a list nor bytes? */
export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/**
 * Refuses values that are nested too deeply, too large, or hold a key that could reach a prototype.
 *
 * @throws {WireError} 400
 */
export const checkShape = (root: unknown, field = "body"): void => {
  const open: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  let nodes = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) continue;
    if (depth > MAX_DEPTH) throw badRequest(`${field}: expected at most ${MAX_DEPTH} levels of nesting`);
    if (!Array.isArray(value) && Object.hasOwn(value, "__proto__")) {
      throw badRequest(`${field}: the key __proto__ is not allowed`);
    }
    const children: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
    nodes += children.length;
    if (nodes > MAX_NODES) throw badRequest(`${field}: expected at most ${MAX_NODES} values`);
    for (const child of children) if (typeof child === "object") open.push({ value: child, depth: depth + 1 });
  }
};

/** Strings, which are kept, and what Python writes for missing numbers, which is no JSON. */
const STRING_OR_NAN = /"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)/g;

const parseLenient = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    return JSON.parse(text.replace(STRING_OR_NAN, (found) => (found.startsWith('"') ? found : "null")));
  }
};

/** The value of JSON text. NaN and infinities, as Python writes them, are read as `null`. @throws {WireError} 400 */
export const parseBody = (text: string, field = "body"): unknown => {
  let value: unknown;
  try {
    value = parseLenient(text);
  } catch {
    // The engine's message quotes the text.
    throw badRequest(`${field}: expected JSON`);
  }
  checkShape(value, field);
  return value;
};

/** JSON text that may stand in a string, as labels often do; the string itself when it is none. */
export const parseMaybe = (value: unknown): unknown => {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value) || value.length > 1_048_576) return value;
  try {
    return parseBody(value);
  } catch {
    return value;
  }
};

/** The body as an object. @throws {WireError} 400 */
export const bodyOf = (body: unknown): Fields => {
  if (isFields(body)) return body;
  throw badRequest("body: expected an object");
};

/** A list, or an empty one when the field is absent. @throws {WireError} 400 */
export const listOf = (fields: Fields, name: string): readonly unknown[] => {
  const value = fields[name];
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value as readonly unknown[];
  throw badRequest(`${name}: expected a list`);
};

/** Text. @throws {WireError} 400 */
export const textOf = (fields: Fields, name: string): string => {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw badRequest(`${name}: expected text`);
};

/** Text, or nothing. Numbers are written out, since ids come as either. @throws {WireError} 400 */
export const idOf = (fields: Fields, name: string): string | undefined => {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && value.length <= 4096) return value;
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  throw badRequest(`${name}: expected text of at most 4096 characters or a number`);
};

/** A whole number within bounds, or nothing. @throws {WireError} 400 */
export const countOf = (fields: Fields, name: string, max: number): number | undefined => {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw badRequest(`${name}: expected a whole number from 1 to ${max}`);
};

/** A value as JSON; `null` when absent. NaN and bytes, which JSON cannot say, become `null`. */
export const jsonOf = (value: unknown): JsonValue => {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(jsonOf);
  if (!isFields(value)) return null;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, jsonOf(child)]));
};
