/** Lines out of a byte stream, each with a cap, so that no line can fill the memory. */
import { DatasetError } from "../errors.ts";

/** A numbered line, or the reason why it could not be read. */
export type LineResult =
  { readonly line: number; readonly text: string } | { readonly line: number; readonly error: DatasetError };

/** What a line reader must know. */
export interface LineOptions {
  /** Name of the source in errors. */
  readonly file: string;
  /** Longest line in bytes. */
  readonly maxLineBytes: number;
}

const NEWLINE = 10;
const RETURN = 13;

const withoutBom = (bytes: Buffer): Buffer =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;

/** Turns the bytes of one line into text; invalid UTF-8 is an error, never U+FFFD. */
const lineDecoder = ({ file }: LineOptions) => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return (line: number, parts: readonly Buffer[]): LineResult => {
    const joined = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    const bytes = line === 1 ? withoutBom(joined) : joined;
    const end = bytes.at(-1) === RETURN ? bytes.length - 1 : bytes.length;
    try {
      return { line, text: decoder.decode(bytes.subarray(0, end)) };
    } catch (cause) {
      return { line, error: new DatasetError({ file, line }, "expected UTF-8, got other bytes", { cause }) };
    }
  };
};

/**
 * Lines of `chunks` with their 1-based numbers. Ends of line are LF or CRLF, the last one may be missing, a byte order
 * mark at the start is dropped. A line over the cap is reported as soon as the cap is passed; its rest is thrown away
 * unseen.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  options: LineOptions,
): AsyncGenerator<LineResult, void, undefined> {
  const { file, maxLineBytes } = options;
  const decode = lineDecoder(options);
  let parts: Buffer[] = [];
  let size = 0;
  let line = 1;
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let from = 0; from < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, from);
      const piece = bytes.subarray(from, newline < 0 ? bytes.length : newline);
      const before = size;
      size += piece.length;
      if (size <= maxLineBytes) parts.push(piece);
      else if (before <= maxLineBytes) {
        parts = [];
        yield { line, error: new DatasetError({ file, line }, `expected a line of at most ${maxLineBytes} bytes`) };
      }
      if (newline < 0) break;
      if (size <= maxLineBytes) yield decode(line, parts);
      parts = [];
      size = 0;
      line++;
      from = newline + 1;
    }
  }
  if (size > 0 && size <= maxLineBytes) yield decode(line, parts);
}
