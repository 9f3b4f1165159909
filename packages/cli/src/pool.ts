/**
 * Runs `work` on the items of a stream, at most `limit` at once, and reads no further ahead than that.
 * The first error, of the work or of the stream, stops the reading, lets what is under way end, and is thrown.
 */
export const forEachConcurrent = async <T>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> => {
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let index = 0;
  try {
    for await (const item of items) {
      const task = work(item, index++)
        .catch((error: unknown) => void (failure ??= { error }))
        .finally(() => running.delete(task));
      running.add(task);
      if (running.size >= limit) await Promise.race(running);
      if (failure !== undefined) break;
    }
  } catch (error) {
    failure ??= { error };
  }
  await Promise.all(running);
  if (failure !== undefined) throw failure.error;
};
