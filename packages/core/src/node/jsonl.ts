import { DatasetError } from "../errors.ts";
import type { CallOptions } from "../interfaces.ts";
import { parseJson } from "../dataset/json.ts";
import type { RowResult } from "../dataset/read.ts";
import { readLines, type LineResult } from "./lines.ts";
import { bytesOfSource, nameOfSource, type ByteSource } from "./source.ts";

/** Options of `readJsonl`. */
export interface JsonlOptions extends CallOptions {
  /** Longest line in bytes. Default 64 MiB: an image of the largest allowed size in base64 fits twice. */
  readonly maxLineBytes?: number | undefined;
}

/** One record with its place. */
export interface JsonlRow {
  /** 1-based. */
  readonly line: number;
  readonly value: unknown;
}

const DEFAULT_LINE_BYTES = 64 * 1024 * 1024;

const parseLine = (result: LineResult, file: string): RowResult => {
  if ("error" in result) return result;
  try {
    return { line: result.line, value: parseJson(result.text, { file, line: result.line }) };
  } catch (error) {
    if (error instanceof DatasetError) return { line: result.line, error };
    throw error;
  }
};

/** Rows of a JSONL source; a bad line is a row with an error, so that a reader may go on. */
export async function* jsonlRows(
  source: ByteSource,
  options: JsonlOptions = {},
): AsyncGenerator<RowResult, void, undefined> {
  const file = nameOfSource(source);
  const bytes = bytesOfSource(source, options.signal);
  for await (const line of readLines(bytes, { file, maxLineBytes: options.maxLineBytes ?? DEFAULT_LINE_BYTES })) {
    if ("text" in line && line.text.trim() === "") continue;
    yield parseLine(line, file);
  }
}

/**
 * The values of a JSONL file, of standard input (`"-"`) or of a stream, one line at a time. Blank lines are skipped,
 * a byte order mark and CRLF are fine.
 *
 * @throws DatasetError naming file and line for a line that is too long, no UTF-8 or no JSON, or that has a
 *   `__proto__` key; AbortError when the signal fires
 */
export async function* readJsonl(
  source: ByteSource,
  options: JsonlOptions = {},
): AsyncGenerator<JsonlRow, void, undefined> {
  for await (const row of jsonlRows(source, options)) {
    if ("error" in row) throw row.error;
    yield row;
  }
}
