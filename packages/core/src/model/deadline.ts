/** One timer for the deadlines of all calls, however many: they are all equally long, so the eldest passes first. */
import type { Scope } from "./call.ts";
import type { Clock } from "./clock.ts";
import { deadlineError, type Speaker } from "./failure.ts";

/** What is watched. */
export interface Watched {
  readonly open: Set<Scope>;
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly speaker: Speaker;
}

/** A function that makes sure a timer runs. When it fires, calls whose time is over end, and the next one is awaited. */
export const createWatch = ({ open, clock, deadlineMs, speaker }: Watched): (() => void) => {
  let armed = false;
  const arm = (ms: number): void => {
    armed = true;
    clock.after(Math.max(1, ms), sweep);
  };
  const sweep = (): void => {
    armed = false;
    const now = clock.now();
    let next = Infinity;
    for (const scope of open) {
      if (scope.until === undefined) continue;
      if (scope.until > now) next = Math.min(next, scope.until);
      else scope.end(deadlineError(speaker, deadlineMs, scope.attempts, scope.last));
    }
    if (next < Infinity) arm(next - now);
  };
  return () => {
    if (!armed) arm(deadlineMs);
  };
};
