import { jsonlRows, type JsonlOptions } from "./jsonl-rows.ts";
import type { ByteSource } from "./source.ts";

export type { JsonlOptions } from "./jsonl-rows.ts";

/** One record with its place. */
export interface JsonlRow {
  /** 1-based. */
  readonly line: number;
  readonly value: unknown;
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
