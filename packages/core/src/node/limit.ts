/** Runs at most `max` pieces of work at once; the rest wait in line. */
export type Limit = <T>(work: () => Promise<T>) => Promise<T>;

/** Keeps a burst of calls from holding more files open than the system allows. */
export const limitTo = (max: number): Limit => {
  const waiting: (() => void)[] = [];
  let free = max;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next(); // hands its place over
    }
  };
};
