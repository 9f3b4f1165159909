/** Lays out and writes safetensors. Byte for byte what the reference writer produces from the same tensors. */
import { CheckpointError } from "../errors.ts";
import { arrayOf, bytesOf, bytesOfArray, elementsOf, isSafetensorsDtype, SAFETENSORS_DTYPES } from "./dtype.ts";
import { parseHeader } from "./header.ts";
import type { SafetensorsDtype, SafetensorsEntry, SafetensorsTensor } from "./types.ts";

/** What a header says of a tensor, before its bytes are known. */
export interface SafetensorsSpec {
  readonly dtype: SafetensorsDtype;
  /** Dimensions, outermost first. */
  readonly shape: readonly number[];
}

/** A header ready to be written, and the order in which the tensors' bytes follow it. */
export interface SafetensorsLayout {
  /** The 8 length bytes and the padded JSON. */
  readonly head: Uint8Array;
  readonly order: readonly SafetensorsEntry[];
  /** Length of the whole file. */
  readonly fileBytes: number;
}

const rank = (dtype: SafetensorsDtype): number => SAFETENSORS_DTYPES.indexOf(dtype);

const byteOrder = (a: string, b: string): number => {
  const [x, y] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = (x[i] as number) - (y[i] as number);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
};

const headBytes = (
  order: readonly SafetensorsEntry[],
  metadata: Readonly<Record<string, string>> | undefined,
): Uint8Array => {
  // Built from pairs, because an object literal would reorder names that look like array indices.
  const fields = order.map(
    ({ name, dtype, shape, begin, end }) =>
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`,
  );
  if (metadata !== undefined) fields.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const head = new Uint8Array(8 + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(json, 8);
  return head;
};

const checkDtype = (file: string, tensor: string, dtype: unknown): void => {
  if (isSafetensorsDtype(dtype)) return;
  const got = typeof dtype === "string" ? JSON.stringify(dtype) : String(dtype);
  throw new CheckpointError(
    { file, problem: "bad-dtype", tensor },
    `expected one of ${SAFETENSORS_DTYPES.join(" ")}, got ${got}`,
  );
};

/**
 * Lays a file out: widest dtypes first, then by name, so that every tensor is aligned to its element width.
 *
 * @throws CheckpointError `bad-name`, `bad-dtype`, `bad-shape` on what the reader would refuse.
 */
export const layoutSafetensors = (
  specs: Iterable<readonly [string, SafetensorsSpec]>,
  options: {
    readonly metadata?: Readonly<Record<string, string>> | undefined;
    readonly file?: string | undefined;
  } = {},
): SafetensorsLayout => {
  const file = options.file ?? "safetensors";
  const sorted = [...specs].sort(([a, x], [b, y]) => rank(y.dtype) - rank(x.dtype) || byteOrder(a, b));
  let at = 0;
  const order = sorted.map(([name, { dtype, shape }]) => {
    checkDtype(file, name, dtype);
    const bytes = bytesOf(dtype, shape);
    if (bytes === null)
      throw new CheckpointError({ file, problem: "bad-shape", tensor: name }, "expected counted sizes");
    const begin = at;
    at += bytes;
    return { name, dtype, shape: [...shape], begin, end: at };
  });
  const head = headBytes(order, options.metadata);
  // What is written is read first: a name or a duplicate that a reader refuses must never reach the disk.
  parseHeader(head.subarray(8), head.byteLength + at, { file, maxHeaderBytes: head.byteLength });
  return { head, order, fileBytes: head.byteLength + at };
};

/**
 * The bytes of a tensor for its place in a layout. An array of another class would be written as other numbers.
 * @throws CheckpointError `shape-mismatch` when the array's length or the tensor's dtype is wrong, `bad-dtype` when its class is
 */
export const tensorBytes = (file: string, entry: SafetensorsEntry, tensor: SafetensorsTensor): Uint8Array => {
  const { dtype, data } = tensor;
  const elements = elementsOf(entry.shape);
  const fail = (problem: "bad-dtype" | "shape-mismatch", text: string): CheckpointError =>
    new CheckpointError({ file, problem, tensor: entry.name }, text);
  const wanted = arrayOf(entry.dtype);
  if (dtype === entry.dtype && !(data instanceof wanted)) {
    const got = (data as object | null | undefined)?.constructor.name ?? String(data);
    throw fail("bad-dtype", `expected ${entry.dtype} in ${wanted.name}, got ${got}`);
  }
  if (dtype !== entry.dtype || data.length !== elements) {
    const text = `expected ${elements} elements of ${entry.dtype}, got ${data.length} of ${dtype}`;
    throw fail("shape-mismatch", text);
  }
  return bytesOfArray(data);
};

/**
 * Encodes tensors into one file's bytes.
 *
 * @throws CheckpointError `bad-name`, `bad-dtype`, `bad-shape`, `shape-mismatch`, `duplicate-key`.
 */
export const encodeSafetensors = (
  tensors: Iterable<readonly [string, SafetensorsTensor]>,
  options: {
    readonly metadata?: Readonly<Record<string, string>> | undefined;
    readonly file?: string | undefined;
  } = {},
): Uint8Array => {
  const all = [...tensors];
  const byName = new Map(all);
  const { head, order, fileBytes } = layoutSafetensors(all, options);
  const file = new Uint8Array(fileBytes);
  file.set(head, 0);
  for (const entry of order) {
    const tensor = byName.get(entry.name) as SafetensorsTensor;
    file.set(tensorBytes(options.file ?? "safetensors", entry, tensor), head.byteLength + entry.begin);
  }
  return file;
};
