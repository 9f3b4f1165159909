/** Time, injectable. */

/** A clock that never goes back, and timers. */
export interface ServeClock {
  /** Milliseconds from an arbitrary start; jumps of the wall clock do not show. */
  now(): number;
  /** Calls `action` after `ms` milliseconds; the result calls it off. */
  after(ms: number, action: () => void): () => void;
}

/** The real time. Its timers do not keep a process alive: the server's sockets do. */
export const serveClock: ServeClock = {
  now: () => performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, Math.min(ms, 2_147_483_647));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
