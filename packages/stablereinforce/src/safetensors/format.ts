/**
 * The safetensors format on bytes: runs in browsers and in Node. Files are under `../node/safetensors-file.ts`.
 *
 * A file is `u64 length | JSON header | data`. Tensors tile the data part; there is no code in it, unlike in a pickle.
 */
import { CheckpointError } from "../errors.ts";
import { viewAs } from "./dtype.ts";
import { headerLength, parseHeader } from "./header.ts";
import type { SafetensorsEntry, SafetensorsHeader, SafetensorsReadOptions, SafetensorsTensor } from "./types.ts";
import { assertFinite } from "./values.ts";

/** A checked file in memory. */
export interface Safetensors {
  readonly header: SafetensorsHeader;
  /** Names in file order. */
  readonly names: readonly string[];
  /** A tensor by name; a view on the file's bytes where alignment allows. Throws `missing-tensor`. */
  readonly get: (name: string) => SafetensorsTensor;
}

/** The entry of a tensor. Throws `CheckpointError` `missing-tensor`. */
export const entryOf = (header: SafetensorsHeader, name: string, file: string): SafetensorsEntry => {
  const entry = header.tensors.get(name);
  if (entry !== undefined) return entry;
  throw new CheckpointError(
    { file, problem: "missing-tensor", tensor: name },
    `expected this tensor among the file's ${header.tensors.size}`,
  );
};

/** A tensor from the bytes of its span; `options.finite` scans it. */
export const tensorFrom = (
  entry: SafetensorsEntry,
  bytes: Uint8Array,
  options: SafetensorsReadOptions = {},
): SafetensorsTensor => {
  const tensor = { dtype: entry.dtype, shape: entry.shape, data: viewAs(entry.dtype, bytes) } as SafetensorsTensor;
  if (options.finite === true) assertFinite(options.file ?? "safetensors", entry.name, tensor);
  return tensor;
};

/**
 * Reads a whole file's bytes. The header is checked at once; tensors are views, made when they are asked for.
 *
 * @throws CheckpointError naming the file, the tensor and what was expected.
 */
export const decodeSafetensors = (bytes: Uint8Array, options: SafetensorsReadOptions = {}): Safetensors => {
  const length = headerLength(bytes, bytes.byteLength, options);
  const header = parseHeader(bytes.subarray(8, 8 + length), bytes.byteLength, options);
  return {
    header,
    names: [...header.tensors.keys()],
    get: (name) => {
      const entry = entryOf(header, name, options.file ?? "safetensors");
      const span = bytes.subarray(header.dataStart + entry.begin, header.dataStart + entry.end);
      return tensorFrom(entry, span, options);
    },
  };
};

/** The tensors a model expects, by name. */
export type ExpectedTensors = ReadonlyMap<string, readonly number[]>;

/**
 * Compares a header with what a configuration expects, before anything is allocated.
 *
 * @throws CheckpointError `missing-tensor`, `shape-mismatch`, or `bad-name` for a tensor nobody asked for.
 */
export const assertShapes = (header: SafetensorsHeader, expected: ExpectedTensors, file = "safetensors"): void => {
  for (const [name, shape] of expected) {
    const entry = entryOf(header, name, file);
    const same = entry.shape.length === shape.length && shape.every((dim, i) => dim === entry.shape[i]);
    if (same) continue;
    throw new CheckpointError(
      { file, problem: "shape-mismatch", tensor: name },
      `expected [${shape.join(", ")}], got [${entry.shape.join(", ")}]`,
    );
  }
  for (const name of header.tensors.keys()) {
    if (expected.has(name)) continue;
    throw new CheckpointError({ file, problem: "bad-name", tensor: name }, "expected no such tensor in this model");
  }
};
