/**
 * An append-only JSONL file of results that survives kill -9: a line is written whole or, if the process dies inside
 * the write, cut off again by the next run. Lines of failed pairs are dropped on resume, so that they are tried again.
 */
import { constants } from "node:fs";
import { open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { ConfigError, messageOf, OutputError } from "@r1reward/core";
import { lockOutput } from "./lock.ts";

const SYNC_EVERY_MS = 1_000;

/** How every line begins, since `key` is the first property of a result. */
const LINE_START = '{"key":"';

/** What every line of a results file carries, besides its results. */
export interface ResultLine {
  /** Identity of the pair in this run: content hash and occurrence. */
  readonly key: string;
  /** Fingerprint of judge, votes, orders and seed: results of different runs are never mixed. */
  readonly run: string;
  readonly status: "ok" | "failed";
}

/** Where results go. */
export interface ResultsFile<L extends ResultLine> extends AsyncDisposable {
  /** Lines that an earlier run finished. */
  readonly finished: ReadonlyMap<string, L>;
  append(line: L): Promise<void>;
}

const outputError = (path: string, cause: unknown): OutputError => {
  const code = (cause as NodeJS.ErrnoException).code;
  const hint =
    code === "ENOSPC" ? "no space left; free some and run the same command again to go on" : messageOf(cause);
  return new OutputError(`${path}: cannot write results: ${hint}`, { cause });
};

const exists = async (path: string): Promise<boolean> => {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new ConfigError(`--out ${path}: expected a file, got something else`);
    return info.size > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
};

/** Bytes up to and including the last newline: what follows is the mark of a process that died while writing. */
const wholeLength = async (file: FileHandle): Promise<number> => {
  const window = Buffer.alloc(1 << 16);
  let end = (await file.stat()).size;
  while (end > 0) {
    const start = Math.max(0, end - window.length);
    const { bytesRead } = await file.read(window, 0, end - start, start);
    const newline = window.subarray(0, bytesRead).lastIndexOf(10);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
};

/** Cuts off a torn last line, after making sure that it is one of ours and not the end of somebody's notes. */
const cutTornLine = async (path: string, file: FileHandle, length: number): Promise<void> => {
  const { size } = await file.stat();
  if (size === length) return;
  const head = Buffer.alloc(Math.min(LINE_START.length, size - length));
  await file.read(head, 0, head.length, length);
  if (!LINE_START.startsWith(head.toString())) throw foreignLine(path, "last line");
  await file.truncate(length);
};

const readFinished = async <L extends ResultLine>(
  path: string,
  run: string,
): Promise<{ lines: Map<string, L>; dropped: number }> => {
  const lines = new Map<string, L>();
  const file = await open(path, "r+");
  try {
    const length = await wholeLength(file);
    let number = 0;
    let dropped = 0;
    for await (const text of length === 0 ? [] : file.readLines({ start: 0, end: length - 1, autoClose: false })) {
      const value = parseLine<L>(path, (number += 1), text);
      if (value.run !== run) throw otherRun(path, number);
      if (value.status === "ok") lines.set(value.key, value);
      else dropped += 1;
    }
    await cutTornLine(path, file, length);
    return { lines, dropped };
  } finally {
    await file.close();
  }
};

const otherRun = (path: string, line: number): ConfigError =>
  new ConfigError(
    `${path}:${line}: holds results of another run (other judge, votes, orders or seed); choose another --out, or pass --overwrite`,
  );

const foreignLine = (path: string, line: number | string): OutputError =>
  new OutputError(`${path}:${line}: expected a result line of this program; choose another --out, or pass --overwrite`);

const parseLine = <L extends ResultLine>(path: string, line: number, text: string): L => {
  try {
    const value = JSON.parse(text) as L;
    if (typeof value === "object" && value !== null && typeof value.key === "string" && typeof value.run === "string")
      return value;
  } catch {
    // falls through: reported with its place below
  }
  throw foreignLine(path, line);
};

/** Rewrites the file without its failed lines, so that resuming tries those pairs again. */
const rewrite = async <L extends ResultLine>(path: string, lines: Iterable<L>): Promise<void> => {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, "wx");
  try {
    for (const line of lines) await file.write(`${JSON.stringify(line)}\n`);
    await file.sync();
  } catch (cause) {
    await file.close();
    await rm(temporary, { force: true });
    throw outputError(path, cause);
  }
  await file.close();
  await rename(temporary, path);
};

const appender = <L extends ResultLine>(path: string, file: FileHandle, start: number) => {
  let offset = start;
  let lastSync = Date.now();
  let queue: Promise<void> = Promise.resolve();
  const write = async (line: L): Promise<void> => {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    try {
      let written = 0;
      while (written < bytes.length)
        written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
      offset += bytes.length;
      if (Date.now() - lastSync > SYNC_EVERY_MS) {
        await file.datasync();
        lastSync = Date.now();
      }
    } catch (cause) {
      await file.truncate(offset).catch(() => {}); // what was written before stays whole
      throw outputError(path, cause);
    }
  };
  return {
    append(line: L): Promise<void> {
      const mine = queue.then(() => write(line));
      queue = mine.catch(() => {});
      return mine;
    },
    async close(): Promise<void> {
      await queue;
      await file.datasync().catch(() => {}); // pipes and /dev/full cannot sync; a failed write was reported already
      await file.close();
    },
  };
};

interface OpenOptions {
  readonly run: string;
  readonly overwrite: boolean;
}

const openLocked = async <L extends ResultLine>(path: string, options: OpenOptions): Promise<ResultsFile<L>> => {
  let finished = new Map<string, L>();
  if (!options.overwrite && (await exists(path))) {
    const read = await readFinished<L>(path, options.run);
    finished = read.lines;
    if (read.dropped > 0) await rewrite(path, finished.values());
  }
  const flags = constants.O_WRONLY | constants.O_CREAT | (options.overwrite ? constants.O_TRUNC : 0);
  const file = await open(path, flags, 0o644).catch((cause: unknown) => {
    throw outputError(path, cause);
  });
  const { append, close } = appender<L>(path, file, (await file.stat()).size);
  return { finished, append, [Symbol.asyncDispose]: close };
};

/**
 * Opens a results file and reads what an earlier run finished. Until it is disposed of no other process can write it.
 * @throws ConfigError when the file belongs to another run, OutputError when it cannot be read or written, or somebody else writes it.
 */
export const openResults = async <L extends ResultLine>(
  path: string,
  options: OpenOptions,
): Promise<ResultsFile<L>> => {
  const lock = await lockOutput(path);
  try {
    const opened = await openLocked<L>(path, options);
    const close = async (): Promise<void> => {
      try {
        await opened[Symbol.asyncDispose]();
      } finally {
        await lock[Symbol.asyncDispose]();
      }
    };
    return { ...opened, [Symbol.asyncDispose]: close };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
};

/**
 * Reads a results file without changing it.
 * @throws OutputError naming the line that is none of ours.
 */
export const readResults = async <L extends ResultLine>(path: string): Promise<readonly L[]> => {
  const lines: L[] = [];
  const file = await open(path).catch((cause: unknown) => {
    throw new OutputError(`${path}: cannot read results: ${messageOf(cause)}`, { cause });
  });
  for await (const text of file.readLines()) lines.push(parseLine<L>(path, lines.length + 1, text));
  return lines;
};

/** Results on stdout: nothing to resume from, but nothing lost to a slow reader either. */
export const stdoutResults = <L extends ResultLine>(
  stream: NodeJS.WritableStream = process.stdout,
): ResultsFile<L> => ({
  finished: new Map(),
  append: (line) =>
    new Promise((resolve, reject) => {
      stream.write(`${JSON.stringify(line)}\n`, (error) => (error ? reject(outputError("stdout", error)) : resolve()));
    }),
  [Symbol.asyncDispose]: async () => {},
});
