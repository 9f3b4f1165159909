/** Who is compared with whom. A schedule is a value: define your own with `defineSchedule`. */
import { ConfigError } from "../errors.ts";
import type { RandomStream } from "../evaluate/random.ts";

/** How many items there are: responses are `0 … responses − 1`, fixed items (reference, anchors) come after them. */
export interface GroupSize {
  readonly responses: number;
  readonly fixed: number;
}

/** Two items, in the order in which they are shown. */
export interface PlannedPair {
  readonly first: number;
  readonly second: number;
  /** A repeat in the other order, to measure flips: nothing waits for it, so it is judged after the group is closed. */
  readonly monitor?: boolean | undefined;
}

/** What an adaptive schedule may look at. */
export interface ScheduleState {
  readonly size: GroupSize;
  /** Rounds that were judged, 1 when `next` is first asked. */
  readonly round: number;
  /** Every comparison so far; `p` is the outcome for `first`. */
  readonly outcomes: readonly (PlannedPair & { readonly p: number | null })[];
  /** `[responses + fixed]`: Bradley–Terry strengths of what is known so far. */
  readonly strengths: readonly number[];
}

/** A plan of comparisons. */
export interface Schedule {
  readonly name: string;
  /**
   * Pairs that need no other pair's outcome: a function of the size and the random stream alone. When the group turns
   * out smaller than expected it is asked again with the true size, and only what is not under way yet is judged.
   */
  pairs(size: GroupSize, random: RandomStream): readonly PlannedPair[];
  /** The next round; an empty one ends the group. Left out: there is one round. */
  next?(state: ScheduleState, random: RandomStream): readonly PlannedPair[];
}

/**
 * A schedule made by hand.
 *
 * @throws {ConfigError} when the name or the functions are missing.
 */
export const defineSchedule = (schedule: Schedule): Schedule => {
  if (typeof schedule.name !== "string" || schedule.name === "") {
    throw new ConfigError(`schedule.name: expected a name, got ${String(schedule.name)}`);
  }
  if (typeof schedule.pairs !== "function" || !["function", "undefined"].includes(typeof schedule.next)) {
    throw new ConfigError(`schedule ${schedule.name}: expected functions pairs and, if it is adaptive, next`);
  }
  return schedule;
};
