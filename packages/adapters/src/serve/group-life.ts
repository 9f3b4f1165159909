/** The life of a group: opened by its first member, fired, judged, frozen, forgotten. */
import { answersIn, isFull, type Attempt, type Seat, type Seating } from "./book.ts";
import type { Hall, LiveGroup } from "./hall.ts";
import { emptySummary, flagsOf, resultsOf, unscorable } from "./results.ts";
import type { HoldPolicy, MemberResult, Submission } from "./types.ts";

/** How many may come when nobody said how many will. */
const UNKNOWN_CAPACITY = 64;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

const forget = ({ groups, frozen }: Hall, attempt: Attempt): void => {
  frozen.delete(attempt);
  const left = (groups.get(attempt.key) ?? []).filter((one) => one !== attempt);
  if (left.length === 0) groups.delete(attempt.key);
  else groups.set(attempt.key, left);
};

/** Forgets frozen groups that are too old or too many. */
export const prune = (hall: Hall): void => {
  const { clock, limits } = hall.options;
  for (const attempt of hall.frozen) {
    const stale = clock.now() - attempt.closedAt! > limits.retainMs;
    if (!stale && hall.frozen.size <= limits.maxFrozen) return;
    forget(hall, attempt);
  }
};

const judged = async (hall: Hall, attempt: Attempt, live: LiveGroup): Promise<readonly MemberResult[]> => {
  const notes = { missing: live.missing, reference: false };
  const { scored: seats } = live;
  if (seats.length !== 1) return resultsOf(attempt, seats, { scored: await live.scoring.result(), notes });
  const group = { id: attempt.key, question: live.question, size: 1, signal: live.controller.signal };
  const scored = await hall.options.scorer.alone(group, seats[0]!.response, live.against);
  if (scored !== null) return resultsOf(attempt, seats, { scored, notes: { ...notes, reference: true } });
  return [unscorable("alone", flagsOf(attempt, seats[0]!, notes), emptySummary(1, attempt.size ?? null))];
};

const failed = (attempt: Attempt, live: LiveGroup): readonly MemberResult[] => {
  const summary = emptySummary(live.scored.length, attempt.size ?? null);
  const notes = { missing: live.missing, reference: false };
  return live.scored.map((seat) => unscorable("judge-failed", flagsOf(attempt, seat, notes), summary));
};

const freeze = async (hall: Hall, attempt: Attempt, live: LiveGroup): Promise<void> => {
  const { clock, limits, events } = hall.options;
  const started = clock.now();
  const stop = clock.after(limits.judgingMs, () => live.controller.abort(new Error("judging took too long")));
  const results = await judged(hall, attempt, live).catch((error: unknown) => {
    events.onFailure?.(error);
    return failed(attempt, live);
  });
  stop();
  live.scored.forEach((seat, at) => (seat.result = results[at]!));
  for (const seat of attempt.seats) {
    // A shadow of an equal answer is told the same.
    seat.result ??= live.scored.find(
      ({ response, result }) => response === seat.response && result !== undefined,
    )?.result;
  }
  attempt.phase = "frozen";
  hall.living.delete(attempt);
  hall.frozen.add(attempt);
  events.onFrozen?.(attempt, clock.now() - started);
  live.settle();
  // A lone answer whose judging failed is judged again when it is asked for again: there are no siblings to agree with.
  if (attempt.size === 1 && results[0]?.why === "judge-failed") forget(hall, attempt);
  prune(hall);
};

/**
 * Equal answers are judged once, so copies take part only now that it is known how many there are: a vanished seat beside an
 * equal one may be the same answer twice.
 */
const addCopies = (live: LiveGroup): void => {
  for (const [text, copies] of live.copies) {
    const equal = [...live.scored.filter(({ response }) => response === text), ...copies];
    const some = copies[0]!.member === undefined ? answersIn(equal) - 1 : copies.length;
    for (const seat of copies.slice(0, some)) {
      live.scored.push(seat);
      live.scoring.add(text);
    }
  }
};

/** Judges a group with whoever is there. */
export const fire = (hall: Hall, attempt: Attempt): void => {
  const live = hall.living.get(attempt);
  if (live === undefined || attempt.phase !== "open") return;
  live.cancel();
  addCopies(live);
  attempt.phase = "closed";
  attempt.closedAt = hall.options.clock.now();
  live.scoring.close();
  void freeze(hall, attempt, live);
};

const schedule = (hall: Hall, attempt: Attempt, live: LiveGroup): void => {
  const { clock, quietMs } = hall.options;
  live.cancel();
  const quiet = attempt.size === undefined ? Math.max(quietMs, 3 * median(live.gaps)) : Infinity;
  const wait = Math.max(0, Math.min(live.fireAt - clock.now(), quiet));
  live.cancel = clock.after(wait, () => fire(hall, attempt));
};

const begin = (hall: Hall, attempt: Attempt, submission: Submission): LiveGroup => {
  const { resolve, scorer, anchors } = hall.options;
  const { question, missing, reference } = resolve(submission);
  const controller = new AbortController();
  let settle = (): void => undefined;
  const done = new Promise<void>((resolved) => (settle = resolved));
  const live: LiveGroup = {
    question,
    missing,
    against: { reference: submission.reference ?? reference, anchors },
    scoring: scorer.open({ id: attempt.key, question, size: attempt.size, signal: controller.signal }),
    controller,
    scored: [],
    copies: new Map(),
    gaps: [],
    fireAt: Infinity,
    cancel: () => undefined,
    done,
    settle,
  };
  hall.living.set(attempt, live);
  return live;
};

/** Hands a new member to the scorer; one that is too long has a seat, so that nobody waits for it, but no score. */
const enter = (hall: Hall, attempt: Attempt, { seat, live }: { seat: Seat; live: LiveGroup }): void => {
  if (seat.response.length > hall.options.limits.maxResponseChars) {
    seat.result = unscorable("too-long", [], emptySummary(1, attempt.size ?? null));
    return;
  }
  const twin = live.scored.some(({ response }) => response === seat.response);
  if (twin) {
    live.copies.set(seat.response, [...(live.copies.get(seat.response) ?? []), seat]);
    return;
  }
  live.scored.push(seat);
  live.scoring.add(seat.response);
};

/** Judges the group if everyone it expects is there. */
export const whole = (hall: Hall, attempt: Attempt): void => {
  if (hall.living.has(attempt) && isFull(attempt)) fire(hall, attempt);
};

/** A new member of an open group. `before` is when the group's last member came. */
export const join = (
  hall: Hall,
  { attempt, seat }: Seating,
  from: { readonly submission: Submission; readonly policy: HoldPolicy; readonly before: number | undefined },
): void => {
  const live = hall.living.get(attempt) ?? begin(hall, attempt, from.submission);
  if (from.before !== undefined) live.gaps.push(attempt.lastAt - from.before);
  live.fireAt = Math.min(live.fireAt, attempt.openedAt + from.policy.groupMs);
  enter(hall, attempt, { seat, live });
  const full = isFull(attempt) || (attempt.size === undefined && attempt.seats.length >= UNKNOWN_CAPACITY);
  if (full) fire(hall, attempt);
  else schedule(hall, attempt, live);
};
