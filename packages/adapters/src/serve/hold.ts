/**
 * Who is held and who is told to come back. A client whose pool is full of held requests cannot send the siblings that
 * they wait for; so some dialects hold only so many per client, and let the client's own retries poll for the rest.
 */
import type { HoldPolicy } from "./types.ts";

/** A request at the gate. */
export interface Caller {
  readonly client: string;
  readonly format: string;
  /** How often it was seen, this time included. */
  readonly sightings: number;
  readonly policy: HoldPolicy;
}

/** Counts held requests. */
export interface Gate {
  /** May it be held? When it may, it counts until `leave`. */
  enter(caller: Caller): boolean;
  leave(caller: Caller): void;
  held(): number;
}

/** May a request that was seen this often be told to come back once more? */
export const maySend = ({ sightings, policy }: Pick<Caller, "sightings" | "policy">): boolean =>
  sightings <= policy.maxSheds;

/** A gate that holds `most` requests in all. Who may not be sent away any more is held whatever its client's count. */
export const createGate = (most: number): Gate => {
  const counts = new Map<string, number>();
  let total = 0;
  const keyOf = ({ client, format }: Caller): string => `${format} ${client}`;
  return {
    enter(caller) {
      const key = keyOf(caller);
      const count = counts.get(key) ?? 0;
      const crowded = count >= (caller.policy.maxHeld ?? Infinity) && maySend(caller);
      if (crowded || total >= most) return false;
      counts.set(key, count + 1);
      total += 1;
      return true;
    },
    leave(caller) {
      const key = keyOf(caller);
      const count = (counts.get(key) ?? 1) - 1;
      if (count === 0) counts.delete(key);
      else counts.set(key, count);
      total -= 1;
    },
    held: () => total,
  };
};
