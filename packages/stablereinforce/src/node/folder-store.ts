/** Checkpoints in a folder of the file system. */
import { mkdir, open, readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { isR1Error, messageOf } from "@r1reward/core";
import type { CheckpointStore } from "../checkpoint/types.ts";
import { CheckpointError } from "../errors.ts";
import { atomicWrite, syncFolder, writeFully } from "./atomic-write.ts";

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** A path of ours below the root. @throws CheckpointError `bad-path` on anything that could lead out of it */
const below = (root: string, path: string): string => {
  const parts = path.split("/");
  const odd = parts.some((part) => part === "" || part === "." || part === ".." || /[\\\0:]/.test(part));
  if (odd) throw new CheckpointError({ file: path, problem: "bad-path" }, "expected a plain relative path");
  return join(root, ...parts);
};

const io = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    if (isR1Error(cause)) throw cause;
    throw new CheckpointError({ file, problem: "io" }, messageOf(cause), { cause });
  }
};

/** Whole file, in pieces: one read call takes 2 GiB at most. */
const readWhole = async (file: string): Promise<Uint8Array | null> => {
  const handle = await open(file, "r").catch((error: unknown) => {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw error;
  });
  if (handle === null) return null;
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(2 ** 30, size - at), at);
      if (bytesRead === 0) return bytes.subarray(0, at); // cut off meanwhile: its length will not be the manifest's
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
};

/** Creates missing folders, durably: a new folder's name lives in its parent. */
const makeFolder = async (folder: string): Promise<void> => {
  const first = await mkdir(folder, { recursive: true });
  if (first !== undefined) await syncFolder(dirname(first));
};

const removeFile = async (root: string, file: string): Promise<void> => {
  await rm(file, { force: true });
  const folder = dirname(file);
  if (folder === root) return;
  await rmdir(folder).catch((error: unknown) => {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(codeOf(error) ?? "")) throw error;
  });
};

const listFiles = async (root: string): Promise<string[]> => {
  const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .split(sep)
        .join("/"),
    );
};

/**
 * A store in a folder, which is made when the first file is written.
 * Its functions throw CheckpointError `io`, with the file, when the file system refuses.
 */
export const folderStore = (root: string): CheckpointStore => {
  const base = resolve(root); // without a slash at the end, and the same when the working folder changes
  return {
    name: base,
    write: (path, bytes) => {
      const file = below(base, path);
      return io(file, async () => {
        await makeFolder(dirname(file));
        await atomicWrite(file, (handle) => writeFully(handle, bytes));
      });
    },
    read: (path) => {
      const file = below(base, path);
      return io(file, () => readWhole(file));
    },
    list: () => io(base, () => listFiles(base)),
    remove: (path) => {
      const file = below(base, path);
      return io(file, () => removeFile(base, file));
    },
  };
};
