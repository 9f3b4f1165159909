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
