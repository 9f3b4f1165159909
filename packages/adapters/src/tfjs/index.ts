/** `@r1reward/adapters/tfjs`: rewards for training loops written with TensorFlow.js. */
import type { Tensor2D } from "@tensorflow/tfjs-core";
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
export const tfjsReward = (options: ScoringOptions): RolloutReward => rolloutReward("tfjs", options);

/** The part of the library that is needed: pass `tf`. */
export interface TensorMaker {
  tensor2d(values: Float32Array, shape: [number, number], dtype: "float32"): Tensor2D;
}

/** Tensors `[B, G]`. Whoever asked for them disposes of them. */
export interface RolloutTensors {
  readonly rewards: Tensor2D;
  readonly mask: Tensor2D;
  readonly advantages: Tensor2D;
}

/** The rewards of a batch as tensors. @throws {ConfigError} when the groups differ in size. */
export const rolloutTensors = (
  tf: TensorMaker,
  rollouts: RolloutRewards,
  options?: GroupAdvantageOptions,
): RolloutTensors => {
  const shape = rectangle("tfjs", rollouts);
  const tensor = (values: Float32Array): Tensor2D => tf.tensor2d(values, shape, "float32");
  const advantages = groupAdvantages(rollouts, options);
  return { rewards: tensor(rollouts.rewards), mask: tensor(rollouts.mask), advantages: tensor(advantages) };
};
