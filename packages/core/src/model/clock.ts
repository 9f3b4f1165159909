/** Time and cancellation, injectable, without a listener per request. */

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

type Listener = (reason: unknown) => void;

const hubs = new WeakMap<AbortSignal, Set<Listener>>();

const openHub = (signal: AbortSignal): Set<Listener> => {
  const waiting = new Set<Listener>();
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
export const onAbort = (signal: AbortSignal, action: Listener): (() => void) => {
  const waiting = hubs.get(signal) ?? openHub(signal);
  waiting.add(action);
  return () => {
    waiting.delete(action);
  };
};
