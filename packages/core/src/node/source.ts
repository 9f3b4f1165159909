/** Opening what a user named: a path, standard input, or a stream. */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { AbortError, ConfigError, DatasetError, isR1Error, messageOf } from "../errors.ts";

/** A path, `"-"` for standard input, or a stream of bytes. */
export type ByteSource = string | Readable;

/** Name of a source in errors. */
export const nameOfSource = (source: ByteSource): string => {
  if (typeof source !== "string") return "<stream>";
  return source === "-" ? "<stdin>" : source;
};

/** The error of a file that cannot be read. */
export const cannotRead = (file: string, cause: unknown, signal?: AbortSignal): Error => {
  if (signal?.aborted) return new AbortError(`${file}: aborted by the caller`, { cause: signal.reason });
  if (isR1Error(cause)) return cause;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const problem = code === "ENOENT" ? "no such file" : code === "EISDIR" ? "is a folder" : messageOf(cause);
  return new DatasetError({ file }, `cannot be read: ${problem}`, { cause });
};

const CHUNK_BYTES = 1 << 18;

/**
 * The bytes of a source, in chunks.
 *
 * @throws DatasetError when it cannot be read, AbortError when the signal fires
 */
export async function* bytesOfSource(
  source: ByteSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = nameOfSource(source);
  const stream =
    typeof source !== "string"
      ? source
      : source === "-"
        ? process.stdin
        : createReadStream(source, { highWaterMark: CHUNK_BYTES });
  const stop = (): void => void stream.destroy(new Error("aborted"));
  signal?.addEventListener("abort", stop, { once: true });
  try {
    if (signal?.aborted) throw signal.reason;
    for await (const chunk of stream as AsyncIterable<unknown>) {
      if (typeof chunk === "string") yield Buffer.from(chunk);
      else if (chunk instanceof Uint8Array) yield chunk;
      else throw new ConfigError(`${file}: expected a stream of bytes, got a stream of ${typeof chunk}s`);
    }
  } catch (cause) {
    throw cannotRead(file, cause, signal);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
