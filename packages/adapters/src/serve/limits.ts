/** What one server accepts. */
import { ConfigError } from "@r1reward/core";

/** Limits of a server. Passing one is a deliberate refusal, counted in the metrics. */
export interface ServeLimits {
  /** Bytes of one request body. Default 32 MiB. */
  readonly maxBodyBytes: number;
  /** Bytes of all bodies being read or held. Default 512 MiB. */
  readonly maxBytesInFlight: number;
  /** Groups that are open or being judged. Default 4,096. */
  readonly maxGroups: number;
  /** Requests held at once. Default 4,096. */
  readonly maxHeld: number;
  /** Requests of one client address and run that are held at once: one trainer cannot take all there is. Default 2,048. */
  readonly maxHeldPerClient: number;
  /** Connections. Default 4,096. */
  readonly maxConnections: number;
  /** Answers in one request. Default 4,096. */
  readonly maxEntries: number;
  /** UTF-16 code units of one answer; a longer one is unscorable. Default 262,144. */
  readonly maxResponseChars: number;
  /** UTF-16 code units of one prompt's text; images inside it do not count. Default 1,048,576. */
  readonly maxPromptChars: number;
  /** Images of one prompt; how large each may be is up to the judge's media loader. Default 64. */
  readonly maxImages: number;
  /** Milliseconds for a request's headers. Default 10,000. */
  readonly headersTimeoutMs: number;
  /** Milliseconds for a whole request to arrive. Default 60,000. */
  readonly requestTimeoutMs: number;
  /** Milliseconds that judging one group may take. Default 600,000. */
  readonly judgingMs: number;
  /** Milliseconds that answers are kept for clients that ask again. Default 600,000. */
  readonly retainMs: number;
  /** Milliseconds after delivery in which the same answer counts as a retry. Default 60,000. */
  readonly replayMs: number;
  /** Milliseconds after a group was judged incomplete in which a new answer counts as its late member. Default 30,000. */
  readonly lateMs: number;
  /** Frozen groups that are kept. Default 16,384. */
  readonly maxFrozen: number;
}

/** The limits that hold unless others are given. */
export const defaultServeLimits: ServeLimits = {
  maxBodyBytes: 32 * 1024 * 1024,
  maxBytesInFlight: 512 * 1024 * 1024,
  maxGroups: 4096,
  maxHeld: 4096,
  maxHeldPerClient: 2048,
  maxConnections: 4096,
  maxEntries: 4096,
  maxResponseChars: 262_144,
  maxPromptChars: 1_048_576,
  maxImages: 64,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  judgingMs: 600_000,
  retainMs: 600_000,
  replayMs: 60_000,
  lateMs: 30_000,
  maxFrozen: 16_384,
};

/** The defaults with `changes` applied. @throws {ConfigError} for a limit that is no positive number. */
export const serveLimits = (changes: Partial<ServeLimits> = {}): ServeLimits => {
  const limits = { ...defaultServeLimits, ...changes };
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value !== "number" || !(value >= 0) || value === Infinity) {
      throw new ConfigError(`limits.${name}: expected a number from 0, got ${String(value)}`);
    }
  }
  return limits;
};
