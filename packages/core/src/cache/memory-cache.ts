import { ConfigError } from "../errors.ts";
import type { CachedReply, ResponseCache } from "../interfaces.ts";

/** How much a memory cache keeps. */
export interface MemoryCacheOptions {
  /** Replies to keep; the least recently used one goes first. 10,000 unless told otherwise. */
  readonly maxEntries?: number | undefined;
}

/**
 * Keeps replies for the life of the process, in browsers too.
 *
 * @throws {ConfigError} when `maxEntries` is not a whole number of at least 1.
 */
export const memoryCache = ({ maxEntries = 10_000 }: MemoryCacheOptions = {}): ResponseCache => {
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new ConfigError(`maxEntries: expected a whole number of at least 1, got ${maxEntries}`);
  }
  const entries = new Map<string, CachedReply>(); // in order of last use: a Map iterates by insertion
  const counts = { hits: 0, misses: 0, corrupt: 0, writes: 0, writeErrors: 0 };
  const touch = (key: string, reply: CachedReply): void => {
    entries.delete(key);
    entries.set(key, reply);
  };
  return {
    get: async (key) => {
      const reply = entries.get(key);
      counts[reply === undefined ? "misses" : "hits"] += 1;
      if (reply !== undefined) touch(key, reply);
      return reply;
    },
    set: async (key, reply) => {
      touch(key, reply);
      counts.writes += 1;
      if (entries.size > maxEntries) entries.delete(entries.keys().next().value!);
    },
    stats: () => ({ ...counts }),
    [Symbol.asyncDispose]: async () => entries.clear(),
  };
};
