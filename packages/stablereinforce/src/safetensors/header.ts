/** Checks a safetensors header. Every number in it is hostile until it was compared with the file. */
import { CheckpointError, type CheckpointProblem } from "../errors.ts";
import { bytesOf, isSafetensorsDtype, SAFETENSORS_DTYPES } from "./dtype.ts";
import { HeaderJsonError, parseHeaderJson, type HeaderJson } from "./json.ts";
import type { SafetensorsEntry, SafetensorsHeader, SafetensorsReadOptions } from "./types.ts";

const DEFAULT_MAX_HEADER = 16_000_000;
const PREFIX = 8;
const MAX_RANK = 16;
// Controls confuse terminals and logs; lone surrogates cannot be written back as UTF-8.
const UNPRINTABLE = /[\p{Cc}\p{Surrogate}]/u;

type Fail = (problem: CheckpointProblem, message: string, tensor?: string) => CheckpointError;

const failIn =
  (file: string): Fail =>
  (problem, message, tensor) =>
    new CheckpointError({ file, problem, tensor }, message);

const PICKLE_HINT =
  "expected a safetensors file, got a pickle (a .bin, .pt or .ckpt), which can run code when it is loaded. Convert it " +
  'once, where you trust it: python -c "import sys,torch;from safetensors.torch import save_file;' +
  'save_file(torch.load(sys.argv[1],weights_only=True),sys.argv[2])" in.pt out.safetensors';

/** Is this the beginning of a zip archive (`PK\x03\x04`, torch's format) or of a bare pickle (`\x80` + version 2 to 5)? */
export const looksLikePickle = (start: Uint8Array): boolean =>
  (start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4) ||
  // A header of 0x..0280 bytes begins alike; its ninth byte is "{", which no pickle has there by chance twice.
  (start[0] === 0x80 && (start[1] ?? 0) >= 2 && (start[1] ?? 0) <= 5 && start[PREFIX] !== 0x7b);

const LFS_POINTER = "version https://";

/**
 * What stands where the file should be, when these are the first bytes of a text. The length of a header has zeros among its 8 bytes: no text
 * has.
 */
const textOf = (start: Uint8Array): string | undefined => {
  const bytes = start.subarray(0, LFS_POINTER.length);
  const printable = bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d));
  if (!printable || bytes.length < PREFIX) return undefined;
  const text = new TextDecoder().decode(bytes);
  if (text === LFS_POINTER) return "this is a Git LFS pointer: fetch the file that it stands for (git lfs pull)";
  const page = text.trimStart().startsWith("<") ? " of a web page" : "";
  return `this looks like text${page}, which begins with ${JSON.stringify(text)}: was the download refused?`;
};

/**
 * Length of the JSON header in bytes, from the first bytes of a file (9 are needed).
 *
 * @throws CheckpointError `pickle`, `text`, `too-short`, `header-too-large`, `header-length`, `not-json`.
 */
export const headerLength = (start: Uint8Array, fileBytes: number, options: SafetensorsReadOptions = {}): number => {
  const fail = failIn(options.file ?? "safetensors");
  const cap = options.maxHeaderBytes ?? DEFAULT_MAX_HEADER;
  if (looksLikePickle(start)) throw fail("pickle", PICKLE_HINT);
  const text = textOf(start);
  if (text !== undefined) throw fail("text", `expected a safetensors file, but ${text}`);
  if (fileBytes < PREFIX + 2 || start.byteLength < PREFIX + 1) {
    throw fail("too-short", `expected at least ${PREFIX + 2} bytes, got ${fileBytes}`);
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(cap)) throw fail("header-too-large", `expected a header of at most ${cap} bytes, got ${length}`);
  if (BigInt(PREFIX) + length > BigInt(fileBytes)) {
    throw fail("header-length", `expected a header inside the file's ${fileBytes} bytes, got a length of ${length}`);
  }
  if (start[PREFIX] !== 0x7b) throw fail("not-json", `expected the header to begin with "{"`);
  return Number(length);
};

const decodeJson = (bytes: Uint8Array, fail: Fail): ReadonlyMap<string, HeaderJson> => {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw fail("not-utf8", "expected a header in UTF-8");
  }
  try {
    return parseHeaderJson(text);
  } catch (cause) {
    if (!(cause instanceof HeaderJsonError)) throw cause;
    throw fail(cause.duplicate ? "duplicate-key" : "not-json", cause.message);
  }
};

