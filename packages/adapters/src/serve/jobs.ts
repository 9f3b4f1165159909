/** Pairs that are judged on their own: equal ones are judged once, and kept for clients that ask again. */
import type { ServeClock } from "./clock.ts";

/** Work by its content. */
export interface Jobs<T> {
  /** The result of `work`; of an equal piece of work when there is one. A failure is not kept. */
  run(key: string, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** How often this key was asked for while it was not done. */
  sightings(key: string): number;
  close(): void;
}

interface Job<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  done: boolean;
  sightings: number;
  readonly since: number;
}

/** Jobs that are kept for a while, the oldest forgotten first. */
export const createJobs = <T>(options: {
  readonly clock: ServeClock;
  readonly retainMs: number;
  readonly most: number;
}): Jobs<T> => {
  const { clock, retainMs, most } = options;
  const jobs = new Map<string, Job<T>>();
  const prune = (): void => {
    for (const [key, job] of jobs) {
      if (!job.done || (clock.now() - job.since < retainMs && jobs.size <= most)) continue;
      jobs.delete(key);
    }
  };
  const begin = (key: string, work: (signal: AbortSignal) => Promise<T>): Job<T> => {
    const controller = new AbortController();
    const job: Job<T> = {
      result: work(controller.signal),
      controller,
      done: false,
      sightings: 0,
      since: clock.now(),
    };
    jobs.set(key, job);
    job.result.then(
      () => (job.done = true),
      () => jobs.delete(key),
    );
    return job;
  };
  return {
    run(key, work) {
      prune();
      const job = jobs.get(key) ?? begin(key, work);
      job.sightings += 1;
      return job.result;
    },
    sightings: (key) => jobs.get(key)?.sightings ?? 0,
    close: () => jobs.forEach(({ controller }) => controller.abort(new Error("the server was closed"))),
  };
};
