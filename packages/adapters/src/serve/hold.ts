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

/**
 * A gate that holds `most` requests in all, and `perClient` of one client. Within these, who may not be sent away any more is
 * held whatever its dialect says about its client's count.
 */
export const createGate = (most: number, perClient = most): Gate => {
  const counts = new Map<string, number>();
  const clients = new Map<string, number>();
  let total = 0;
  const bump = (of: Map<string, number>, key: string, by: number): void => {
    const count = (of.get(key) ?? 0) + by;
    if (count === 0) of.delete(key);
    else of.set(key, count);
  };
  const keyOf = ({ client, format }: Caller): string => `${format} ${client}`;
  return {
    enter(caller) {
      const key = keyOf(caller);
      const count = counts.get(key) ?? 0;
      const crowded = count >= (caller.policy.maxHeld ?? Infinity) && maySend(caller);
      const full = total >= most || (clients.get(caller.client) ?? 0) >= perClient;
      if (crowded || full) return false;
      bump(counts, key, 1);
      bump(clients, caller.client, 1);
      total += 1;
      return true;
    },
    leave(caller) {
      bump(counts, keyOf(caller), -1);
      bump(clients, caller.client, -1);
      total -= 1;
    },
    held: () => total,
  };
};
