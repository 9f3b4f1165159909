/** When to try again, and how often: exponential waits with full jitter, under a budget that all calls share. */
import { ConfigError } from "../errors.ts";
import type { Clock } from "./clock.ts";

/** Limits on trying again. */
export interface RetryOptions {
  /** Tries per call, the first included. Default 6; 1 never tries again. */
  readonly attempts?: number | undefined;
  /** The first wait is drawn from 0 up to this, each further one from twice as much. Default 500. */
  readonly baseMs?: number | undefined;
  /** Upper end of a wait. Default 20 000. */
  readonly capMs?: number | undefined;
  /** Longest wait that a server may ask for; a longer one counts as this long. Default 60 000. */
  readonly retryAfterCapMs?: number | undefined;
  /**
   * Tokens for second tries, shared by all calls of the client, so that a dead server does not see its load multiplied:
   * each call adds `perCall` (default 0.5), each second `perSecond` (default 10), up to `capacity` (default 100).
   */
  readonly budget?:
    | {
        readonly capacity?: number | undefined;
        readonly perCall?: number | undefined;
        readonly perSecond?: number | undefined;
      }
    | undefined;
}

/** All limits, checked. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly baseMs: number;
  readonly capMs: number;
  readonly retryAfterCapMs: number;
  readonly capacity: number;
  readonly perCall: number;
  readonly perSecond: number;
}

const DEFAULTS: RetryPolicy = {
  attempts: 6,
  baseMs: 500,
  capMs: 20_000,
  retryAfterCapMs: 60_000,
  capacity: 100,
  perCall: 0.5,
  perSecond: 10,
};

/**
 * Fills in the defaults.
 *
 * @throws ConfigError for a limit that is negative or not finite, and for less than one try.
 */
export const retryPolicy = ({ budget, ...given }: RetryOptions = {}): RetryPolicy => {
  const entries = Object.entries<number | undefined>({ ...given, ...budget });
  const set = entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  for (const [name, value] of set) {
    if (!(name in DEFAULTS)) throw new ConfigError(`retry.${name}: no such option`);
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new ConfigError(`retry.${name}: expected a number from 0, got ${value}`);
    }
  }
  const policy = { ...DEFAULTS, ...Object.fromEntries(set) };
  if (!(Number.isInteger(policy.attempts) && policy.attempts >= 1)) {
    throw new ConfigError(`retry.attempts: expected a whole number from 1, got ${policy.attempts}`);
  }
  return policy;
};

/** Tokens for second tries. */
export interface RetryBudget {
  /** A new call was made. */
  deposit(): void;
  /** Takes one token; `false` when there is none. */
  take(): boolean;
  level(): number;
}

/** A bucket of tokens, full at first. */
export const createBudget = (policy: RetryPolicy, clock: Clock): RetryBudget => {
  let tokens = policy.capacity;
  let filled = clock.now();
  const refill = (): void => {
    const now = clock.now();
    tokens = Math.min(policy.capacity, tokens + (Math.max(0, now - filled) / 1000) * policy.perSecond);
    filled = now;
  };
  return {
    deposit: () => {
      tokens = Math.min(policy.capacity, tokens + policy.perCall);
    },
    take: () => {
      refill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
    level: () => {
      refill();
      return tokens;
    },
  };
};

/**
 * Milliseconds to wait after try number `attempt` (from 1). What the server asked for is the least, within its cap; the
 * jitter comes on top, so that clients that were refused together do not come back together.
 */
export const backoffMs = (
  policy: RetryPolicy,
  attempt: number,
  retryAfterMs: number | undefined,
  random: () => number,
): number => {
  const top = Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1));
  if (retryAfterMs === undefined) return random() * top;
  return Math.min(retryAfterMs, policy.retryAfterCapMs) + random() * Math.min(top, policy.baseMs);
};
