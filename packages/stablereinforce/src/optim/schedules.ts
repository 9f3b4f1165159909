/** Learning rates by step: plain functions of the step number, counted from 0. */
import { EngineError } from "../engine/errors.ts";

/** Learning rate of a step. */
export type Schedule = (step: number) => number;

/** A warm-up and what follows it. */
export interface ScheduleOptions {
  /** Rate after the warm-up. */
  readonly peak: number;
  /** Steps over which the rate grows linearly from peak/warmup; 0 by default. */
  readonly warmup?: number | undefined;
  /** Steps in all; the rate stays at its end value afterwards. */
  readonly total: number;
  /** Rate at the end, 0 by default. */
  readonly end?: number | undefined;
}

/** The same rate always. */
export const constantSchedule =
  (rate: number): Schedule =>
  () =>
    rate;

const shaped = (options: ScheduleOptions, shape: (progress: number) => number): Schedule => {
  const { peak, warmup = 0, total, end = 0 } = options;
  const whole = [warmup, total].every((n) => Number.isInteger(n) && n >= 0);
  if (!whole || total <= warmup || !Number.isFinite(peak) || !Number.isFinite(end)) {
    const problem = `schedule: expected finite rates and whole steps with warmup < total, got ${JSON.stringify(options)}`;
    throw new EngineError(problem, { reason: "attribute" });
  }
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    const progress = Math.min(1, (step - warmup) / (total - warmup));
    return end + (peak - end) * shape(progress);
  };
};

/** Warm-up, then a straight line down. @throws EngineError `attribute` */
export const linearSchedule = (options: ScheduleOptions): Schedule => shaped(options, (progress) => 1 - progress);

/** Warm-up, then half a cosine down (arXiv 1608.03983). @throws EngineError `attribute` */
export const cosineSchedule = (options: ScheduleOptions): Schedule =>
  shaped(options, (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)));
