/** Cancellation without a listener per call. */

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
