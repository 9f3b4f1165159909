/** Time and cancellation, injectable, without a timer or a listener per request. */

/** Time, as the client sees it. */
export interface Clock {
  /** Milliseconds since 1970; never goes back. */
  now(): number;
  /** Calls `action` after `ms` milliseconds; the result calls it off. */
  after(ms: number, action: () => void): () => void;
}

// A timer alone must not keep a process alive; the sockets of what it watches over do.
const release = (timer: unknown): void => {
  if (typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function") {
    timer.unref();
  }
};

/** The real time. Waits keep a process alive, as a pending retry must. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Deadlines that all lie equally far ahead. */
export interface Deadlines {
  /** Calls `expire` when the time is over; the result calls it off. */
  add(expire: () => void): () => void;
}

/** Longest delay that timers of JavaScript can do: 2^31 - 1 milliseconds. */
const MAX_TIMER_MS = 2_147_483_647;

/** Equal delays expire in the order in which they were set, so that one timer for the eldest does for all. */
export const createDeadlines = (ms: number, clock: Clock): Deadlines => {
  const pending = new Map<() => void, number>();
  let armed = false;
  const arm = (delay: number): void => {
    armed = true;
    clock.after(Math.min(Math.max(delay, 1), MAX_TIMER_MS), sweep);
  };
  const sweep = (): void => {
    armed = false;
    const now = clock.now();
    for (const [expire, at] of pending) {
      if (at > now) {
        arm(at - now);
        return;
      }
      pending.delete(expire);
      expire();
    }
  };
  return {
    add: (expire) => {
      pending.set(expire, clock.now() + ms);
      if (!armed) arm(ms);
      return () => {
        pending.delete(expire);
      };
    },
  };
};

/** The clock for timers that only watch: they never keep a process alive. */
export const watchClock: Clock = {
  now: systemClock.now,
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    release(timer);
    return () => {
      clearTimeout(timer);
    };
  },
};

const hubs = new WeakMap<AbortSignal, Set<(reason: unknown) => void>>();

const openHub = (signal: AbortSignal): Set<(reason: unknown) => void> => {
  const waiting = new Set<(reason: unknown) => void>();
  hubs.set(signal, waiting);
  const fire = (): void => {
    hubs.delete(signal);
    for (const action of waiting) action(signal.reason);
  };
  signal.addEventListener("abort", fire, { once: true });
  return waiting;
};

/**
 * Calls `action` when the signal fires; the result calls it off. Thousands of calls may share one signal: it gets one
 * listener, because adding and removing a listener takes time in proportion to how many there are.
 */
export const onAbort = (signal: AbortSignal, action: (reason: unknown) => void): (() => void) => {
  const waiting = hubs.get(signal) ?? openHub(signal);
  waiting.add(action);
  return () => {
    waiting.delete(action);
  };
};
