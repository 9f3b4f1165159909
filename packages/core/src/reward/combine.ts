/** Several rewards as one. */
import type { GroupRewardFunction, RewardFunction } from "../interfaces.ts";
import type { Reward, Sample } from "../types.ts";
import { defineGroupReward, defineReward, liftReward, type DefinedGroupReward, type DefinedReward } from "./define.ts";
import { checkClip, checkNames, checkStep, clipped, logOf, weigh, weighedSum } from "./parts.ts";
import type { CombineOptions, PartOptions } from "./parts.ts";
import { scoreSample, scoreSamples } from "./run.ts";
import { atStep, type Scheduled } from "./step.ts";

/** A reward with its weight in a sum. */
export interface RewardPart<Truth = unknown> extends PartOptions {
  readonly reward: RewardFunction<Truth>;
}

/** A reward of samples or of groups, with its weight in a sum. */
export interface GroupRewardPart<Truth = unknown> extends PartOptions {
  readonly reward: RewardFunction<Truth> | GroupRewardFunction<Truth>;
}

/** Several rewards as one. `score` is that of step 0; `at` gives the version of another step. */
export interface CombinedReward<Truth = unknown> extends DefinedReward<Truth>, Scheduled<DefinedReward<Truth>> {}

/** Several group rewards as one. `scoreGroup` is that of step 0; `at` gives the version of another step. */
export interface CombinedGroupReward<Truth = unknown>
  extends DefinedGroupReward<Truth>, Scheduled<DefinedGroupReward<Truth>> {}

/** Turns the parts' values, all of which are known, into the whole; `null` when they do not tell. */
export type RewardFormula<Name extends string> = (values: Readonly<Record<Name, number>>) => number | null;

const checkParts = (name: string, parts: readonly GroupRewardPart<never>[], { clip }: CombineOptions): void => {
  checkClip(name, clip);
  checkNames(
    name,
    parts.map(({ reward }) => reward.name),
  );
  parts.forEach((part) => checkClip(part.reward.name, part.clip));
};

const weighed = <Truth>(
  name: string,
  parts: readonly RewardPart<Truth>[],
  { clip }: CombineOptions,
): CombinedReward<Truth> => {
  const at = (step: number): DefinedReward<Truth> => {
    checkStep(name, step);
    const active = parts.map((part) => weigh(part.reward.name, part, step));
    const rewards = parts.map(({ reward }) => atStep(reward, step));
    return defineReward({
      name,
      async score(sample: Sample<Truth>, options) {
        const calls = rewards.map((reward, i) =>
          active[i]!.weight === 0 ? null : scoreSample(reward, sample, options),
        );
        return weighedSum(active, await Promise.all(calls), clip);
      },
    });
  };
  return { ...at(0), at };
};

const byFormula = <Name extends string, Truth>(
  name: string,
  parts: Readonly<Record<Name, RewardFunction<Truth>>>,
  formula: RewardFormula<Name>,
  { clip }: CombineOptions,
): CombinedReward<Truth> => {
  const names = Object.keys(parts) as Name[];
  const at = (step: number): DefinedReward<Truth> => {
    checkStep(name, step);
    const rewards = names.map((part) => atStep(parts[part], step));
    return defineReward({
      name,
      async score(sample: Sample<Truth>, options) {
        const scored = await Promise.all(rewards.map((reward) => scoreSample(reward, sample, options)));
        const values = scored.map(({ value }) => value);
        const log = logOf(names.map((part, i) => [part, scored[i]!] as const));
        if (values.includes(null)) return { value: null, parts: log };
        const known = Object.fromEntries(names.map((part, i) => [part, values[i]!])) as Record<Name, number>;
        return { value: clipped(formula(known), clip), parts: log };
      },
    });
  };
  return { ...at(0), at };
};

/**
 * Several rewards as one: a weighted sum, or a formula of named parts. Every part stands in `parts` of the result.
 *
 * A part that cannot tell makes the whole `null`, unless it is marked optional; a formula is only asked when every part
 * is known. Parts are scored at the same time. Parts that are combinations themselves follow the same step.
 *
 * @throws {ConfigError} when names repeat, bounds are no interval or a weight is not finite. The result's `score` throws
 *   a RewardError when the formula gives no finite number.
 */
export function combineRewards<Truth = unknown>(
  name: string,
  parts: readonly RewardPart<Truth>[],
  options?: CombineOptions,
): CombinedReward<Truth>;
export function combineRewards<Name extends string, Truth = unknown>(
  name: string,
  parts: Readonly<Record<Name, RewardFunction<Truth>>>,
  formula: RewardFormula<Name>,
  options?: CombineOptions,
): CombinedReward<Truth>;
export function combineRewards<Truth>(
  name: string,
  parts: readonly RewardPart<Truth>[] | Readonly<Record<string, RewardFunction<Truth>>>,
  third: CombineOptions | RewardFormula<string> = {},
  fourth: CombineOptions = {},
): CombinedReward<Truth> {
  if (typeof third === "function") {
    checkClip(name, fourth.clip);
    return byFormula(name, parts as Readonly<Record<string, RewardFunction<Truth>>>, third, fourth);
  }
  checkParts(name, parts as readonly RewardPart<never>[], third);
  return weighed(name, parts as readonly RewardPart<Truth>[], third);
}

const asGroup = <Truth>(reward: RewardFunction<Truth> | GroupRewardFunction<Truth>): GroupRewardFunction<Truth> =>
  "scoreGroup" in reward ? reward : liftReward(reward);

/**
 * A weighted sum with group rewards among its parts; rewards of single samples score each member on its own. The rules
 * for `null`, weights, bounds and steps are those of `combineRewards`, for each sample.
 *
 * @throws {ConfigError} as `combineRewards`.
 */
export const combineGroupRewards = <Truth = unknown>(
  name: string,
  parts: readonly GroupRewardPart<Truth>[],
  options: CombineOptions = {},
): CombinedGroupReward<Truth> => {
  checkParts(name, parts as readonly GroupRewardPart<never>[], options);
  const at = (step: number): DefinedGroupReward<Truth> => {
    checkStep(name, step);
    const active = parts.map((part) => weigh(part.reward.name, part, step));
    const rewards = parts.map(({ reward }) => asGroup(atStep(reward, step)));
    return defineGroupReward({
      name,
      async scoreGroup(samples: readonly Sample<Truth>[], call): Promise<readonly Reward[]> {
        const calls = rewards.map((reward, i) =>
          active[i]!.weight === 0 ? null : scoreSamples(reward, samples, call),
        );
        const scored = await Promise.all(calls);
        return samples.map((_, row) =>
          weighedSum(
            active,
            scored.map((column) => column?.[row] ?? null),
            options.clip,
          ),
        );
      },
    });
  };
  return { ...at(0), at };
};
