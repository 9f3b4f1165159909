/** Running several things at once, no more than so many, and giving up when told to. */
import { AbortError } from "./errors.ts";
import { onAbort } from "./abort.ts";

/** Runs work when a slot is free, in the order in which it was handed in. */
export type Slots = <T>(work: () => Promise<T>) => Promise<T>;

/** At most `concurrency` pieces of work at a time. */
export const createSlots = (concurrency: number): Slots => {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    // A freed slot is handed over, not given back: whoever comes in between cannot take it.
    if (running < concurrency) running += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
};

/**
 * Waits for work, but no longer than until the signal fires: work that ignores its signal holds nobody up.
 *
 * @throws {AbortError} when the signal fires first; what the work rejects with otherwise.
 */
export const orAborted = <T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const aborted = (reason: unknown): void => reject(new AbortError("aborted by the caller", { cause: reason }));
    const release = signal.aborted ? () => undefined : onAbort(signal, aborted);
    if (signal.aborted) aborted(signal.reason);
    work.then(resolve, reject).finally(release);
  });
};
