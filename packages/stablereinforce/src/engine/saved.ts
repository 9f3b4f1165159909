/**
 * Saved graphs are ordinary `.onnx` files (any ONNX tool opens them) with our notes in `metadata_props`, and after them a
 * checksum of all that comes before it, so that a truncated or changed file is refused and never half-used.
 */
import { EngineError } from "./errors.ts";
import { join, message, text } from "./onnx/proto.ts";
import type { Port, Program } from "./runtime/session.ts";
import { leavesIn, type Template } from "./tree.ts";

const FORMAT = "2";
const NOTES = "r1reward";
const CHECKSUM = "r1reward-checksum";

/** What is saved beside the model. */
export interface SavedNotes {
  /** Signature that the graph serves. */
  readonly key: string;
  readonly result: Template;
}

interface Notes extends SavedNotes {
  readonly format: string;
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** FNV-1a, 32 bits, as text: catches truncation and bit rot; it is no protection against an attacker. */
const checksum = (parts: readonly Uint8Array[]): string => {
  let hash = 0x811c9dc5;
  for (const part of parts) for (const byte of part) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
};

const entry = (key: string, value: string): readonly Uint8Array[] => message(14, [text(1, key), text(2, value)]).parts;

const checksumField = (before: readonly Uint8Array[]): readonly Uint8Array[] => entry(CHECKSUM, checksum(before));

const joined = (parts: readonly Uint8Array[]): Uint8Array =>
  join({ size: parts.reduce((sum, part) => sum + part.byteLength, 0), parts });

/** The bytes of a saved graph. */
export const encodeProgram = (program: Program, saved: SavedNotes): Uint8Array => {
  const { name, inputs, outputs } = program;
  const notes: Notes = { ...saved, format: FORMAT, name, inputs, outputs };
  const told = [program.model, ...entry(NOTES, JSON.stringify(notes))];
  return joined([...told, ...checksumField(told)]);
};

const bad = (problem: string, cause?: unknown): EngineError =>
  new EngineError(`saved graph: ${problem}`, { reason: "bad-graph" }, { cause });

const readVarint = (bytes: Uint8Array, at: number): { value: number; next: number } => {
  let [value, scale, next] = [0, 1, at];
  for (;;) {
    const byte = bytes[next];
    if (byte === undefined || scale > 2 ** 56) throw bad("the file ends in the middle of a field");
    value += (byte & 0x7f) * scale;
    scale *= 128;
    next += 1;
    if (byte < 0x80) return { value, next };
  }
};

/** Top-level fields of a ModelProto: number, where the field starts, where its bytes lie. */
const fieldsOf = (bytes: Uint8Array): { field: number; start: number; body: Uint8Array }[] => {
  const fields: { field: number; start: number; body: Uint8Array }[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    const start = at;
    const head = readVarint(bytes, at);
    const [field, wire] = [Math.floor(head.value / 8), head.value % 8];
    const length = readVarint(bytes, head.next);
    if (wire !== 0 && wire !== 2) throw bad("not an ONNX file");
    const end = wire === 2 ? length.next + length.value : length.next;
    if (end > bytes.byteLength) throw bad("the file is truncated");
    fields.push({ field, start, body: wire === 2 ? bytes.subarray(length.next, end) : bytes.subarray(end, end) });
    at = end;
  }
  return fields;
};

type Field = ReturnType<typeof fieldsOf>[number];

/** The value of a StringStringEntryProto of that key. */
const valueOf = (field: Field | undefined, key: string): string | undefined => {
  if (field?.field !== 14) return undefined;
  const [name, value] = fieldsOf(field.body);
  const decoder = new TextDecoder();
  return name !== undefined && decoder.decode(name.body) === key ? decoder.decode(value?.body) : undefined;
};

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

const isPort = (x: unknown): x is Port => {
  const { shape, dtype } = (x ?? {}) as Partial<Port>;
  const counted = Array.isArray(shape) && shape.every((n) => Number.isSafeInteger(n) && n >= 0);
  return counted && (dtype === "float32" || dtype === "int32" || dtype === "bool");
};

const arePorts = (x: unknown): boolean => Array.isArray(x) && x.every(isPort);

const isTemplate = (x: unknown): x is Template => {
  if (typeof x !== "object" || x === null) return false;
  const { list, object } = x as { list?: unknown; object?: unknown };
  if ("list" in x) return Array.isArray(list) && list.every(isTemplate);
  if (!("object" in x)) return "leaf" in x || "is" in x || "odd" in x;
  return Array.isArray(object) && object.every((pair) => Array.isArray(pair) && isTemplate(pair[1]));
};

/** Notes of a file that is whole: what made it may have had other ideas of them. */
const readNotes = (json: string): Notes => {
  let notes: Notes;
  try {
    notes = JSON.parse(json) as Notes;
  } catch (cause) {
    throw bad("its notes are no JSON", cause);
  }
  const { format, key, name, inputs, outputs, result } = (notes as Notes | null) ?? ({} as Partial<Notes>);
  if (format !== FORMAT) throw bad(`format ${String(format)}, expected ${FORMAT}: save it again`);
  const sound = typeof key === "string" && typeof name === "string" && arePorts(inputs) && arePorts(outputs);
  if (!sound || !isTemplate(result)) throw bad("its notes lack a signature, inputs, outputs or a result");
  if (leavesIn(result).some((leaf) => outputs?.[leaf] === undefined)) throw bad("its result has outputs that it lacks");
  return notes;
};

/**
 * A saved graph, checked.
 * @throws EngineError `bad-graph`
 */
export const decodeProgram = (file: Uint8Array): SavedNotes & { program: Program } => {
  const [noted, summed] = fieldsOf(file).slice(-2);
  if (valueOf(summed, NOTES) !== undefined) throw bad("truncated, or of the first format: save it again");
  const json = valueOf(noted, NOTES);
  if (noted === undefined || summed === undefined || json === undefined)
    throw bad("no notes of ours at the end: truncated, or made by another tool");
  const wanted = checksumField([file.subarray(0, summed.start)]);
  if (!sameBytes(joined(wanted), file.subarray(summed.start)))
    throw bad("checksum differs: the file was changed or damaged");
  const { name, inputs, outputs, key, result } = readNotes(json);
  return { key, result, program: { name, model: file.subarray(0, noted.start), inputs, outputs } };
};
