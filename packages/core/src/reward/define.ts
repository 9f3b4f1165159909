import { ConfigError } from "../errors.ts";
import type { CallOptions, GroupRewardFunction, RewardFunction } from "../interfaces.ts";
import type { Reward, Sample } from "../types.ts";
import { scoreSample, scoreSamples } from "./run.ts";

/** A reward function whose results were checked: always a `Reward`, and never NaN. */
export interface DefinedReward<Truth = unknown> extends RewardFunction<Truth> {
  score(sample: Sample<Truth>, options?: CallOptions): Promise<Reward>;
}

/** A group reward function whose results were checked. */
export interface DefinedGroupReward<Truth = unknown> extends GroupRewardFunction<Truth> {
  scoreGroup(samples: readonly Sample<Truth>[], options?: CallOptions): Promise<readonly Reward[]>;
}

/** Names stand in logs and error messages, and `/` separates a part from its own parts. */
const checkName = (name: unknown): void => {
  if (typeof name !== "string" || name === "") throw new ConfigError(`reward name: expected text, got ${String(name)}`);
};

/**
 * Makes a reward function of one sample. `score` may return a number, `null` for "cannot tell", or a reward with parts,
 * at once or as a promise; it may throw.
 *
 * @throws {ConfigError} without a name. The result's `score` throws a RewardError that names the reward and the sample
 *   when `score` throws or returns NaN, an infinity, undefined or text.
 */
export const defineReward = <Truth = unknown>(definition: RewardFunction<Truth>): DefinedReward<Truth> => {
  checkName(definition.name);
  return { name: definition.name, score: (sample, options) => scoreSample(definition, sample, options) };
};

/**
 * Makes a reward function of a whole group, for rewards that depend on a sample's siblings.
 *
 * @throws {ConfigError} without a name. The result's `scoreGroup` throws as `defineReward`'s, and when it gets another
 *   number of rewards than samples.
 */
export const defineGroupReward = <Truth = unknown>(
  definition: GroupRewardFunction<Truth>,
): DefinedGroupReward<Truth> => {
  checkName(definition.name);
  return { name: definition.name, scoreGroup: (samples, options) => scoreSamples(definition, samples, options) };
};

/** A reward of single samples as a group reward: each sample on its own, all at once. */
export const liftReward = <Truth>(reward: RewardFunction<Truth>): DefinedGroupReward<Truth> =>
  defineGroupReward({
    name: reward.name,
    scoreGroup: (samples, options) => Promise.all(samples.map((sample) => scoreSample(reward, sample, options))),
  });
