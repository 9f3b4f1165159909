/** Results that were made once and are reused, least recently used ones dropped first. */
import { AbortError, throwIfAborted } from "../errors.ts";
import { onAbort } from "../abort.ts";

/** A cache of promises with a budget in bytes. */
export interface SharedWork<T> {
  /** The value of `key`, made by `make` unless it is there or being made. */
  get(key: string, make: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Bytes that are held now. */
  readonly bytes: number;
}

interface Pending<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/** Waits for `work`, or until the signal fires. */
const orAbort = <T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const stay = onAbort(signal, (reason) => reject(new AbortError("aborted by the caller", { cause: reason })));
    work.then(resolve, reject).finally(stay);
  });
};

interface Kept<T> {
  take(key: string): T | undefined;
  put(key: string, value: T): void;
  readonly bytes: number;
}

/** Values up to a budget; a `Map` iterates in the order of insertion, so the first is the least recently used. */
const leastRecentlyUsed = <T>(maxBytes: number, sizeOf: (value: T) => number): Kept<T> => {
  const values = new Map<string, T>();
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    take: (key) => {
      const found = values.get(key);
      if (found === undefined) return undefined;
      values.delete(key);
      values.set(key, found);
      return found;
    },
    put: (key, value) => {
      values.set(key, value);
      bytes += sizeOf(value);
      for (const [oldest, old] of values) {
        if (bytes <= maxBytes) break;
        values.delete(oldest);
        bytes -= sizeOf(old);
      }
    },
  };
};

/**
 * Makes each value once, however many ask at the same time, and keeps up to `maxBytes` of them. Failures are not kept.
 * One caller's abort ends the work only when nobody else waits for it.
 */
export const sharedWork = <T>(maxBytes: number, sizeOf: (value: T) => number): SharedWork<T> => {
  const kept = leastRecentlyUsed(maxBytes, sizeOf);
  const pending = new Map<string, Pending<T>>();
  const start = (key: string, make: (signal: AbortSignal) => Promise<T>): Pending<T> => {
    const controller = new AbortController();
    const work: Pending<T> = { result: make(controller.signal), controller, waiting: 0 };
    pending.set(key, work);
    const isCurrent = (): boolean => pending.get(key) === work && pending.delete(key);
    work.result.then((value) => isCurrent() && kept.put(key, value), isCurrent);
    return work;
  };
  return {
    get bytes() {
      return kept.bytes;
    },
    get: async (key, make, signal) => {
      throwIfAborted(signal);
      const found = kept.take(key);
      if (found !== undefined) return found;
      const work = pending.get(key) ?? start(key, make);
      work.waiting++;
      try {
        return await orAbort(work.result, signal);
      } finally {
        work.waiting--;
        if (work.waiting === 0 && pending.get(key) === work) {
          pending.delete(key);
          work.controller.abort();
        }
      }
    },
  };
};
