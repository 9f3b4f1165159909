/** Reading files below one folder, and nothing else. */
import { constants } from "node:fs";
import { open, realpath, stat, type FileHandle } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { isR1Error, MediaError, messageOf } from "../errors.ts";

/** Is `path` the folder `root` itself or something in it? Both must be absolute and resolved. */
export const isWithin = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);

const outside = (path: string): MediaError =>
  new MediaError("outside-root", `image: ${JSON.stringify(path)} is not inside the image folder`);

const notFound = (path: string, cause: unknown): MediaError => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const missing = code === "ENOENT" || code === "ENOTDIR";
  const problem = missing ? "no such file in the image folder" : messageOf(cause);
  return new MediaError(missing ? "not-found" : "unreadable-file", `image: ${JSON.stringify(path)}: ${problem}`, {
    cause,
  });
};

/**
 * The real path of `path` (relative to `root`, or absolute inside it), with all links followed and still inside.
 *
 * @throws MediaError `no-root` | `outside-root` | `not-found` | `unreadable-file`
 */
export const realPathWithin = async (root: string | undefined, path: string): Promise<string> => {
  if (root === undefined) {
    throw new MediaError("path-not-allowed", "image: a path needs an image folder: nodeMedia({ root })");
  }
  if (path.includes("\0")) throw outside(path);
  const folder = resolve(root);
  const wanted = resolve(folder, path);
  try {
    const realRoot = await realpath(folder);
    // Before asking the disk about it, so that errors tell nothing about files elsewhere.
    if (!isWithin(folder, wanted) && !isWithin(realRoot, wanted)) throw outside(path);
    const real = await realpath(wanted);
    if (!isWithin(realRoot, real)) throw outside(path);
    return real;
  } catch (cause) {
    throw isR1Error(cause) ? cause : notFound(path, cause);
  }
};

const readAll = async (handle: FileHandle, size: number, path: string): Promise<Uint8Array> => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const { bytesRead } = await handle.read(bytes, at, size - at, at);
    if (bytesRead === 0)
      throw new MediaError("truncated", `image: ${JSON.stringify(path)} became shorter while it was read`);
    at += bytesRead;
  }
  return bytes;
};

// NOFOLLOW: the path is real already, so a link there now was put there just now. NONBLOCK: a FIFO must not hang us.
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * The bytes of a regular file at a real path from `realPathWithin`. Devices, FIFOs and folders are refused, and so is a
 * file that was exchanged between the check and the opening.
 *
 * @throws MediaError `not-a-file` | `too-many-bytes` | `exchanged` | `truncated` | `not-found` | `unreadable-file`
 */
export const readRegularFile = async (real: string, maxBytes: number): Promise<Uint8Array> => {
  let handle: FileHandle;
  try {
    handle = await open(real, FLAGS);
  } catch (cause) {
    throw notFound(real, cause);
  }
  try {
    const opened = await handle.stat();
    if (!opened.isFile()) throw new MediaError("not-a-file", `image: ${JSON.stringify(real)} is not a regular file`);
    const again = (await realpath(real)) === real ? await stat(real) : undefined;
    if (again?.ino !== opened.ino || again.dev !== opened.dev) {
      throw new MediaError("exchanged", `image: ${JSON.stringify(real)} was exchanged while it was opened`);
    }
    if (opened.size > maxBytes) {
      throw new MediaError(
        "too-many-bytes",
        `image: ${JSON.stringify(real)}: expected at most ${maxBytes} bytes, got ${opened.size}`,
      );
    }
    return await readAll(handle, opened.size, real);
  } catch (cause) {
    throw isR1Error(cause) ? cause : notFound(real, cause);
  } finally {
    await handle.close();
  }
};
