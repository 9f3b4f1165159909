/** Files that are either the old or the new one, whatever happens in between. */
import { randomBytes } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Makes a rename durable. Some systems cannot sync a folder; their renames are as safe as they get. */
export const syncFolder = async (folder: string): Promise<void> => {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EISDIR" && code !== "EPERM" && code !== "EINVAL" && code !== "EACCES") throw error;
  }
};

/**
 * Writes `path` through a temporary file beside it: write, sync, rename, sync the folder. When `write` throws, or the
 * process dies, `path` is what it was before; readers that have the old file open keep the old file.
 *
 * @throws What `write` or the file system throws, after the temporary file is removed.
 */
export const atomicWrite = async (path: string, write: (file: FileHandle) => Promise<void>): Promise<void> => {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`);
  const handle = await open(temporary, "wx", 0o644);
  try {
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
};

/** Writes all of `bytes`; a single `write` call may take fewer, and none above 2 GiB at once. */
export const writeFully = async (file: FileHandle, bytes: Uint8Array): Promise<void> => {
  const step = 2 ** 30;
  let at = 0;
  while (at < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(step, bytes.byteLength - at));
    at += bytesWritten;
  }
};
