/** Time, injectable. */

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

// Read once: the getter costs more than the clock itself.
const { timeOrigin } = performance;

/** The real time. Waits keep a process alive, as a pending retry must. */
export const systemClock: Clock = {
  now: () => timeOrigin + performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => {
      clearTimeout(timer);
    };
  },
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
