import { AbortError, throwIfAborted } from "./errors.ts";
import { onAbort } from "./abort.ts";

/** What a caller gets out of shared work. */
export interface Shared<T> {
  readonly value: T;
  /** True for exactly one of the callers that received the value: the one the work is put down to. */
  readonly first: boolean;
}

/** Runs `work` unless the same key is under way already; then waits for that. */
export type Coalesce<T> = (
  key: string,
  work: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
) => Promise<Shared<T>>;

interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
  claimed: boolean;
}

const waitFor = <T>(flight: Flight<T>, signal: AbortSignal | undefined, giveUp: () => void): Promise<Shared<T>> =>
  new Promise((resolve, reject) => {
    const leave = (reason: unknown): void => {
      giveUp();
      reject(new AbortError("aborted by the caller", { cause: reason }));
    };
    const stay = signal === undefined ? () => {} : onAbort(signal, leave);
    const settle = (finish: () => void): void => {
      stay();
      if (!signal?.aborted) finish();
    };
    flight.waiting += 1;
    flight.result.then(
      (value) =>
        settle(() => {
          resolve({ value, first: !flight.claimed });
          flight.claimed = true;
        }),
      (error: unknown) => settle(() => reject(error)),
    );
  });

/**
 * Work under way by key. A caller whose signal fires leaves at once and the others stay; when nobody is left the work is
 * aborted, and the next caller starts it afresh. Failures reach everybody who waits and are not remembered.
 */
export const coalescing = <T>(): Coalesce<T> => {
  const flights = new Map<string, Flight<T>>();
  const land = (key: string, flight: Flight<T>): void => {
    if (flights.get(key) === flight) flights.delete(key);
  };
  const start = (key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> => {
    const controller = new AbortController();
    const flight: Flight<T> = { result: work(controller.signal), controller, waiting: 0, claimed: false };
    flights.set(key, flight);
    const landed = (): void => land(key, flight);
    flight.result.then(landed, landed);
    return flight;
  };
  return async (key, work, signal) => {
    throwIfAborted(signal);
    const flight = flights.get(key) ?? start(key, work);
    return waitFor(flight, signal, () => {
      flight.waiting -= 1;
      if (flight.waiting > 0) return;
      land(key, flight);
      flight.controller.abort(signal?.reason);
    });
  };
};
