/** Rewards for training loops that one writes oneself: flat arrays with a mask. */
import type { CallOptions, Part } from "@r1reward/core";
import { ConfigError } from "@r1reward/core";
import { withinGroup } from "./scalarise.ts";
import { createScoring, withHealth } from "./scoring.ts";
import type { Health, ScoringOptions } from "./types.ts";

/** A prompt of a training batch. A string is its question. */
export type RolloutPrompt =
  string | { readonly question: string | readonly Part[]; readonly reference?: string | undefined };

/** Rewards of a batch, flat: the answers of prompt 0, then those of prompt 1, and so on. */
export interface RolloutRewards {
  /** `[Σ G_b]`; 0 where the mask is 0. */
  readonly rewards: Float32Array;
  /** `[Σ G_b]`; 0 for an answer that could not be judged and must not count, else 1. */
  readonly mask: Float32Array;
  /** Answers per prompt, `[B]`. */
  readonly groupSizes: readonly number[];
  /** What the judge wrote about each answer. */
  readonly critiques: readonly string[];
}

/** Rewards `completions[b][g]`, the answers to `prompts[b]`. */
export type RolloutReward = Health &
  ((
    prompts: readonly RolloutPrompt[],
    completions: readonly (readonly string[])[],
    options?: CallOptions,
  ) => Promise<RolloutRewards>);

/**
 * A reward for batches of groups, as GRPO-style loops have them: `withinGroup()` and the range −1 to 1 unless told
 * otherwise. `onError: "abstain"` shows in the mask.
 *
 * @throws {ConfigError} naming the option that cannot work; when called, for as many groups as there are not prompts.
 */
export const rolloutReward = (name: string, options: ScoringOptions): RolloutReward => {
  const scoring = createScoring({ name, scalarise: withinGroup(), range: [-1, 1], abstains: true }, options);
  const reward: (...args: Parameters<RolloutReward>) => Promise<RolloutRewards> = async (
    prompts,
    completions,
    call,
  ) => {
    if (prompts.length !== completions.length) {
      throw new ConfigError(`${name}: expected ${prompts.length} groups of completions, got ${completions.length}`);
    }
    const tasks = prompts.flatMap((prompt, at) => {
      const { question, reference = undefined } = typeof prompt === "string" ? { question: prompt } : prompt;
      return completions[at]!.map((response) => ({ question, response, reference, group: `${at}` }));
    });
    const all = await scoring.scoreAll(
      tasks.map((task) => () => task),
      call,
    );
    return {
      rewards: Float32Array.from(all, ({ score }) => score ?? 0),
      mask: Float32Array.from(all, ({ score }) => (score === null ? 0 : 1)),
      groupSizes: completions.map((group) => group.length),
      critiques: all.map(({ critique }) => critique),
    };
  };
  return withHealth(reward, scoring);
};

/** How advantages are made. */
export interface GroupAdvantageOptions {
  /** Divide by the group's standard deviation, as GRPO does; off, since it blows up groups without differences. */
  readonly divideByDeviation?: boolean | undefined;
}

const advantagesOf = (rewards: Float32Array, mask: Float32Array, divide: boolean): Float32Array => {
  const known = rewards.filter((_, at) => mask[at] !== 0);
  if (known.length === 0) return new Float32Array(rewards.length);
  const mean = known.reduce((sum, reward) => sum + reward, 0) / known.length;
  const variance = known.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / known.length;
  // A group whose rewards are all equal has advantages 0, with or without the division.
  const scale = divide && variance > 0 ? Math.sqrt(variance) : 1;
  return rewards.map((reward, at) => (mask[at] === 0 ? 0 : (reward - mean) / scale));
};

/** Rewards minus the mean of their group, over the answers that were judged; 0 for those that were not. `[Σ G_b]`. */
export const groupAdvantages = (
  { rewards, mask, groupSizes }: Pick<RolloutRewards, "rewards" | "mask" | "groupSizes">,
  { divideByDeviation = false }: GroupAdvantageOptions = {},
): Float32Array => {
  const advantages = new Float32Array(rewards.length);
  let start = 0;
  for (const size of groupSizes) {
    const end = start + size;
    advantages.set(advantagesOf(rewards.slice(start, end), mask.slice(start, end), divideByDeviation), start);
    start = end;
  }
  return advantages;
};

/** Rows and columns of a batch whose groups are all of one size. @throws {ConfigError} when they are not. */
export const rectangle = (name: string, { groupSizes }: Pick<RolloutRewards, "groupSizes">): [number, number] => {
  const [size = 0] = groupSizes;
  if (groupSizes.some((other) => other !== size)) {
    throw new ConfigError(`${name}: expected groups of one size, got ${groupSizes.join(", ")}`);
  }
  return [groupSizes.length, size];
};
