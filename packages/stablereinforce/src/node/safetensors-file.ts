/** Safetensors files: single tensors or rows of them are read without loading the rest; writing is atomic. */
import { throwIfAborted, isR1Error } from "@r1reward/core";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";
import { bytesPerElement, elementsOf } from "../safetensors/dtype.ts";
import { entryOf, tensorFrom } from "../safetensors/format.ts";
import { headerLength, parseHeader } from "../safetensors/header.ts";
import type {
  SafetensorsEntry,
  SafetensorsHeader,
  SafetensorsReadOptions,
  SafetensorsTensor,
} from "../safetensors/types.ts";
import { layoutSafetensors, tensorBytes, type SafetensorsSpec } from "../safetensors/write.ts";
import { atomicWrite, writeFully } from "./atomic-write.ts";
import { checkNumbers, readFloats, type PlacedTensor } from "./windows.ts";

/** Where a tensor's bytes lie on the disk: what ONNX calls external data. */
export interface TensorLocation {
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
}

/** Which part of a tensor to read. */
export interface ReadTensorOptions {
  /** Only rows `[from, to)` of the outermost dimension. */
  readonly rows?: readonly [from: number, to: number] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Tensors on the disk, in one file or in several shards. Dispose it to close the files. */
export interface TensorSource extends AsyncDisposable {
  readonly names: readonly string[];
  /** Dtype and shape, without reading the elements. Throws `missing-tensor`. */
  readonly entry: (name: string) => SafetensorsEntry;
  /** Reads one tensor, or rows of it. Throws `CheckpointError`, `AbortError`. */
  readonly read: (name: string, options?: ReadTensorOptions) => Promise<SafetensorsTensor>;
  /**
   * Looks at every number of a tensor and keeps none.
   * @throws CheckpointError `not-finite`, with the element's place; AbortError
   */
  readonly check: (name: string, signal?: AbortSignal) => Promise<void>;
  /**
   * Reads a tensor as float32 into an array, having looked at every number.
   * @throws CheckpointError `not-finite`, with the element's place; AbortError
   */
  readonly readFloats: (name: string, into: Float32Array, signal?: AbortSignal) => Promise<void>;
  /** Where the bytes lie, so that a runtime can use them in place. */
  readonly locate: (name: string) => TensorLocation;
}

/** One open file. */
export interface SafetensorsFile extends TensorSource {
  readonly header: SafetensorsHeader;
}

const ioError = (file: string, cause: unknown): CheckpointError =>
  new CheckpointError({ file, problem: "io" }, cause instanceof Error ? cause.message : String(cause), { cause });

const readInto = async (handle: FileHandle, bytes: Uint8Array, position: number, file: string): Promise<Uint8Array> => {
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(2 ** 30, bytes.length - at), position + at);
    if (bytesRead === 0) {
      throw new CheckpointError({ file, problem: "length-mismatch" }, `expected ${bytes.length - at} more bytes`);
    }
    at += bytesRead;
  }
  return bytes;
};

const readFully = (handle: FileHandle, position: number, length: number, file: string): Promise<Uint8Array> =>
  readInto(handle, new Uint8Array(length), position, file);

const readHeader = async (handle: FileHandle, options: SafetensorsReadOptions & { file: string }) => {
  const stat = await handle.stat();
  if (!stat.isFile()) throw new CheckpointError({ file: options.file, problem: "io" }, "expected a regular file");
  const start = await readFully(handle, 0, Math.min(16, stat.size), options.file);
  const length = headerLength(start, stat.size, options);
  return parseHeader(await readFully(handle, 8, length, options.file), stat.size, options);
};

