/** Rollouts and their rewards: a reply is rewarded while others are still being sampled. */
import {
  AbortError,
  ConfigError,
  isR1Error,
  rateStream,
  scoreSamples,
  toReward,
  type GroupRewardFunction,
  type Reward,
  type RewardFunction,
} from "@r1reward/core";
import type { Sampled } from "../policy/index.ts";
import type { TrainStableReinforceOptions } from "./types.ts";

/** A reply with its reward. */
export interface Rated<Truth> {
  readonly sampled: Sampled<Truth>;
  readonly reward: Reward;
}

type RewardOptions<Truth> = Pick<TrainStableReinforceOptions<Truth>, "signal" | "rewardConcurrency" | "onRewardError">;

const bySample = async <Truth>(
  reward: RewardFunction<Truth>,
  replies: AsyncIterable<Sampled<Truth>>,
  { signal, rewardConcurrency, onRewardError }: RewardOptions<Truth>,
): Promise<Rated<Truth>[]> => {
  const rated: Rated<Truth>[] = [];
  const options = { signal, concurrency: rewardConcurrency, onError: onRewardError };
  for await (const { sample, reward: value } of rateStream(reward, replies, options)) {
    rated.push({ sampled: sample as Sampled<Truth>, reward: value });
  }
  return rated;
};

/** Groups as they become whole. */
async function* wholeGroups<Truth>(
  replies: AsyncIterable<Sampled<Truth>>,
  sizes: readonly number[],
): AsyncGenerator<readonly Sampled<Truth>[], void> {
  const waiting = new Map<number, Sampled<Truth>[]>();
  for await (const reply of replies) {
    const [request] = reply.place;
    const members = [...(waiting.get(request) ?? []), reply];
    waiting.set(request, members);
    if (members.length === sizes[request]) yield members.sort((a, b) => a.place[1] - b.place[1]);
  }
}

const scoreWhole = async <Truth>(
  reward: GroupRewardFunction<Truth>,
  members: readonly Sampled<Truth>[],
  options: RewardOptions<Truth>,
): Promise<readonly Reward[]> => {
  try {
    return await scoreSamples(reward, members, { signal: options.signal });
  } catch (error) {
    const { onRewardError, signal } = options;
    if (onRewardError === undefined || !isR1Error(error) || signal?.aborted) throw error;
    return members.map((member) => toReward(reward.name, member.id, onRewardError(error, member)));
  }
};

const byGroup = async <Truth>(
  reward: GroupRewardFunction<Truth>,
  groups: AsyncIterable<readonly Sampled<Truth>[]>,
  options: RewardOptions<Truth>,
): Promise<Rated<Truth>[]> => {
  const { rewardConcurrency: most = 16 } = options;
  if (!(most >= 1)) throw new ConfigError(`rewardConcurrency: expected a whole number from 1, got ${most}`);
  const own = new AbortController();
  const signal = options.signal === undefined ? own.signal : AbortSignal.any([options.signal, own.signal]);
  const underway = new Set<Promise<void>>();
  const rated: Rated<Truth>[] = [];
  try {
    for await (const members of groups) {
      if (underway.size >= most) await Promise.race(underway);
      const work = scoreWhole(reward, members, { ...options, signal }).then((rewards) => {
        members.forEach((sampled, i) => rated.push({ sampled, reward: rewards[i] as Reward }));
        underway.delete(work);
      });
      work.catch(() => undefined); // thrown by the race or by the wait for all
      underway.add(work);
    }
    await Promise.all(underway);
    return rated;
  } catch (error) {
    own.abort(new AbortError("the rest was given up"));
    throw error;
  }
};

/**
 * Rewards replies as they come. → in the order of requests and seeds, whatever order they came in.
 * @throws RewardError, AbortError, and what sampling throws
 */
export const collect = async <Truth>(
  reward: RewardFunction<Truth> | GroupRewardFunction<Truth>,
  replies: AsyncIterable<Sampled<Truth>>,
  options: RewardOptions<Truth> & { readonly sizes: readonly number[] },
): Promise<readonly Rated<Truth>[]> => {
  const rated = await ("scoreGroup" in reward
    ? byGroup(reward, wholeGroups(replies, options.sizes), options)
    : bySample(reward, replies, options));
  const wanted = options.sizes.reduce((sum, n) => sum + n, 0);
  if (rated.length !== wanted) throw new ConfigError(`policy sample: expected ${wanted} replies, got ${rated.length}`);
  return rated.sort(({ sampled: { place: a } }, { sampled: { place: b } }) => a[0] - b[0] || a[1] - b[1]);
};
