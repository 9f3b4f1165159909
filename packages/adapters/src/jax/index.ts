/** `@r1reward/adapters/jax`: rewards for training loops written with `@jax-js/jax`. */
import type { numpy } from "@jax-js/jax";
import {
  groupAdvantages,
  rectangle,
  rolloutReward,
  type RolloutReward,
  type RolloutRewards,
} from "../scoring/rollouts.ts";
import type { GroupAdvantageOptions } from "../scoring/rollouts.ts";
import type { ScoringOptions } from "../scoring/types.ts";

export { groupAdvantages } from "../scoring/rollouts.ts";
export type { GroupAdvantageOptions, RolloutPrompt, RolloutReward, RolloutRewards } from "../scoring/rollouts.ts";

/** A reward for batches of groups; `withinGroup()` and −1 to 1 unless told otherwise. */
export const jaxReward = (options: ScoringOptions): RolloutReward => rolloutReward("jax", options);

/** Arrays `[B, G]`. They are counted: use `.ref` to use one twice. */
export interface RolloutArrays {
  readonly rewards: numpy.Array;
  readonly mask: numpy.Array;
  readonly advantages: numpy.Array;
}

/** The rewards of a batch as arrays; pass the library's `numpy`. @throws {ConfigError} when the groups differ in size. */
export const rolloutArrays = (
  np: Pick<typeof numpy, "array">,
  rollouts: RolloutRewards,
  options?: GroupAdvantageOptions,
): RolloutArrays => {
  const shape = rectangle("jax", rollouts);
  const array = (values: Float32Array): numpy.Array => np.array(values as Float32Array<ArrayBuffer>, { shape });
  const advantages = groupAdvantages(rollouts, options);
  return { rewards: array(rollouts.rewards), mask: array(rollouts.mask), advantages: array(advantages) };
};
