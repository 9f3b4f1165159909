/** Several samples of one prompt, where one request gives only one. */
import type { SampleOptions } from "../interfaces.ts";

/** The seed of sample `index`: the given one plus the index, as vLLM counts. Nothing when no seed was given. */
export const seedOf = ({ seed }: SampleOptions, index: number): { readonly seed?: number } =>
  seed === undefined ? {} : { seed: seed + index };

/** Runs `work` for all indices at once. The first failure calls off the others, and is thrown when all have ended. */
export const together = async <T>(
  indices: readonly number[],
  signal: AbortSignal | undefined,
  work: (index: number, signal: AbortSignal) => Promise<T>,
): Promise<readonly T[]> => {
  if (indices.length === 0) return [];
  const group = new AbortController();
  const either = signal === undefined ? group.signal : AbortSignal.any([signal, group.signal]);
  let first: { readonly error: unknown } | undefined;
  const runs = indices.map(async (index) => {
    try {
      return await work(index, either);
    } catch (error) {
      first ??= { error };
      group.abort(error);
      throw error;
    }
  });
  const settled = await Promise.allSettled(runs);
  if (first !== undefined) throw first.error;
  return settled.flatMap((run) => (run.status === "fulfilled" ? [run.value] : []));
};