const readMetadata = (value: HeaderJson | undefined, fail: Fail): ReadonlyMap<string, string> => {
  if (value === undefined) return new Map();
  if (!(value instanceof Map)) throw fail("bad-metadata", "__metadata__: expected an object of strings");
  for (const [key, item] of value) {
    if (typeof item !== "string") throw fail("bad-metadata", `__metadata__ ${JSON.stringify(key)}: expected a string`);
  }
  return value as ReadonlyMap<string, string>;
};

const checkName = (name: string, extra: RegExp | undefined, fail: Fail): void => {
  const plain = name.length >= 1 && name.length <= 512 && !UNPRINTABLE.test(name) && name !== "__proto__";
  const match = extra === undefined ? null : name.search(extra);
  if (!plain || match === -1) {
    throw fail("bad-name", "expected a name of 1 to 512 printable characters that passes the given rule", name);
  }
};

const FIELDS = ["dtype", "shape", "data_offsets"] as const;

const isIntegers = (value: HeaderJson | undefined): value is readonly number[] =>
  Array.isArray(value) && value.every((item) => typeof item === "number");

const readEntry = (name: string, value: HeaderJson, fail: Fail): SafetensorsEntry => {
  const fields = value instanceof Map ? value : new Map<string, HeaderJson>();
  if (fields.size !== FIELDS.length || FIELDS.some((field) => !fields.has(field))) {
    throw fail("not-json", `expected an object with exactly ${FIELDS.join(", ")}`, name);
  }
  const [dtype, shape, offsets] = FIELDS.map((field) => fields.get(field));
  if (!isSafetensorsDtype(dtype)) {
    const got = typeof dtype === "string" ? JSON.stringify(dtype) : "no string";
    throw fail("bad-dtype", `expected one of ${SAFETENSORS_DTYPES.join(" ")}, got ${got}`, name);
  }
  if (!isIntegers(shape) || shape.length > MAX_RANK) {
    throw fail("bad-shape", `expected up to ${MAX_RANK} non-negative integers`, name);
  }
  if (!isIntegers(offsets) || offsets.length !== 2) throw fail("bad-offsets", "expected two integers", name);
  return checkSpan({ name, dtype, shape, begin: offsets[0] as number, end: offsets[1] as number }, fail);
};

const checkSpan = (entry: SafetensorsEntry, fail: Fail): SafetensorsEntry => {
  const bytes = bytesOf(entry.dtype, entry.shape);
  if (bytes === null) throw fail("bad-shape", `[${entry.shape.join(", ")}] is too large to count`, entry.name);
  if (entry.end - entry.begin !== bytes) {
    const span = `${entry.begin} to ${entry.end}`;
    throw fail("bad-offsets", `expected ${bytes} bytes for its shape and dtype, got ${span}`, entry.name);
  }
  return entry;
};

/** Tensors must tile the data part: no holes, no overlaps, nothing left over (a hidden second file, say). */
const checkTiling = (entries: readonly SafetensorsEntry[], dataBytes: number, fail: Fail): void => {
  let expected = 0;
  for (const entry of entries) {
    if (entry.begin !== expected) {
      throw fail("bad-offsets", `expected to begin at ${expected}, got ${entry.begin}`, entry.name);
    }
    expected = entry.end;
  }
  if (expected !== dataBytes) {
    throw fail("length-mismatch", `expected ${expected} bytes of tensors after the header, got ${dataBytes}`);
  }
};

/**
 * Checks a header against the rules of the format and against the file's length.
 *
 * @param json The header's bytes, without the 8 that hold its length.
 * @param fileBytes Length of the whole file.
 * @throws CheckpointError naming the file, the tensor and what was expected.
 */
export const parseHeader = (
  json: Uint8Array,
  fileBytes: number,
  options: SafetensorsReadOptions = {},
): SafetensorsHeader => {
  const fail = failIn(options.file ?? "safetensors");
  const root = decodeJson(json, fail);
  const metadata = readMetadata(root.get("__metadata__"), fail);
  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of root) {
    if (name === "__metadata__") continue;
    checkName(name, options.names, fail);
    entries.push(readEntry(name, value, fail));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const dataStart = PREFIX + json.byteLength;
  checkTiling(entries, fileBytes - dataStart, fail);
  return { metadata, tensors: new Map(entries.map((entry) => [entry.name, entry])), dataStart };
};
