/**
 * How many requests at a time, and to whom. Each replica has a window that grows while it answers (by one per answer at
 * first, later by one per window) and halves when it refuses (429, 503): additive increase, multiplicative decrease, as
 * in TCP (RFC 5681). Calls wait in order; a call that already had a turn goes first.
 */
import { ConfigError } from "../errors.ts";
import { createLine, type Line } from "./line.ts";
import type { Endpoint } from "./endpoint.ts";

/** Requests at a time, per replica. Equal `min` and `max` make it fixed. */
export interface ConcurrencyOptions {
  /** At the start; default 32. */
  readonly initial?: number | undefined;
  /** Never fewer; default 1. */
  readonly min?: number | undefined;
  /** Never more; default 256. */
  readonly max?: number | undefined;
}

/** How a request went, as far as the window is concerned. */
export type Outcome = "ok" | "overload" | "fault" | "neutral";

/** A turn to send one request. */
export interface Lease {
  readonly endpoint: Endpoint;
  release(outcome: Outcome, retryAfterMs?: number): void;
}

/** State of a replica, for reports. */
export interface ReplicaStats {
  readonly url: string;
  readonly inFlight: number;
  /** Requests it may have in flight now. */
  readonly limit: number;
  readonly coolingDown: boolean;
}

/** Hands out turns. */
export interface Limiter {
  /** A turn now, when nobody waits and a replica has room. */
  take(): Lease | undefined;
  /** Waits in line; `grant` is called with the turn. The result leaves the line. */
  wait(grant: (lease: Lease) => void, first: boolean): () => void;
  /** Is there a replica, other than this one, that is not cooling down? */
  hasOther(endpoint: Endpoint): boolean;
  waiting(): number;
  stats(): readonly ReplicaStats[];
}

interface Replica {
  readonly endpoint: Endpoint;
  inFlight: number;
  limit: number;
  /** Below this the window grows fast. */
  threshold: number;
  /** Grows with every cut: refusals of requests sent before the last cut do not cut again. */
  epoch: number;
  faults: number;
  coolUntil: number;
}

const COOL_BASE_MS = 500;
const COOL_CAP_MS = 30_000;

const whole = (name: string, value: number): number => {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new ConfigError(`concurrency.${name}: expected a whole number from 1, got ${value}`);
};

const bounds = (options: ConcurrencyOptions): { initial: number; min: number; max: number } => {
  const max = whole("max", options.max ?? Math.max(256, options.initial ?? 0, options.min ?? 0));
  const min = whole("min", options.min ?? 1);
  if (min > max) throw new ConfigError(`concurrency: expected min <= max, got ${min} > ${max}`);
  const initial = whole("initial", options.initial ?? Math.min(max, Math.max(min, 32)));
  if (initial < min || initial > max) {
    throw new ConfigError(`concurrency.initial: expected ${min} to ${max}, got ${initial}`);
  }
  return { initial, min, max };
};

const recover = (replica: Replica): void => {
  replica.faults = 0;
  replica.coolUntil = 0;
};

const grow = (replica: Replica, max: number): void => {
  const step = replica.limit < replica.threshold ? 1 : 1 / replica.limit;
  replica.limit = Math.min(max, replica.limit + step);
};

const cut = (replica: Replica, min: number): void => {
  replica.limit = Math.max(min, Math.floor(replica.limit / 2));
  replica.threshold = replica.limit;
  replica.epoch += 1;
};

const room = (replica: Replica): boolean => replica.inFlight < Math.floor(replica.limit);

/** The least busy replica with room. Those that cool down stay out while there is any other. */
const choose = (replicas: readonly Replica[], now: number, turn: number): Replica | undefined => {
  const healthy = replicas.filter(({ coolUntil }) => coolUntil <= now);
  const candidates = healthy.length > 0 ? healthy : replicas;
  let best: Replica | undefined;
  for (let i = 0; i < candidates.length; i++) {
    const replica = candidates[(i + turn) % candidates.length]!;
    if (!room(replica)) continue;
    const better =
      best === undefined ||
      (healthy.length > 0 ? replica.inFlight < best.inFlight : replica.coolUntil < best.coolUntil);
    if (better) best = replica;
  }
  return best;
};

type Grant = (lease: Lease) => void;

interface State {
  readonly replicas: readonly Replica[];
  readonly min: number;
  readonly max: number;
  readonly now: () => number;
  /** Calls that had a turn before. */
  readonly again: Line<Grant>;
  readonly fresh: Line<Grant>;
  turn: number;
}

const pick = (state: State): Replica | undefined => {
  const [first] = state.replicas;
  if (state.replicas.length === 1) return room(first!) ? first : undefined;
  state.turn += 1;
  return choose(state.replicas, state.now(), state.turn);
};

const settle = (state: State, replica: Replica, outcome: Outcome, retryAfterMs: number | undefined): void => {
  if (outcome === "ok") recover(replica);
  if (outcome === "overload" && retryAfterMs !== undefined) replica.coolUntil = state.now() + retryAfterMs;
  if (outcome === "fault") {
    replica.coolUntil = state.now() + Math.min(COOL_CAP_MS, COOL_BASE_MS * 2 ** Math.min(replica.faults, 10));
    replica.faults += 1;
  }
  replica.inFlight -= 1;
  drain(state);
};

const leaseOf = (state: State, replica: Replica): Lease => {
  replica.inFlight += 1;
  const { epoch } = replica;
  // A window that was half empty says nothing about what the server can take.
  const busy = replica.inFlight * 2 >= replica.limit;
  return {
    endpoint: replica.endpoint,
    release: (outcome, retryAfterMs) => {
      if (outcome === "ok" && busy) grow(replica, state.max);
      if (outcome === "overload" && epoch === replica.epoch) cut(replica, state.min);
      settle(state, replica, outcome, retryAfterMs);
    },
  };
};

const drain = (state: State): void => {
  while (state.again.size > 0 || state.fresh.size > 0) {
    const replica = pick(state);
    if (replica === undefined) return;
    const line = state.again.size > 0 ? state.again : state.fresh;
    line.shift()!(leaseOf(state, replica));
  }
};

const newReplica = (endpoint: Endpoint, initial: number, max: number): Replica => ({
  endpoint,
  inFlight: 0,
  limit: initial,
  threshold: max,
  epoch: 0,
  faults: 0,
  coolUntil: 0,
});

/**
 * A limiter over the replicas of one server.
 *
 * @throws ConfigError for bounds that contradict each other.
 */
export const createLimiter = (
  endpoints: readonly Endpoint[],
  options: ConcurrencyOptions,
  now: () => number,
): Limiter => {
  const { initial, min, max } = bounds(options);
  const replicas = endpoints.map((endpoint) => newReplica(endpoint, initial, max));
  const state: State = { replicas, min, max, now, again: createLine(), fresh: createLine(), turn: 0 };
  const waiting = (): number => state.again.size + state.fresh.size;
  return {
    take: () => {
      const replica = waiting() > 0 ? undefined : pick(state);
      return replica === undefined ? undefined : leaseOf(state, replica);
    },
    wait: (grant, first) => (first ? state.again : state.fresh).join(grant),
    hasOther: (endpoint) =>
      replicas.some((replica) => replica.endpoint !== endpoint && replica.coolUntil <= now() && room(replica)),
    waiting,
    stats: () =>
      replicas.map(({ endpoint, inFlight, limit, coolUntil }) => ({
        url: endpoint.url,
        inFlight,
        limit: Math.floor(limit),
        coolingDown: coolUntil > now(),
      })),
  };
};
