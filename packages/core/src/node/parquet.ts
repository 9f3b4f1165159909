import { open, type FileHandle } from "node:fs/promises";
import { parquetMetadataAsync, parquetReadObjects, type AsyncBuffer, type FileMetaData } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { AbortError, DatasetError, messageOf, throwIfAborted } from "../errors.ts";
import type { CallOptions } from "../interfaces.ts";
import { cannotRead } from "./source.ts";

/** Options of `readParquet`. */
export interface ParquetOptions extends CallOptions {
  /** Columns to read; all unless given. A column that the file lacks is an error. */
  readonly columns?: readonly string[] | undefined;
  /** Largest row group in uncompressed bytes, as the file declares it. Default 2 GiB: one is held at a time. */
  readonly maxRowGroupBytes?: number | undefined;
}

/** One row with its place. */
export interface ParquetRow {
  /** 1-based row of the file. */
  readonly line: number;
  readonly value: Readonly<Record<string, unknown>>;
}

const asyncBuffer = (handle: FileHandle, byteLength: number): AsyncBuffer => ({
  byteLength,
  slice: async (start, end = byteLength) => {
    if (start < 0 || end < start || end > byteLength)
      throw new RangeError(`bytes ${start} to ${end} are not in the file`);
    const bytes = new Uint8Array(end - start);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
    if (bytesRead !== bytes.length) throw new RangeError("the file became shorter while it was read");
    return bytes.buffer;
  },
});

const checkSchema = (metadata: FileMetaData, file: string, options: ParquetOptions): void => {
  if (metadata.schema.some(({ name }) => name === "__proto__")) {
    throw new DatasetError({ file, field: "__proto__" }, "this column name is not allowed");
  }
  const columns = new Set(metadata.schema.slice(1).map(({ name }) => name));
  for (const column of options.columns ?? []) {
    if (!columns.has(column)) {
      throw new DatasetError({ file, field: column }, `expected this column, got ${[...columns].join(", ")}`);
    }
  }
};

/** Refuses a footer that contradicts itself or points outside of the file, before anything is allocated for it. */
const checkRowGroups = (metadata: FileMetaData, file: string, byteLength: number): void => {
  let rows = 0n;
  for (const { num_rows, columns } of metadata.row_groups) {
    const line = Number(rows) + 1;
    if (num_rows < 0n || num_rows > 2n ** 31n)
      throw new DatasetError({ file, line }, `a row group of ${num_rows} rows`);
    rows += num_rows;
    for (const { meta_data } of columns) {
      const field = meta_data?.path_in_schema.join(".");
      const start = meta_data?.dictionary_page_offset ?? meta_data?.data_page_offset ?? -1n;
      const size = meta_data?.total_compressed_size ?? -1n;
      if (start < 0n || size < 0n || start + size > BigInt(byteLength)) {
        throw new DatasetError({ file, line, field }, "the column does not lie inside the file: it is cut or damaged");
      }
    }
  }
  if (rows !== metadata.num_rows) {
    throw new DatasetError({ file }, `expected ${metadata.num_rows} rows, the row groups have ${rows}`);
  }
};

const corrupt = (file: string, line: number | undefined, cause: unknown): DatasetError =>
  cause instanceof DatasetError
    ? cause
    : new DatasetError({ file, line }, `expected a parquet file: ${messageOf(cause)}`, { cause });

async function* rowsOf(
  file: AsyncBuffer,
  name: string,
  options: ParquetOptions,
): AsyncGenerator<ParquetRow, void, undefined> {
  const metadata = await parquetMetadataAsync(file).catch((cause: unknown) => {
    throw corrupt(name, undefined, cause);
  });
  checkSchema(metadata, name, options);
  checkRowGroups(metadata, name, file.byteLength);
  const most = options.maxRowGroupBytes ?? 2 ** 31;
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    throwIfAborted(options.signal);
    const first = rowStart + 1;
    if (group.total_byte_size > most) {
      throw new DatasetError({ file: name, line: first }, `expected row groups of at most ${most} bytes`);
    }
    const rowEnd = rowStart + Number(group.num_rows);
    const columns = options.columns === undefined ? {} : { columns: [...options.columns] };
    // Without `utf8: false`, bytes that are no text (images) would be decoded as text and destroyed.
    const read = { file, metadata, compressors, rowStart, rowEnd, utf8: false, ...columns };
    const rows = await parquetReadObjects(read).catch((cause: unknown) => {
      throw corrupt(name, first, cause);
    });
    if (rows.length !== rowEnd - rowStart) {
      throw new DatasetError({ file: name, line: first }, `expected ${rowEnd - rowStart} rows, got ${rows.length}`);
    }
    for (const value of rows) yield { line: ++rowStart, value };
  }
}

/**
 * Rows of a parquet file, one row group in memory at a time. Text columns are strings, binary columns `Uint8Array`s,
 * 64-bit integers bigints. The footer is checked before anything is read; bytes damaged inside a data page are found by
 * the decoder, where the format's lack of checksums allows, so read files from publishers you trust.
 *
 * @throws DatasetError for a file that cannot be read or lacks a column, AbortError when the signal fires
 */
export async function* readParquet(
  file: string,
  options: ParquetOptions = {},
): AsyncGenerator<ParquetRow, void, undefined> {
  let handle: FileHandle;
  try {
    handle = await open(file, "r");
  } catch (cause) {
    throw cannotRead(file, cause, options.signal);
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new DatasetError({ file }, "expected a regular file");
    yield* rowsOf(asyncBuffer(handle, stats.size), file, options);
  } catch (cause) {
    if (cause instanceof AbortError || cause instanceof DatasetError) throw cause;
    throw corrupt(file, undefined, cause);
  } finally {
    await handle.close();
  }
}
