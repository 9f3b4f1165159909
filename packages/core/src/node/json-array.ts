import { DatasetError } from "../errors.ts";
import type { CallOptions } from "../interfaces.ts";
import { describe } from "../dataset/fields.ts";
import { parseJson } from "../dataset/json.ts";
import type { RowResult } from "../dataset/read.ts";
import { bytesOfSource } from "./source.ts";

/** Options of `jsonArrayRows`. */
export interface JsonArrayOptions extends CallOptions {
  /** Longest file in bytes. Default 256 MiB: a JSON array must be held in memory as a whole. */
  readonly maxBytes?: number | undefined;
}

const wholeText = async (file: string, options: JsonArrayOptions): Promise<string> => {
  const maxBytes = options.maxBytes ?? 256 * 1024 * 1024;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytesOfSource(file, options.signal)) {
    size += chunk.length;
    if (size > maxBytes) throw new DatasetError({ file }, `expected at most ${maxBytes} bytes; use JSONL for more`);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new DatasetError({ file }, "expected UTF-8, got other bytes", { cause });
  }
};

/**
 * Rows of a JSON file that is one array of records, as Multimodal RewardBench ships; numbered from 1.
 *
 * @throws DatasetError, AbortError
 */
export async function* jsonArrayRows(
  file: string,
  options: JsonArrayOptions = {},
): AsyncGenerator<RowResult, void, undefined> {
  const value = parseJson(await wholeText(file, options), { file });
  if (!Array.isArray(value)) {
    throw new DatasetError({ file }, `expected a JSON array of records, got ${describe(value)}; use .jsonl for lines`);
  }
  let line = 0;
  for (const row of value as readonly unknown[]) yield { line: ++line, value: row };
}
