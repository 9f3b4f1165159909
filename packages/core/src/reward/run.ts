/** Runs reward functions and checks what they return: the boundary between user code and ours. */
import { boundary, messageOf, RewardError, throwIfAborted } from "../errors.ts";
import type { CallOptions, GroupRewardFunction, RewardFunction } from "../interfaces.ts";
import type { Reward, Sample } from "../types.ts";

const isValue = (value: unknown): value is number | null => value === null || Number.isFinite(value);

const shown = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value));

/**
 * Turns what a reward function returned into a `Reward`, or says why it is none.
 *
 * @throws {RewardError} for NaN, infinities, undefined, strings and whatever else is neither number, null nor reward.
 */
export const toReward = (name: string, sampleId: string | undefined, result: unknown): Reward => {
  const refuse = (problem: string): never => {
    throw new RewardError(name, sampleId, problem);
  };
  if (isValue(result)) return { value: result, parts: {} };
  if (typeof result !== "object" || !("value" in result)) {
    return refuse(`expected a finite number, null or a reward, got ${shown(result)}`);
  }
  const { value } = result;
  const parts: unknown = "parts" in result ? result.parts : undefined;
  if (!isValue(value)) return refuse(`value: expected a finite number or null, got ${shown(value)}`);
  if (typeof parts !== "object" || parts === null) return refuse(`parts: expected an object, got ${shown(parts)}`);
  const entries = Object.entries(parts).map(([key, part]: [string, unknown]) =>
    isValue(part)
      ? ([key, part] as const)
      : refuse(`parts.${key}: expected a finite number or null, got ${shown(part)}`),
  );
  return { value, parts: Object.fromEntries(entries) };
};

const wrapped = (name: string, sampleId: string | undefined) => (cause: unknown) =>
  new RewardError(name, sampleId, `threw: ${messageOf(cause)}`, { cause });

/**
 * Scores one sample.
 *
 * @throws {RewardError} when the function throws a foreign error or returns what is no reward; our own errors pass.
 * @throws {AbortError} when the signal fired before.
 */
export const scoreSample = async <Truth>(
  reward: RewardFunction<Truth>,
  sample: Sample<Truth>,
  options: CallOptions = {},
): Promise<Reward> => {
  throwIfAborted(options.signal);
  const result = await boundary(wrapped(reward.name, sample.id), async () => reward.score(sample, options));
  return toReward(reward.name, sample.id, result);
};

/**
 * Scores a group: as many rewards as samples, in their order.
 *
 * @throws {RewardError} as `scoreSample`, and when the number of rewards is not that of the samples.
 * @throws {AbortError} when the signal fired before.
 */
export const scoreSamples = async <Truth>(
  reward: GroupRewardFunction<Truth>,
  samples: readonly Sample<Truth>[],
  options: CallOptions = {},
): Promise<readonly Reward[]> => {
  throwIfAborted(options.signal);
  const results: unknown = await boundary(wrapped(reward.name, undefined), async () =>
    reward.scoreGroup(samples, options),
  );
  if (!Array.isArray(results) || results.length !== samples.length) {
    const got = Array.isArray(results) ? results.length : shown(results);
    throw new RewardError(reward.name, undefined, `expected ${samples.length} rewards, got ${got}`);
  }
  return samples.map(({ id }, at) => toReward(reward.name, id, results[at]));
};
