/** Between the rendezvous and its journal. */
import type { Attempt, Seat } from "./book.ts";
import type { ServeClock } from "./clock.ts";
import type { RendezvousEvents } from "./hall.ts";
import type { FrozenRecord, Journal, SeatRecord } from "./journal.ts";
import type { Rendezvous, Ticket } from "./rendezvous.ts";

const recordOf = (attempt: Attempt): FrozenRecord => ({
  t: "frozen",
  at: Date.now(),
  key: attempt.key,
  n: attempt.number,
  size: attempt.size,
  seats: attempt.seats.flatMap(({ response, member, late, result }) =>
    result === undefined ? [] : [{ response, member, late, result }],
  ),
});

/** Writes down what happens in a rendezvous. */
export const journalEvents = (journal: Journal): RendezvousEvents => ({
  onSeat({ kind, attempt, seat }, { submission, policy }) {
    const { key, number: n } = attempt;
    const { response, member } = seat;
    const first = kind === "opened" ? { submission: { ...submission, response: "" }, policy } : {};
    journal.append({ t: "seat", at: Date.now(), key, n, response, member, ...first });
  },
  onFrozen: (attempt) => journal.append(recordOf(attempt)),
  onLate: (attempt) => journal.append(recordOf(attempt)),
});

const attemptOf = (record: FrozenRecord, clock: ServeClock): Attempt => {
  // The wall clock may have been set back in between.
  const closedAt = clock.now() - Math.max(0, Date.now() - record.at);
  const seats = record.seats.map(({ response, member, late, result }, index): Seat => ({
    index,
    response,
    member,
    held: 0,
    sightings: 1,
    leftAt: closedAt,
    vanished: false,
    deliveredAt: undefined,
    late,
    collided: false,
    result,
  }));
  const { key, n, size } = record;
  return { key, number: n, size, phase: "frozen", openedAt: closedAt, lastAt: closedAt, closedAt, seats };
};

/** Puts back what a server before this one left behind; open groups are judged again. Returns how many groups. */
export const recover = (journal: Journal, rendezvous: Rendezvous, clock: ServeClock): number => {
  const names = new Set<string>();
  const firsts = new Map<string, SeatRecord>();
  const tickets: Ticket[] = [];
  const frozen = journal.found.filter((record) => record.t === "frozen");
  for (const record of frozen.sort((a, b) => a.n - b.n)) {
    names.add(`${record.key}.${record.n}`);
    rendezvous.restore(attemptOf(record, clock));
  }
  for (const record of journal.found) {
    if (record.t !== "seat") continue;
    const name = `${record.key}.${record.n}`;
    names.add(name);
    const first = firsts.get(name) ?? record;
    firsts.set(name, first);
    const { submission, policy } = first;
    const { response, member } = record;
    const { member: _, ...rest } = submission!;
    const again = { ...rest, response, ...(member === undefined ? {} : { member }) };
    // Held while the others are put back, so that equal answers stay as many as they were.
    const ticket = rendezvous.arrive(again, policy!);
    ticket.hold();
    tickets.push(ticket);
  }
  for (const ticket of tickets) {
    ticket.release("told");
    ticket.seating.seat.leftAt = undefined; // its client may be waiting to ask again already
  }
  return names.size;
};
