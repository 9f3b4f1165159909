/** The state of a rendezvous, and what it is told and tells. */
import type { Anchor, Part } from "@r1reward/core";
import type { Attempt, Seat, Seating } from "./book.ts";
import type { ServeClock } from "./clock.ts";
import type { ServeLimits } from "./limits.ts";
import type { Fallback, OpenScoring, Scorer } from "./scoring.ts";
import type { HoldPolicy, ResolvedQuestion, Submission } from "./types.ts";

/** What the rest of the server is told about groups. */
export interface RendezvousEvents {
  /** Somebody new sat down. Holds the payload, for the journal. */
  onSeat?(seating: Seating, from: { readonly submission: Submission; readonly policy: HoldPolicy }): void;
  onFrozen?(attempt: Attempt, tookMs: number): void;
  onLate?(attempt: Attempt, seat: Seat): void;
  onFailure?(error: unknown): void;
}

/** How a rendezvous works. */
export interface RendezvousOptions {
  readonly scorer: Scorer;
  readonly clock: ServeClock;
  readonly limits: ServeLimits;
  /** Finds the images, and a reference if there is one, of a submission's prompt. */
  readonly resolve: (submission: Submission) => ResolvedQuestion & { readonly reference?: string | undefined };
  /** What a lone answer is measured against when it has no reference. */
  readonly anchors?: readonly Anchor[] | undefined;
  /** Siblings per prompt when the request does not say. */
  readonly groupSize?: number | undefined;
  /** Without a known size: quiet time after which a group is taken for whole; three median gaps at least. */
  readonly quietMs: number;
  readonly events: RendezvousEvents;
}

/** A group that is open or being judged. */
export interface LiveGroup {
  readonly question: readonly Part[];
  readonly missing: boolean;
  readonly against: Fallback;
  readonly scoring: OpenScoring;
  readonly controller: AbortController;
  /** In the order in which the scorer got them. */
  readonly scored: Seat[];
  /** Further seats of the same text, by the text: not handed to the scorer before the group fires. */
  readonly copies: Map<string, readonly Seat[]>;
  /** Milliseconds between arrivals. */
  readonly gaps: number[];
  fireAt: number;
  cancel: () => void;
  /** Settles when the group is frozen. */
  readonly done: Promise<void>;
  readonly settle: () => void;
}

/** Everything a rendezvous knows. */
export interface Hall {
  readonly options: RendezvousOptions;
  /** All attempts by their group's key, oldest first. */
  readonly groups: Map<string, Attempt[]>;
  readonly living: Map<Attempt, LiveGroup>;
  /** Oldest first. */
  readonly frozen: Set<Attempt>;
  /** Late members that are being measured. */
  readonly late: Map<Seat, Promise<void>>;
  mayOpen: boolean;
}
