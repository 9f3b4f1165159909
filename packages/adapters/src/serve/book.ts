/**
 * Who sits where: the bookkeeping of groups, without time, judging or sockets of its own.
 *
 * A *seat* is one answer in one attempt at a group. A request takes a seat; a repeat of the request takes the same seat
 * again. Without ids a repeat looks like a copy, so it is told by what the server knows: a seat whose request is still
 * being held cannot be repeating itself, so an equal body is another copy, up to the group's size; a seat whose request
 * was told to come back may only do so after the client's shortest pause. A request that vanished may be back before its
 * vanishing is noticed: the next equal body takes its seat, and a vanished seat beside an equal one does not count.
 */
import type { MemberResult } from "./types.ts";

/** One answer's place. */
export interface Seat {
  readonly index: number;
  readonly response: string;
  readonly member: string | undefined;
  /** Requests that are being held for it. */
  held: number;
  /** Requests that asked for it, the first included. */
  sightings: number;
  /** When the last request went away without its answer. */
  leftAt: number | undefined;
  /** It went by itself: nobody knows when, only when that was noticed. */
  vanished: boolean;
  deliveredAt: number | undefined;
  readonly late: boolean;
  /** Its id was taken by another answer. */
  readonly collided: boolean;
  result: MemberResult | undefined;
}

/** One try at judging a group: open, then closed to be judged, then frozen. */
export interface Attempt {
  readonly key: string;
  readonly number: number;
  readonly size: number | undefined;
  phase: "open" | "closed" | "frozen";
  readonly openedAt: number;
  lastAt: number;
  closedAt: number | undefined;
  readonly seats: Seat[];
}

/** What a request wants to sit for. */
export interface Arrival {
  readonly response: string;
  readonly member: string | undefined;
  readonly size: number | undefined;
  readonly retryAfterMs: number;
}

/** What became of an arrival. */
export interface Seating {
  readonly kind: "opened" | "joined" | "late" | "again";
  readonly attempt: Attempt;
  readonly seat: Seat;
}

/** How long answers are remembered. */
export interface BookOptions {
  readonly replayMs: number;
  readonly lateMs: number;
}

const isAway = ({ vanished, held }: Seat): boolean => vanished && held === 0;

/** Of equal seats, how many answers they stand for: those that vanished may be back as one of the others. */
export const answersIn = (equal: readonly Seat[]): number => Math.max(1, equal.length - equal.filter(isAway).length);

/** How many answers have come, seats that may be another's shadow left out. */
const present = ({ seats }: Attempt): number => {
  if (!seats.some(isAway)) return seats.length;
  const texts = new Map<string, Seat[]>();
  for (const seat of seats) texts.set(seat.response, [...(texts.get(seat.response) ?? []), seat]);
  return [...texts.values()].reduce(
    (sum, equal) => sum + (equal[0]!.member === undefined ? answersIn(equal) : equal.length),
    0,
  );
};

/** Does the attempt have everyone it expects? */
export const isFull = (attempt: Attempt): boolean => attempt.size !== undefined && present(attempt) >= attempt.size;

/** Seats that came in time. */
export const onTime = (attempt: Attempt): readonly Seat[] => attempt.seats.filter(({ late }) => !late);

const named = (attempt: Attempt, { member, response }: Arrival): Seat | undefined =>
  attempt.seats.find((seat) => seat.member === member && seat.response === response);

/** The seat of which this arrival is a repeat, when ids do not tell. */
const repeated = (
  attempt: Attempt,
  arrival: Arrival,
  { now, newest, replayMs }: { now: number; newest: boolean; replayMs: number },
): Seat | undefined => {
  const equal = attempt.seats.filter(({ response, member }) => response === arrival.response && member === undefined);
  const away = equal.filter(({ held, deliveredAt }) => held === 0 && deliveredAt === undefined);
  if (attempt.phase === "open") {
    // A full group closes at once, so an open one has room for another copy whenever this is none's return.
    return away.find(
      ({ leftAt, vanished }) => vanished || leftAt === undefined || now - leftAt >= arrival.retryAfterMs,
    );
  }
  const owed = away[0] ?? equal.find(({ deliveredAt }) => deliveredAt === undefined);
  if (owed !== undefined) return owed;
  return newest ? equal.find(({ deliveredAt }) => now - deliveredAt! < replayMs) : undefined;
};

const addSeat = (attempt: Attempt, arrival: Arrival, now: number, late: boolean): Seat => {
  const collided = arrival.member !== undefined && attempt.seats.some(({ member }) => member === arrival.member);
  const seat: Seat = {
    index: attempt.seats.length,
    response: arrival.response,
    member: arrival.member,
    held: 0,
    sightings: 1,
    leftAt: undefined,
    vanished: false,
    deliveredAt: undefined,
    late,
    collided,
    result: undefined,
  };
  attempt.seats.push(seat);
  attempt.lastAt = now;
  return seat;
};

/** When, and under which rules, a seat is looked for. */
export interface SeatingOptions extends BookOptions {
  readonly now: number;
  /** May a new attempt be opened? */
  readonly mayOpen: boolean;
}

/**
 * Finds or makes the seat of an arrival. `attempts` are all attempts at the group, oldest first; they are changed.
 * `undefined` when a new attempt would have to be opened but may not.
 */
export const seatAt = (
  attempts: Attempt[],
  key: string,
  arrival: Arrival,
  { now, replayMs, lateMs, mayOpen }: SeatingOptions,
): Seating | undefined => {
  for (let i = attempts.length - 1; i >= 0; i--) {
    const attempt = attempts[i]!;
    const newest = i === attempts.length - 1;
    const seat =
      arrival.member === undefined ? repeated(attempt, arrival, { now, newest, replayMs }) : named(attempt, arrival);
    if (seat === undefined) continue;
    seat.sightings += 1;
    return { kind: "again", attempt, seat };
  }
  const last = attempts.at(-1);
  if (last?.phase === "open") return { kind: "joined", attempt: last, seat: addSeat(last, arrival, now, false) };
  const sameName = arrival.member !== undefined && last?.seats.some(({ member }) => member === arrival.member);
  if (last !== undefined && !isFull(last) && !sameName && now - last.closedAt! < lateMs) {
    return { kind: "late", attempt: last, seat: addSeat(last, arrival, now, true) };
  }
  if (!mayOpen) return undefined;
  const opened: Attempt = {
    key,
    number: (last?.number ?? -1) + 1,
    size: arrival.size,
    phase: "open",
    openedAt: now,
    lastAt: now,
    closedAt: undefined,
    seats: [],
  };
  attempts.push(opened);
  return { kind: "opened", attempt: opened, seat: addSeat(opened, arrival, now, false) };
};
