import { access, constants, lstat, mkdir, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { CacheError, ConfigError, messageOf } from "../errors.ts";
import type { CachedReply, CacheStats, ResponseCache } from "../interfaces.ts";
import { decodeEntry, encodeEntry } from "./disk-entry.ts";
import { codeOf, readWhole, sweepTemporary, writeWhole } from "./entry-file.ts";
import { limitTo } from "./limit.ts";

/** How a disk cache keeps its files. */
export interface DiskCacheOptions {
  /**
   * Flush every entry to the disk before `set` resolves, so that it survives a power cut. True unless told otherwise.
   * Without it, a killed process still leaves whole entries only.
   */
  readonly durable?: boolean | undefined;
  /** A larger file is none of ours. 64 MiB unless told otherwise. */
  readonly maxEntryBytes?: number | undefined;
}

const OPEN_FILES = 32;
const KEY = /^[0-9a-f]{64}$/;

const failed = (what: string, cause: unknown): CacheError =>
  cause instanceof CacheError ? cause : new CacheError(`${what}: ${messageOf(cause)}`, { cause });

const makeFolder = (path: string): Promise<void> =>
  mkdir(path).catch((error: unknown) => {
    if (codeOf(error) !== "EEXIST") throw error;
  });

/** By hand, because Node's recursive mkdir never returns where a parent takes no folders, as under /proc. */
const makeFolders = (path: string): Promise<void> =>
  makeFolder(path).catch(async (error: unknown) => {
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolders(dirname(path));
    await makeFolder(path);
  });

/** The folder's real path, made if need be. */
const openFolder = async (folder: string): Promise<string> => {
  try {
    await makeFolders(resolve(folder));
    if (!(await stat(folder)).isDirectory()) throw new Error("it is something else");
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return await realpath(folder);
  } catch (cause) {
    throw failed(`cache folder ${folder}: expected a folder that can be written`, cause);
  }
};

/** Knows which of the 256 sub-folders are real folders; links are not followed. */
const shardsOf = (root: string) => {
  const known = new Set<string>();
  const pathOf = (key: string): string => join(root, key.slice(0, 2));
  const isFolder = async (path: string): Promise<boolean> => known.has(path) || (await lstat(path)).isDirectory();
  const make = async (path: string): Promise<void> => {
    await makeFolder(path);
    if (!(await isFolder(path))) throw new CacheError(`${path}: expected a folder, got something else`);
    if (!known.has(path)) await sweepTemporary(path);
    known.add(path);
  };
  return {
    pathOf,
    isUsable: (key: string) =>
      isFolder(pathOf(key)).catch((error: unknown) => {
        if (codeOf(error) === "ENOENT") return true; // nothing there: the read will say so
        throw error;
      }),
    make: async (key: string) => (known.has(pathOf(key)) ? undefined : make(pathOf(key))),
    forget: (key: string) => known.delete(pathOf(key)),
  };
};

const filesOf = (root: string, durable: boolean, maxBytes: number) => {
  const shards = shardsOf(root);
  const write = async (key: string, bytes: Uint8Array): Promise<void> => {
    await shards.make(key);
    await writeWhole(shards.pathOf(key), `${key}.json`, bytes, durable);
  };
  return {
    read: async (key: string) =>
      (await shards.isUsable(key)) ? readWhole(join(shards.pathOf(key), `${key}.json`), maxBytes) : "foreign",
    write: (key: string, bytes: Uint8Array): Promise<void> =>
      write(key, bytes).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT" || !shards.forget(key)) throw error;
        return write(key, bytes); // the sub-folder was cleared away under us
      }),
  };
};

interface Store {
  readonly name: string;
  readonly files: ReturnType<typeof filesOf>;
  readonly counts: { -readonly [K in keyof CacheStats]: number };
  readonly maxEntryBytes: number;
}

const readEntry = async ({ name, files, counts }: Store, key: string): Promise<CachedReply | undefined> => {
  try {
    const bytes = await files.read(key);
    const reply = typeof bytes === "string" ? undefined : decodeEntry(key, bytes);
    if (reply === undefined && bytes !== "absent") counts.corrupt += 1;
    counts[reply === undefined ? "misses" : "hits"] += 1;
    return reply;
  } catch (cause) {
    throw failed(`${name}: reading entry ${key}`, cause);
  }
};

const writeEntry = async ({ name, files, counts, maxEntryBytes }: Store, key: string, reply: CachedReply) => {
  try {
    const bytes = encodeEntry(key, reply);
    if (bytes.length > maxEntryBytes) throw new CacheError(`${bytes.length} bytes are more than ${maxEntryBytes}`);
    await files.write(key, bytes);
    counts.writes += 1;
  } catch (cause) {
    counts.writeErrors += 1;
    throw failed(`${name}: writing entry ${key}`, cause);
  }
};

/** Refuses everything once closed, which waits for what was let in before. */
const doorOf = (name: string) => {
  const inside = new Set<Promise<unknown>>();
  let open = true;
  return {
    enter: async <T>(key: string, work: () => Promise<T>): Promise<T> => {
      if (!KEY.test(key)) throw new ConfigError(`cache key: expected 64 lower-case hex digits, got ${key}`);
      if (!open) throw new CacheError(`${name}: the cache is closed`);
      const visit = work();
      inside.add(visit);
      return visit.finally(() => inside.delete(visit));
    },
    close: async (): Promise<void> => {
      open = false;
      await Promise.allSettled(inside);
    },
  };
};

/**
 * Keeps replies in a folder: one file per reply, `<first two digits>/<key>.json`, put in place by a rename. Any number of
 * processes may share it and any of them may be killed: readers see whole entries only. A truncated, altered or foreign
 * file is a miss, and is counted; a symbolic link is never followed.
 *
 * @throws {CacheError} from the call itself when the folder cannot be used; from `get` when the disk fails, from `set`
 *   when nothing was stored (counted in `writeErrors`), and from both once the cache is disposed of.
 * @throws {ConfigError} for a key that is no SHA-256 in hex, or a `maxEntryBytes` that is no whole number.
 */
export const diskCache = async (folder: string, options: DiskCacheOptions = {}): Promise<ResponseCache> => {
  const { durable = true, maxEntryBytes = 64 * 1024 * 1024 } = options;
  if (!Number.isSafeInteger(maxEntryBytes) || maxEntryBytes < 1) {
    throw new ConfigError(`maxEntryBytes: expected a whole number of at least 1, got ${maxEntryBytes}`);
  }
  const name = `cache folder ${folder}`;
  const files = filesOf(await openFolder(folder), durable, maxEntryBytes);
  const counts = { hits: 0, misses: 0, corrupt: 0, writes: 0, writeErrors: 0 };
  const store: Store = { name, files, counts, maxEntryBytes };
  const limit = limitTo(OPEN_FILES);
  const door = doorOf(name);
  return {
    get: (key) => door.enter(key, () => limit(() => readEntry(store, key))),
    set: (key, reply) => door.enter(key, () => limit(() => writeEntry(store, key, reply))),
    stats: () => ({ ...counts }),
    [Symbol.asyncDispose]: door.close,
  };
};
