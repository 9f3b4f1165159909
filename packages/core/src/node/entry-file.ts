/** Reads and writes one small file whole, or not at all. */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { lstat, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

/** Left behind by a process that died while it wrote. */
const STALE_MS = 60 * 60 * 1000;
const TEMPORARY = ".tmp";

// A pipe must not block the read and a link must not be followed. Windows has neither flag: there, lstat decides.
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** The system's code of an error, such as `ENOENT`. */
export const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";

/**
 * The bytes of a regular file. Reports `absent` when there is nothing, and `foreign` for what no cache has written: a link,
 * folder, pipe or device, or a file of more than `maxBytes`. Rejects with the system's error otherwise.
 */
export const readWhole = async (path: string, maxBytes: number): Promise<Uint8Array | "absent" | "foreign"> => {
  try {
    if (constants.O_NOFOLLOW === undefined && (await lstat(path)).isSymbolicLink()) return "foreign";
    const file = await open(path, READ_FLAGS);
    try {
      const { size, isFile } = await file.stat().then((found) => ({ size: found.size, isFile: found.isFile() }));
      return isFile && size <= maxBytes ? await file.readFile() : "foreign";
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "absent";
    if (["ELOOP", "EMLINK", "ENXIO", "EISDIR", "ENOTDIR"].includes(codeOf(error))) return "foreign";
    throw error;
  }
};

/** Makes a rename survive a power cut. Windows cannot open folders, and needs not. */
const syncFolder = async (folder: string): Promise<void> => {
  if (process.platform === "win32") return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const writeTemporary = async (path: string, bytes: Uint8Array, durable: boolean): Promise<void> => {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
};

/**
 * Puts a file in place in one step: readers see the old bytes or the new ones, never a part. What was written of a file
 * that could not be finished is removed. Rejects with the system's error.
 */
export const writeWhole = async (folder: string, name: string, bytes: Uint8Array, durable: boolean): Promise<void> => {
  const temporary = join(folder, `${name}.${process.pid}.${randomUUID()}${TEMPORARY}`);
  try {
    await writeTemporary(temporary, bytes, durable);
    await rename(temporary, join(folder, name));
  } catch (error) {
    await unlink(temporary).catch(() => undefined); // it may never have come to be
    throw error;
  }
  if (durable) await syncFolder(folder);
};

/** Removes what killed writers have left in a folder an hour ago or earlier. Other processes may be doing the same. */
export const sweepTemporary = async (folder: string): Promise<void> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith(TEMPORARY));
  for (const path of names.map((name) => join(folder, name))) {
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > STALE_MS) await unlink(path).catch(() => undefined);
  }
};
