/** Parsing untrusted JSON: errors say where, and keys that could reach a prototype are refused. */
import { DatasetError, type DatasetLocation } from "../errors.ts";

const POSITION = /at position (\d+)/;

const columnOf = (message: string, text: string): string => {
  const position = POSITION.exec(message)?.[1];
  if (position !== undefined) return `, column ${Number(position) + 1}`;
  return /end of JSON input/i.test(message) ? `, column ${text.length + 1}: it ends too early` : "";
};

// A key can be spelled with escapes, so text that has any is looked through as well.
const maySmuggle = (text: string): boolean => /__proto__|"constructor"|\\u/i.test(text);

const MAX_DEPTH = 200;

/** The first key of a value that must not be copied into another object, or `undefined`. */
const dangerousKey = (root: unknown): string | undefined => {
  const open: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth > MAX_DEPTH) return "nesting";
    if (!Array.isArray(value)) {
      if (Object.hasOwn(value, "__proto__")) return "__proto__";
      const constructed: unknown = Object.hasOwn(value, "constructor") ? Reflect.get(value, "constructor") : undefined;
      if (typeof constructed === "object" && constructed !== null && Object.hasOwn(constructed, "prototype")) {
        return "constructor.prototype";
      }
    }
    for (const child of Object.values(value)) open.push({ value: child, depth: depth + 1 });
  }
  return undefined;
};

/**
 * The value of JSON text.
 *
 * @throws DatasetError for text that is no JSON, and for the keys `__proto__` and `constructor.prototype`
 */
export const parseJson = (text: string, where: DatasetLocation): unknown => {
  const at = { file: where.file, line: where.line, field: where.field };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The engine's message quotes the record, so only the place is kept.
    const column = columnOf(error instanceof Error ? error.message : "", text);
    throw new DatasetError(at, `expected JSON, got something else${column}`);
  }
  const key = maySmuggle(text) ? dangerousKey(value) : undefined;
  if (key !== undefined) throw new DatasetError({ ...at, field: where.field ?? key }, `the key ${key} is not allowed`);
  return value;
};
