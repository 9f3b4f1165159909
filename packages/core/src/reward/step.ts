/** Weights that change while training goes on. */
import { ConfigError } from "../errors.ts";

/** A number for every training step, counted from 0. */
export type StepSchedule = (step: number) => number;

/** The same number at every step. */
export const constant =
  (value: number): StepSchedule =>
  () =>
    value;

/** From one number to another. */
export interface LinearScheduleOptions {
  readonly from: number;
  readonly to: number;
  /** The last step at `from`; 0 unless told otherwise. */
  readonly start?: number | undefined;
  /** The first step at `to`. */
  readonly end: number;
}

/**
 * A straight line between two steps, level before and after.
 *
 * @throws {ConfigError} when a number is not finite or the end does not come after the start.
 */
export const linearSchedule = ({ from, to, start = 0, end }: LinearScheduleOptions): StepSchedule => {
  if (![from, to, start, end].every(Number.isFinite) || end <= start) {
    throw new ConfigError(
      `linearSchedule: expected finite numbers and start < end, got ${from}, ${to}, ${start}, ${end}`,
    );
  }
  return (step) => {
    const share = Math.min(1, Math.max(0, (step - start) / (end - start)));
    return from * (1 - share) + to * share;
  };
};

/** Something with another version for every step. */
export interface Scheduled<R> {
  /** What holds at this step. @throws {ConfigError} when the step is not a number from 0. */
  at(step: number): R;
}

/** The version of a reward that holds at a step; the reward itself when it does not change. */
export const atStep = <R extends object>(reward: R, step: number): R =>
  "at" in reward && typeof reward.at === "function" ? (reward as R & Scheduled<R>).at(step) : reward;
