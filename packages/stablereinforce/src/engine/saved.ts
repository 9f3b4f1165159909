/**
 * Saved graphs are ordinary `.onnx` files (any ONNX tool opens them) with our notes in `metadata_props`, among them a
 * checksum, so that a truncated or changed file is refused and never half-used.
 */
import { EngineError } from "./errors.ts";
import { join, message, text } from "./onnx/proto.ts";
import type { Port, Program } from "./runtime/session.ts";
import type { Template } from "./tree.ts";

const FORMAT = "1";
const NOTES = "r1reward";

/** What is saved beside the model. */
export interface SavedNotes {
  /** Signature that the graph serves. */
  readonly key: string;
  readonly result: Template;
}

interface Notes extends SavedNotes {
  readonly format: string;
  readonly checksum: number;
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly sentinel: boolean;
}

/** FNV-1a, 32 bits: catches truncation and bit rot; it is no protection against an attacker. */
const checksum = (bytes: Uint8Array): number => {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
};

/** The bytes of a saved graph. */
export const encodeProgram = (program: Program, saved: SavedNotes): Uint8Array => {
  const { name, inputs, outputs, sentinel } = program;
  const notes: Notes = { ...saved, format: FORMAT, checksum: checksum(program.model), name, inputs, outputs, sentinel };
  const note = message(14, [text(1, NOTES), text(2, JSON.stringify(notes))]);
  return join({ size: program.model.byteLength + note.size, parts: [program.model, ...note.parts] });
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

/** The value of a StringStringEntryProto whose key is ours. */
const noteOf = (body: Uint8Array): string | undefined => {
  const [key, value] = fieldsOf(body);
  const decoder = new TextDecoder();
  return key !== undefined && decoder.decode(key.body) === NOTES ? decoder.decode(value?.body) : undefined;
};

/**
 * A saved graph, checked.
 * @throws EngineError `bad-graph`
 */
export const decodeProgram = (file: Uint8Array): SavedNotes & { program: Program } => {
  const last = fieldsOf(file).at(-1);
  const json = last?.field === 14 ? noteOf(last.body) : undefined;
  if (last === undefined || json === undefined)
    throw bad("no notes of ours at the end: truncated, or made by another tool");
  let notes: Notes;
  try {
    notes = JSON.parse(json) as Notes;
  } catch (cause) {
    throw bad("its notes are no JSON", cause);
  }
  if (notes.format !== FORMAT) throw bad(`format ${String(notes.format)}, expected ${FORMAT}: save it again`);
  const model = file.subarray(0, last.start);
  if (checksum(model) !== notes.checksum) throw bad("checksum differs: the file was changed or damaged");
  const { name, inputs, outputs, sentinel, key, result } = notes;
  return { key, result, program: { name, model, inputs, outputs, sentinel } };
};
