/** Makes room in a folder of replies: what was used least recently goes first. Never done unless asked for. */
import { lstat, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted, CacheError, ConfigError, messageOf } from "../errors.ts";
import type { CallOptions } from "../interfaces.ts";
import { codeOf, sweepTemporary } from "./entry-file.ts";

/** What may stay. At least one limit. */
export interface PruneOptions extends CallOptions {
  /** Bytes of all replies together. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds since a reply was last used. */
  readonly maxAgeMs?: number | undefined;
  /** Only tell what would go. */
  readonly dryRun?: boolean | undefined;
  /** Milliseconds since 1970, for tests. */
  readonly now?: number | undefined;
}

/** Replies and their bytes. */
export interface CacheAmount {
  readonly entries: number;
  readonly bytes: number;
}

/** What is in a folder of replies. */
export interface CacheUsage extends CacheAmount {
  /** Milliseconds since 1970 of the least recent use; `null` of an empty folder. */
  readonly oldestUse: number | null;
}

/** What was taken away and what stays. */
export interface PruneReport {
  readonly kept: CacheAmount;
  readonly removed: CacheAmount;
}

interface Entry {
  readonly path: string;
  readonly bytes: number;
  /**
   * The later of reading and writing. Most systems note a reading at most once a day (`relatime`), some never: there it is the writing.
   */
  readonly used: number;
}

const SHARD = /^[0-9a-f]{2}$/;
const ENTRY = /^[0-9a-f]{64}\.json$/;

const gone = (error: unknown): undefined => {
  if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
  throw error;
};

/** An entry as it is now; undefined when it is gone, or no file of a cache. */
const entryAt = async (path: string): Promise<Entry | undefined> => {
  const found = await lstat(path).catch(gone);
  if (found === undefined || !found.isFile()) return undefined;
  return { path, bytes: found.size, used: Math.max(found.atimeMs, found.mtimeMs) };
};

const isFolder = async (path: string): Promise<boolean> => (await lstat(path).catch(gone))?.isDirectory() === true;

/** The folders that entries lie in. Links are not followed. */
async function* shardsOf(root: string): AsyncGenerator<readonly [shard: string, folder: string], void> {
  for (const shard of (await readdir(root)).filter((name) => SHARD.test(name))) {
    if (await isFolder(join(root, shard))) yield [shard, join(root, shard)];
  }
}

async function* entriesOf(root: string, signal: AbortSignal | undefined): AsyncGenerator<Entry, void> {
  for await (const [shard, folder] of shardsOf(root)) {
    for (const name of (await readdir(folder).catch(gone)) ?? []) {
      throwIfAborted(signal);
      if (!ENTRY.test(name) || !name.startsWith(shard)) continue;
      const entry = await entryAt(join(folder, name));
      if (entry !== undefined) yield entry;
    }
  }
}

const amountOf = (entries: readonly Entry[]): CacheAmount => ({
  entries: entries.length,
  bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
});

const limitOf = (name: string, value: number | undefined): number => {
  if (value === undefined) return Infinity;
  if (value >= 0) return value;
  throw new ConfigError(`${name}: expected a number from 0, got ${value}`);
};

/** What has to go: all that is too old, then the least recently used until the rest fits. */
const surplusOf = (
  entries: readonly Entry[],
  { maxBytes, maxAgeMs, now = Date.now() }: PruneOptions,
): ReadonlySet<Entry> => {
  // prettier-ignore
  const [room, age] = [limitOf("maxBytes", maxBytes), limitOf("maxAgeMs", maxAgeMs)];
  const surplus = new Set<Entry>();
  let left = 0;
  for (const entry of entries.toSorted((a, b) => b.used - a.used)) {
    left += entry.bytes;
    if (left > room || now - entry.used > age) surplus.add(entry);
  }
  return surplus;
};

/** Removes an entry unless somebody used it since it was looked at. */
const remove = async (entry: Entry): Promise<boolean> => {
  const now = await entryAt(entry.path);
  if (now === undefined) return true; // another process was faster
  if (now.used > entry.used) return false;
  await unlink(entry.path).catch(gone);
  return true;
};

const inFolder = async <T>(folder: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw new CacheError(`cache folder ${folder}: ${messageOf(cause)}`, { cause });
  }
};

const all = async (folder: string, signal: AbortSignal | undefined): Promise<readonly Entry[]> => {
  const entries: Entry[] = [];
  for await (const entry of entriesOf(folder, signal)) entries.push(entry);
  return entries;
};

/** Counts the replies of a folder that `diskCache` keeps. @throws CacheError when it cannot be read; AbortError */
export const diskCacheUsage = (folder: string, { signal }: CallOptions = {}): Promise<CacheUsage> =>
  inFolder(folder, async () => {
    const entries = await all(folder, signal);
    const oldestUse = entries.reduce<number | null>((oldest, { used }) => Math.min(oldest ?? used, used), null);
    return { ...amountOf(entries), oldestUse };
  });

/**
 * Takes replies out of a folder that `diskCache` keeps, those that were used least recently first. Other processes may read and write
 * meanwhile: what is taken from under them is a miss. Files that are no entries are left alone.
 *
 * @throws ConfigError without a limit; CacheError when the folder cannot be read or changed; AbortError
 */
export const pruneDiskCache = (folder: string, options: PruneOptions): Promise<PruneReport> =>
  inFolder(folder, async () => {
    const { maxBytes, maxAgeMs, dryRun = false, signal } = options;
    if (maxBytes === undefined && maxAgeMs === undefined)
      throw new ConfigError("pruneDiskCache: expected maxBytes or maxAgeMs, got neither");
    const entries = await all(folder, signal);
    const surplus = surplusOf(entries, options);
    const removed = new Set<Entry>();
    for (const entry of surplus) {
      throwIfAborted(signal);
      if (dryRun || (await remove(entry))) removed.add(entry);
    }
    if (!dryRun) await sweepAll(folder);
    return {
      kept: amountOf(entries.filter((entry) => !removed.has(entry))),
      removed: amountOf([...removed]),
    };
  });

/** What killed writers left behind an hour ago or earlier. */
const sweepAll = async (root: string): Promise<void> => {
  for await (const [, folder] of shardsOf(root)) await sweepTemporary(folder).catch(gone);
};
