/**
 * The subset of JSON a safetensors header may hold: objects, arrays, strings and non-negative integers.
 *
 * `JSON.parse` keeps the last of two equal keys and rounds large numbers, both silently. Two readers that resolve a
 * duplicate differently see two different checkpoints in one file, so this parser refuses what it cannot represent.
 */

/** A value of the subset; objects are maps, so no key can reach a prototype. */
export type HeaderJson = string | number | readonly HeaderJson[] | ReadonlyMap<string, HeaderJson>;

/** Where and why the text was refused. Thrown by `parseHeaderJson`, translated by its caller. */
export class HeaderJsonError extends Error {
  readonly duplicate: boolean;

  constructor(at: number, expected: string, duplicate = false) {
    super(`byte ${at} of the header: ${expected}`);
    this.name = "HeaderJsonError";
    this.duplicate = duplicate;
  }
}

interface Cursor {
  readonly text: string;
  at: number;
}

const MAX_DEPTH = 4;
const SPACE = /[ \t\n\r]*/y;
const INTEGER = /(?:0|[1-9]\d{0,15})(?![\d.eE])/y;

const take = (cursor: Cursor, pattern: RegExp): string | null => {
  pattern.lastIndex = cursor.at;
  const match = pattern.exec(cursor.text);
  if (match === null) return null;
  cursor.at = pattern.lastIndex;
  return match[0];
};

const accept = (cursor: Cursor, char: string): boolean => {
  take(cursor, SPACE);
  if (cursor.text[cursor.at] !== char) return false;
  cursor.at++;
  return true;
};

const expect = (cursor: Cursor, char: string): void => {
  if (!accept(cursor, char)) throw new HeaderJsonError(cursor.at, `expected ${JSON.stringify(char)}`);
};

/** The position of the quote that ends the string beginning at `start`: a plain loop, linear on hostile input. */
const endOfString = (text: string, start: number): number => {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
};

const readString = (cursor: Cursor): string => {
  take(cursor, SPACE);
  const start = cursor.at;
  if (cursor.text[start] !== '"') throw new HeaderJsonError(start, "expected a string");
  cursor.at = endOfString(cursor.text, start) + 1;
  try {
    return JSON.parse(cursor.text.slice(start, cursor.at)) as string;
  } catch {
    throw new HeaderJsonError(start, "expected a closed string with valid escapes");
  }
};

const readNumber = (cursor: Cursor): number => {
  const at = cursor.at;
  const token = take(cursor, INTEGER);
  const value = token === null ? NaN : Number(token);
  if (!Number.isSafeInteger(value)) {
    throw new HeaderJsonError(at, "expected an object, an array, a string or a non-negative integer below 2^53");
  }
  return value;
};

const readObject = (cursor: Cursor, depth: number): ReadonlyMap<string, HeaderJson> => {
  const map = new Map<string, HeaderJson>();
  if (accept(cursor, "}")) return map;
  do {
    const key = readString(cursor);
    if (map.has(key)) throw new HeaderJsonError(cursor.at, `the key ${JSON.stringify(key)} occurs twice`, true);
    expect(cursor, ":");
    map.set(key, readValue(cursor, depth));
  } while (accept(cursor, ","));
  expect(cursor, "}");
  return map;
};

const readArray = (cursor: Cursor, depth: number): readonly HeaderJson[] => {
  const items: HeaderJson[] = [];
  if (accept(cursor, "]")) return items;
  do items.push(readValue(cursor, depth));
  while (accept(cursor, ","));
  expect(cursor, "]");
  return items;
};

const readValue = (cursor: Cursor, depth: number): HeaderJson => {
  if (depth > MAX_DEPTH) throw new HeaderJsonError(cursor.at, "nested too deeply for a header");
  if (accept(cursor, "{")) return readObject(cursor, depth + 1);
  if (accept(cursor, "[")) return readArray(cursor, depth + 1);
  return cursor.text[cursor.at] === '"' ? readString(cursor) : readNumber(cursor);
};

/**
 * Parses a header's text. Trailing spaces are padding and allowed; nothing else may follow the object.
 *
 * @throws HeaderJsonError on anything outside the subset.
 */
export const parseHeaderJson = (text: string): ReadonlyMap<string, HeaderJson> => {
  const cursor: Cursor = { text, at: 0 };
  if (text[0] !== "{") throw new HeaderJsonError(0, 'expected "{"');
  cursor.at = 1;
  const value = readObject(cursor, 1);
  take(cursor, SPACE);
  if (cursor.at !== text.length) throw new HeaderJsonError(cursor.at, "expected the end of the header");
  return value;
};
