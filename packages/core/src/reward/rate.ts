/** Rewards for many samples. */
import { createSlots, orAborted } from "../concurrency.ts";
import { AbortError, ConfigError, isR1Error, throwIfAborted, type R1Error } from "../errors.ts";
import type { CallOptions, GroupRewardFunction, RewardFunction, RewardResult } from "../interfaces.ts";
import type { Reward, Sample } from "../types.ts";
import { scoreSample, scoreSamples, toReward } from "./run.ts";

/** How many samples are scored at once, and what becomes of failures. */
export interface RateOptions<Truth = unknown> extends CallOptions {
  /** 16 unless told otherwise. */
  readonly concurrency?: number | undefined;
  /**
   * Names the reward of a sample whose scoring failed: `null`, usually, with a line in your log. Left out: the first
   * failure ends it all. Aborting is not a failure.
   */
  readonly onError?: ((error: R1Error, sample: Sample<Truth>) => RewardResult) | undefined;
}

/** A sample with its reward. */
export interface RatedSample<Truth = unknown> {
  readonly sample: Sample<Truth>;
  readonly reward: Reward;
}

const concurrencyOf = ({ concurrency = 16 }: { readonly concurrency?: number | undefined }): number => {
  if (concurrency === Infinity || (Number.isInteger(concurrency) && concurrency > 0)) return concurrency;
  throw new ConfigError(`rate concurrency: expected a whole number from 1, got ${String(concurrency)}`);
};

/** Fires when the caller's signal does, or when the work is over for another reason. */
const ownSignal = (signal: AbortSignal | undefined) => {
  const own = new AbortController();
  return { own, signal: signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]) };
};

const scoreOr = async <Truth>(
  reward: RewardFunction<Truth>,
  sample: Sample<Truth>,
  { signal, onError }: Pick<RateOptions<Truth>, "signal" | "onError">,
): Promise<Reward> => {
  try {
    return await orAborted(scoreSample(reward, sample, { signal }), signal);
  } catch (error) {
    if (onError === undefined || !isR1Error(error) || signal?.aborted) throw error;
    return toReward(reward.name, sample.id, onError(error, sample));
  }
};

/** Runs everything at most so many at a time; the first failure aborts the rest and is thrown. */
const mapAll = async <In, Out>(
  items: readonly In[],
  options: CallOptions & { readonly concurrency?: number | undefined },
  work: (item: In, signal: AbortSignal) => Promise<Out>,
): Promise<readonly Out[]> => {
  const slots = createSlots(concurrencyOf(options));
  throwIfAborted(options.signal);
  const { own, signal } = ownSignal(options.signal);
  // The rest is given up before the failed one's slot is free, so that nothing starts in between.
  const run = (item: In) => async () => {
    throwIfAborted(signal);
    try {
      return await work(item, signal);
    } catch (error) {
      own.abort(new AbortError("the rest was given up"));
      throw error;
    }
  };
  return Promise.all(items.map((item) => slots(run(item))));
};

/**
 * Scores samples at the same time; the rewards come back in the samples' order.
 *
 * @throws {RewardError} naming the reward and the sample, when the function throws or returns what is no reward; the
 *   samples still under way are aborted.
 * @throws {AbortError} when the signal fires, at once, even if the function ignores it.
 */
export const rate = <Truth>(
  reward: RewardFunction<Truth>,
  samples: readonly Sample<Truth>[],
  options: RateOptions<Truth> = {},
): Promise<readonly Reward[]> =>
  mapAll(samples, options, (sample, signal) => scoreOr(reward, sample, { signal, onError: options.onError }));

/**
 * Scores groups at the same time; the rewards come back in the order of groups and samples.
 *
 * @throws as `rate`.
 */
export const rateGroups = <Truth>(
  reward: GroupRewardFunction<Truth>,
  groups: readonly (readonly Sample<Truth>[])[],
  options: CallOptions & { readonly concurrency?: number | undefined } = {},
): Promise<readonly (readonly Reward[])[]> =>
  mapAll(groups, options, (group, signal) => orAborted(scoreSamples(reward, group, { signal }), signal));

type Source<Truth> = Iterable<Sample<Truth>> | AsyncIterable<Sample<Truth>>;

const iteratorOf = <Truth>(source: Source<Truth>): AsyncIterator<Sample<Truth>> | Iterator<Sample<Truth>> =>
  Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();

/**
 * Scores samples as they come, at most `concurrency` ahead of the reader, and yields them in their order. A slow source
 * holds nothing back that is finished. Leaving the loop aborts what is under way and closes the source.
 *
 * @throws as `rate`.
 */
export async function* rateStream<Truth>(
  reward: RewardFunction<Truth>,
  source: Source<Truth>,
  options: RateOptions<Truth> = {},
): AsyncGenerator<RatedSample<Truth>, void, undefined> {
  const ahead = concurrencyOf(options);
  const { own, signal } = ownSignal(options.signal);
  const iterator = iteratorOf(source);
  const underway: Promise<RatedSample<Truth>>[] = [];
  let pull: Promise<{ readonly step: IteratorResult<Sample<Truth>> }> | null = null;
  let exhausted = false;
  const begin = async (sample: Sample<Truth>): Promise<RatedSample<Truth>> => ({
    sample,
    reward: await scoreOr(reward, sample, { signal, onError: options.onError }),
  });
  const next = async () => ({ step: await orAborted(Promise.resolve(iterator.next()), signal) });
  try {
    while (!exhausted || underway.length > 0) {
      throwIfAborted(signal);
      if (!exhausted && underway.length < ahead) pull ??= next();
      const event = await Promise.race([...underway.slice(0, 1), ...(pull === null ? [] : [pull])]);
      if ("reward" in event) {
        void underway.shift();
        yield event;
        continue;
      }
      pull = null;
      if (event.step.done === true) exhausted = true;
      else {
        const scoring = begin(event.step.value);
        scoring.catch(() => undefined); // seen when its turn comes, or given up with the rest
        underway.push(scoring);
      }
    }
  } finally {
    if (!exhausted || underway.length > 0) own.abort(new AbortError("the rest was given up"));
    void pull?.catch(() => undefined);
    if (!exhausted) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
