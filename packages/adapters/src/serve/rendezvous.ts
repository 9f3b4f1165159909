/**
 * Where siblings meet. Answers to one prompt arrive one per request, in any order, with or without ids. They are seated
 * in groups (`book.ts`), judged in pairs while they arrive, and all answered from one fit: a group fires when it is
 * whole, at its deadline, or when nobody has come for a while, and then it is frozen (`group-life.ts`). Who comes after
 * that is measured against the frozen members (`late.ts`).
 */
import { seatAt, type Attempt, type Seat, type Seating } from "./book.ts";
import { fire, join, prune, whole } from "./group-life.ts";
import type { Hall, RendezvousOptions } from "./hall.ts";
import { groupKey } from "./keys.ts";
import { measureLate } from "./late.ts";
import { unscorable } from "./results.ts";
import type { HoldPolicy, MemberResult, Submission } from "./types.ts";
import { comeBack } from "./wire-error.ts";

export type { RendezvousEvents, RendezvousOptions } from "./hall.ts";

/** How a request for a seat ended. */
export type Leaving = "delivered" | "told" | "vanished";

/** A request's hold on a seat. */
export interface Ticket {
  /** Names the seat, for clients that poll. */
  readonly id: string;
  readonly seating: Seating;
  /** The result once the seat's group is frozen. Never rejects. */
  result(): Promise<MemberResult>;
  /** The request is being held. */
  hold(): void;
  /** The request ended: with its answer, told to come back, or by itself. */
  release(how: Leaving): void;
}

/** The meeting place. */
export interface Rendezvous {
  /** Seats a submission. @throws {WireError} 503 when no more groups may be opened. */
  arrive(submission: Submission, policy: HoldPolicy): Ticket;
  /** The seat of a ticket's id; `undefined` when nobody knows it (any more). */
  find(id: string): Seat | undefined;
  /** Groups that are open or being judged, and groups that are kept. */
  counts(): { readonly open: number; readonly frozen: number };
  /** From now on no group is opened. */
  stopOpening(): void;
  /** Judges every open group with whoever is there. */
  fireAll(): void;
  /** Puts a frozen group back, as a journal recorded it. */
  restore(attempt: Attempt): void;
  /** Gives everything up. */
  close(): void;
}

const idOf = (attempt: Attempt, seat: Seat): string => `${attempt.key}.${attempt.number}.${seat.index}`;

const ticketOf = (hall: Hall, seating: Seating): Ticket => {
  const { attempt, seat } = seating;
  return {
    id: idOf(attempt, seat),
    seating,
    async result() {
      await hall.living.get(attempt)?.done;
      await hall.late.get(seat);
      return seat.result ?? unscorable("judge-failed");
    },
    hold() {
      seat.held += 1;
      seat.vanished = false;
      whole(hall, attempt);
    },
    release(how) {
      seat.held -= 1;
      const now = hall.options.clock.now();
      if (how === "delivered") seat.deliveredAt = now;
      else seat.leftAt = now;
      seat.vanished = how === "vanished";
    },
  };
};

const arrive = (hall: Hall, given: Submission, policy: HoldPolicy): Ticket => {
  const { clock, limits, groupSize, events } = hall.options;
  const submission = { ...given, size: given.size ?? groupSize };
  const key = groupKey(submission);
  const attempts = hall.groups.get(key) ?? [];
  const before = attempts.at(-1)?.lastAt;
  const { response, member, size } = submission;
  const arrival = { response, member, size, retryAfterMs: policy.retryAfterMs };
  const mayOpen = hall.mayOpen && hall.living.size < limits.maxGroups;
  const seating = seatAt(attempts, key, arrival, { ...limits, now: clock.now(), mayOpen });
  if (seating === undefined) throw comeBack(hall.mayOpen ? "too many open groups" : "shutting down", 2);
  hall.groups.set(key, attempts);
  const { kind, attempt, seat } = seating;
  if (kind === "late") hall.late.set(seat, measureLate(hall, attempt, seat, submission));
  if (kind === "opened" || kind === "joined") {
    events.onSeat?.(seating, { submission, policy });
    join(hall, seating, { submission, policy, before: kind === "joined" ? before : undefined });
  }
  return ticketOf(hall, seating);
};

const find = ({ groups }: Hall, id: string): Seat | undefined => {
  const [key = "", number, index] = id.split(".");
  const attempt = groups.get(key)?.find((one) => String(one.number) === number);
  return attempt?.seats.find((seat) => String(seat.index) === index);
};

const restore = (hall: Hall, attempt: Attempt): void => {
  hall.groups.set(attempt.key, [...(hall.groups.get(attempt.key) ?? []), attempt]);
  hall.frozen.add(attempt);
};

/** A rendezvous. */
export const createRendezvous = (options: RendezvousOptions): Rendezvous => {
  const hall: Hall = {
    options,
    groups: new Map(),
    living: new Map(),
    frozen: new Set(),
    late: new Map(),
    mayOpen: true,
  };
  return {
    arrive: (submission, policy) => {
      prune(hall);
      return arrive(hall, submission, policy);
    },
    find: (id) => find(hall, id),
    counts: () => ({ open: hall.living.size, frozen: hall.frozen.size }),
    stopOpening: () => void (hall.mayOpen = false),
    fireAll: () => [...hall.living.keys()].forEach((attempt) => fire(hall, attempt)),
    restore: (attempt) => restore(hall, attempt),
    close() {
      for (const live of hall.living.values()) {
        live.cancel();
        live.controller.abort(new Error("the server was closed"));
        live.settle();
      }
    },
  };
};
