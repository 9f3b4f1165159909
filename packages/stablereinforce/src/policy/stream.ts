/** A running job that reports as it goes, read as an async iterable. */

/**
 * Starts `work` when it is first read, and yields what it pushes, in that order; ends when `work` is done, throws what it
 * throws. A reader who leaves early fires the signal that `work` was given.
 */
export async function* streamOf<T>(
  work: (push: (item: T) => void, signal: AbortSignal) => Promise<unknown>,
): AsyncGenerator<T, void> {
  const own = new AbortController();
  const waiting: T[] = [];
  const bell = { ring: (): void => undefined };
  const state = { done: false };
  const push = (item: T): void => {
    waiting.push(item);
    bell.ring();
  };
  const finished = work(push, own.signal).finally(() => {
    state.done = true;
    bell.ring();
  });
  finished.catch(() => undefined); // thrown below, when everything pushed before it was read
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else if (state.done) break;
      else await new Promise<void>((resolve) => void (bell.ring = resolve));
    }
    await finished;
  } finally {
    own.abort();
  }
}
