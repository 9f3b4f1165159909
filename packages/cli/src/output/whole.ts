/** Files and folders that are there as a whole or not at all: written beside their place, then renamed. */
import { mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ConfigError, isR1Error, messageOf, OutputError } from "@r1reward/core";

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** An error of the file system as one that names the output; any other as it is. */
export const outputError = (path: string, cause: unknown): unknown =>
  isR1Error(cause) || codeOf(cause) === undefined
    ? cause
    : new OutputError(`${path}: cannot be written: ${messageOf(cause)}`, { cause });

const beside = (path: string): string => join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);

/** What is at a path. @throws OutputError when nothing can be there: below a file, say */
const kindOf = async (path: string): Promise<"file" | "folder" | "device or pipe" | "nothing"> => {
  try {
    const found = await stat(path);
    return found.isDirectory() ? "folder" : found.isFile() ? "file" : "device or pipe";
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "nothing";
    throw outputError(path, error);
  }
};

/**
 * Refuses to replace what is at the path already. `flag` is the one that names it, for the message.
 * @throws ConfigError when there is a file that must stay, or something that is none; OutputError when there can be no file
 */
export const refuseExisting = async (path: string, overwrite: boolean, flag = "--out"): Promise<void> => {
  const kind = await kindOf(path);
  if (kind === "nothing") return;
  // A device would be renamed away by the file that takes its place.
  if (kind !== "file") throw new ConfigError(`${flag} ${path}: expected a file, got a ${kind}`);
  if (!overwrite) throw new ConfigError(`${flag} ${path}: is there already; pass --overwrite to replace it`);
};

/** Where a path leads, also when there is nothing yet. */
const targetOf = (path: string): Promise<string> =>
  realpath(path).catch(async () => {
    const folder = await realpath(dirname(path)).catch(() => resolve(dirname(path)));
    return join(folder, basename(path));
  });

/** Do two paths name one file, whether through links or not, and whether it is there or not? */
export const isSameFile = async (a: string, b: string): Promise<boolean> => (await targetOf(a)) === (await targetOf(b));

/** A file in the making. What is at its path stays until it is placed; disposed of before, it leaves nothing behind. */
export interface WholeFile extends AsyncDisposable {
  write(line: string): Promise<void>;
  /** Puts what was written on the disk, so that little can fail between the first and the last of several placed files. */
  finish(): Promise<void>;
  /** Puts the finished file in its place. */
  place(): Promise<void>;
}

const BATCH = 1 << 20;

/**
 * Begins a file beside its place. All of its methods throw `OutputError`.
 * @throws OutputError when nothing can be written there
 */
export const openWhole = async (path: string): Promise<WholeFile> => {
  const temporary = beside(path);
  const failed = (cause: unknown): never => {
    throw outputError(path, cause);
  };
  const file = await open(temporary, "wx").catch(failed);
  let batch = "";
  const flush = async (): Promise<void> => {
    await file.writeFile(batch).catch(failed);
    batch = "";
  };
  return {
    async write(line) {
      batch += `${line}\n`;
      if (batch.length >= BATCH) await flush();
    },
    async finish() {
      await flush();
      await file.sync().catch(failed);
      await file.close().catch(failed);
    },
    place: () => rename(temporary, path).catch(failed),
    async [Symbol.asyncDispose]() {
      await file.close().catch(() => undefined); // closed already when it was finished
      await rm(temporary, { force: true }).catch(() => undefined); // gone already when it was placed
    },
  };
};

/** Puts files in their places once all of them are on the disk. Throws `OutputError`. */
export const placeAll = async (files: readonly WholeFile[]): Promise<void> => {
  for (const file of files) await file.finish();
  for (const file of files) await file.place();
};

/**
 * Writes lines to a file, replacing what is there; when anything fails, what was there stays. `also` are files that were written along
 * with the lines: they are placed when all are whole. Throws `OutputError`.
 */
export const writeLines = async (
  path: string,
  lines: AsyncIterable<string>,
  also: readonly WholeFile[] = [],
): Promise<void> => {
  await using file = await openWhole(path);
  for await (const line of lines) await file.write(line);
  await placeAll([file, ...also]);
};

/** Writes lines to stdout, waiting for a slow reader. */
export const printLines = async (lines: AsyncIterable<string>): Promise<void> => {
  for await (const line of lines) {
    if (!process.stdout.write(`${line}\n`)) await new Promise((done) => process.stdout.once("drain", done));
  }
};

/**
 * Makes a folder and those above it. Node's own `recursive` never ends where a folder that is there refuses others in it as if it were
 * not (`/proc`): it makes the parent, which is there, and tries again.
 * @throws OutputError
 */
export const makeFolder = async (path: string): Promise<void> => {
  const make = async (folder: string): Promise<void> => {
    if ((await kindOf(folder)) === "folder") return;
    if (dirname(folder) !== folder) await make(dirname(folder));
    await mkdir(folder).catch(async (cause: unknown) => {
      if ((await kindOf(folder)) !== "folder") throw outputError(path, cause); // else somebody else was faster
    });
  };
  await make(resolve(path));
};

const refuseFull = async (path: string): Promise<void> => {
  const kind = await kindOf(path);
  if (kind === "nothing") return;
  if (kind !== "folder") throw new ConfigError(`--out ${path}: expected a folder, got a ${kind}`);
  if ((await readdir(path)).length > 0) {
    throw new ConfigError(`--out ${path}: expected a new or empty folder, got one with files in it`);
  }
};

/**
 * Fills a new folder and puts it in its place when all is written.
 * @throws ConfigError when the folder has files, OutputError when it cannot be written
 */
export const writeFolder = async (path: string, fill: (folder: string) => Promise<void>): Promise<void> => {
  await refuseFull(path);
  const temporary = beside(path);
  try {
    await mkdir(temporary, { recursive: false });
    await fill(temporary);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    throw outputError(path, cause);
  }
};
