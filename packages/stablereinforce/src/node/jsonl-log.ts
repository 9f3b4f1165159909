/** Lines of JSON with a step each, in a file that a resumed run goes on in. */
import { mkdir, open, readFile, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf, OutputError } from "@r1reward/core";
import { writeFully } from "./atomic-write.ts";

/** Anything of a step. */
export interface Stepped {
  readonly step: number;
}

/** A file that lines are added to. */
export interface JsonlLog<T extends Stepped> extends AsyncDisposable {
  /** What was there, up to the step that the run goes on from. */
  readonly before: readonly T[];
  readonly write: (record: T) => Promise<void>;
  /** Drops the records of later steps. */
  readonly rewind: (step: number) => Promise<void>;
}

/** How the file is opened and written. */
export interface JsonlLogOptions<T extends Stepped> {
  /** The step that the run goes on from: later records are dropped. −1 drops all; left out, the file stays as it is. */
  readonly after?: number | undefined;
  /** One line without a line feed; JSON by default. */
  readonly encode?: ((record: T) => string) | undefined;
  /** What `encode` wrote; JSON by default. */
  readonly decode?: ((line: string) => T) | undefined;
}

const output = async <R>(file: string, work: () => Promise<R>): Promise<R> => {
  try {
    return await work();
  } catch (cause) {
    throw new OutputError(`${file}: ${messageOf(cause)}`, { cause });
  }
};

type Decode<T> = (line: string) => T;

const parse = <T extends Stepped>(line: string, decode: Decode<T>): T | null => {
  try {
    const record = decode(line);
    return typeof record.step === "number" ? record : null;
  } catch {
    return null;
  }
};

/** Records up to a step and the bytes they take; the first line that is torn or of a later step ends them. */
const upTo = <T extends Stepped>(text: string, step: number, decode: Decode<T>) => {
  const records: T[] = [];
  let bytes = 0;
  for (const line of text.split("\n").slice(0, -1)) {
    const record = parse(line, decode);
    if (record === null || !(record.step <= step)) break;
    records.push(record);
    bytes += Buffer.byteLength(line) + 1;
  }
  return { records, bytes };
};

/**
 * Opens a log and drops what is of later steps, or was torn by a crash.
 * @throws OutputError when the file cannot be opened or written
 */
export const jsonlLog = async <T extends Stepped>(file: string, options: JsonlLogOptions<T>): Promise<JsonlLog<T>> => {
  const { after, encode = (record: T) => JSON.stringify(record), decode = (line) => JSON.parse(line) as T } = options;
  const cut = async (step: number): Promise<readonly T[]> => {
    const { records, bytes } = upTo<T>(await readFile(file, "utf8"), step, decode);
    await truncate(file, bytes);
    return records;
  };
  const [handle, before] = await output(file, async () => {
    await mkdir(dirname(file), { recursive: true });
    const opened = await open(file, "a");
    return [opened, after === undefined ? [] : await cut(after)] as const;
  });
  const queue = { last: Promise.resolve() };
  const inTurn = (work: () => Promise<unknown>): Promise<void> => {
    const done = queue.last.then(() => output(file, async () => void (await work())));
    queue.last = done.catch(() => undefined);
    return done;
  };
  return {
    before,
    write: (record) => inTurn(() => writeFully(handle, Buffer.from(`${encode(record)}\n`))),
    rewind: (step) => inTurn(() => cut(step)),
    [Symbol.asyncDispose]: async () => {
      await queue.last;
      await handle.close();
    },
  };
};
