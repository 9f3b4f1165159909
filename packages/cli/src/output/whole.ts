/** Files and folders that are there as a whole or not at all: written beside their place, then renamed. */
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConfigError, isR1Error, messageOf, OutputError } from "@r1reward/core";

const outputError = (path: string, cause: unknown): unknown =>
  isR1Error(cause) || (cause as NodeJS.ErrnoException).code === undefined
    ? cause
    : new OutputError(`${path}: cannot be written: ${messageOf(cause)}`, { cause });

const beside = (path: string): string => join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);

const kindOf = async (path: string): Promise<"file" | "folder" | "nothing"> => {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "nothing";
    throw error;
  }
};

/** Throws `ConfigError` when something is at the path already and must not be replaced. */
export const refuseExisting = async (path: string, overwrite: boolean): Promise<void> => {
  const kind = await kindOf(path);
  if (kind === "folder") throw new ConfigError(`--out ${path}: expected a file, got a folder`);
  if (kind === "file" && !overwrite)
    throw new ConfigError(`--out ${path}: is there already; pass --overwrite to replace it`);
};

const BATCH = 1 << 20;

const writeAll = async (path: string, lines: AsyncIterable<string>): Promise<void> => {
  const file = await open(path, "wx");
  try {
    let batch = "";
    for await (const line of lines) {
      batch += `${line}\n`;
      if (batch.length < BATCH) continue;
      await file.writeFile(batch);
      batch = "";
    }
    await file.writeFile(batch);
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Writes lines to a file, replacing what is there; when anything fails, what was there stays. Throws `OutputError`. */
export const writeLines = async (path: string, lines: AsyncIterable<string>): Promise<void> => {
  const temporary = beside(path);
  try {
    await writeAll(temporary, lines);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw outputError(path, cause);
  }
};

/** Writes lines to stdout, waiting for a slow reader. */
export const printLines = async (lines: AsyncIterable<string>): Promise<void> => {
  for await (const line of lines) {
    if (!process.stdout.write(`${line}\n`)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
};

const refuseFull = async (path: string): Promise<void> => {
  const kind = await kindOf(path);
  if (kind === "file") throw new ConfigError(`--out ${path}: expected a folder, got a file`);
  if (kind === "folder" && (await readdir(path)).length > 0) {
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