const rowsOf = (entry: SafetensorsEntry, rows: readonly [number, number], file: string): SafetensorsEntry => {
  const [from, to] = rows;
  const [count = 0, ...rest] = entry.shape;
  const valid = entry.shape.length > 0 && Number.isInteger(from) && Number.isInteger(to);
  if (!valid || from < 0 || from > to || to > count) {
    throw new CheckpointError(
      { file, problem: "shape-mismatch", tensor: entry.name },
      `expected rows within 0 to ${count}, got ${from} to ${to}`,
    );
  }
  const rowBytes = (elementsOf(rest) ?? 0) * bytesPerElement(entry.dtype);
  const begin = entry.begin + from * rowBytes;
  return { ...entry, shape: [to - from, ...rest], begin, end: begin + (to - from) * rowBytes };
};

/**
 * Opens a file and checks its header; elements are read when they are asked for.
 *
 * @throws CheckpointError on anything the format forbids, on pickles, and on what is no regular file.
 */
export const openSafetensors = async (path: string, options: SafetensorsReadOptions = {}): Promise<SafetensorsFile> => {
  const strict = { ...options, file: options.file ?? path };
  // Without O_NONBLOCK, opening a FIFO would wait for a writer forever.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((cause: unknown) => {
    throw ioError(strict.file, cause);
  });
  const header = await readHeader(handle, strict).catch(async (cause: unknown) => {
    await handle.close();
    throw isR1Error(cause) ? cause : ioError(strict.file, cause);
  });
  const entry = (name: string) => entryOf(header, name, strict.file);
  const placed = (name: string): PlacedTensor => {
    const found = entry(name);
    const read = (bytes: Uint8Array, at: number) =>
      readInto(handle, bytes, header.dataStart + found.begin + at, strict.file);
    return { entry: found, file: strict.file, read };
  };
  return {
    header,
    names: [...header.tensors.keys()],
    entry,
    locate: (name) => {
      const { begin, end } = entry(name);
      return { path, offset: header.dataStart + begin, length: end - begin };
    },
    read: async (name, { rows, signal } = {}) => {
      throwIfAborted(signal);
      const whole = entry(name);
      const part = rows === undefined ? whole : rowsOf(whole, rows, strict.file);
      const bytes = await readFully(handle, header.dataStart + part.begin, part.end - part.begin, strict.file);
      return tensorFrom(part, bytes, strict);
    },
    check: (name, signal) => checkNumbers(placed(name), signal),
    readFloats: (name, into, signal) => readFloats(placed(name), into, signal),
    [Symbol.asyncDispose]: () => handle.close(),
  };
};

/** How a file is written. */
export interface SaveSafetensorsOptions {
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a file atomically, asking for one tensor at a time in file order: memory holds one tensor, not the model.
 *
 * @param specs Dtype and shape of every tensor.
 * @param load Gives a tensor's elements when its place in the file is reached.
 * @throws CheckpointError on names or sizes a reader would refuse, and `io`; AbortError. The old file is kept then.
 */
export const streamSafetensors = async (
  path: string,
  specs: Iterable<readonly [string, SafetensorsSpec]>,
  load: (name: string) => SafetensorsTensor | Promise<SafetensorsTensor>,
  options: SaveSafetensorsOptions = {},
): Promise<void> => {
  const { head, order } = layoutSafetensors(specs, { metadata: options.metadata, file: path });
  try {
    await atomicWrite(path, async (file) => {
      await writeFully(file, head);
      for (const entry of order) {
        throwIfAborted(options.signal);
        await writeFully(file, tensorBytes(path, entry, await load(entry.name)));
      }
    });
  } catch (cause) {
    throw isR1Error(cause) ? cause : ioError(path, cause);
  }
};

/** Writes tensors that are in memory. See `streamSafetensors`. */
export const saveSafetensors = async (
  path: string,
  tensors: Iterable<readonly [string, SafetensorsTensor]>,
  options: SaveSafetensorsOptions = {},
): Promise<void> => {
  const all = [...tensors];
  const byName = new Map(all);
  await streamSafetensors(path, all, (name) => byName.get(name) as SafetensorsTensor, options);
};
