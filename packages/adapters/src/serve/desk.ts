/** Does what a request asks for: seats its answers, holds it, and lets it go with rewards, or to come back. */
import type { ServeClock } from "./clock.ts";
import { maySend, type Caller, type Gate } from "./hold.ts";
import type { Jobs } from "./jobs.ts";
import { pairKey } from "./keys.ts";
import type { ServeLimits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import type { Leaving, Rendezvous, Ticket } from "./rendezvous.ts";
import { unscorable } from "./results.ts";
import type { Scorer } from "./scoring.ts";
import type {
  BadEntry,
  HoldPolicy,
  MemberResult,
  PairAsk,
  PairResult,
  ResolvedQuestion,
  Submission,
  WireReply,
  Work,
} from "./types.ts";
import { badRequest, comeBack } from "./wire-error.ts";

/** What the desk works with. */
export interface Desk {
  readonly rendezvous: Rendezvous;
  readonly pairs: Jobs<PairResult>;
  readonly scorer: Scorer;
  readonly resolve: (ask: Pick<Submission, "prompt">) => ResolvedQuestion;
  readonly gate: Gate;
  readonly metrics: Metrics;
  readonly clock: ServeClock;
  readonly limits: ServeLimits;
  /** Called when held requests must be let go. A set, for a signal's listeners are looked through one by one. */
  readonly closing: Set<() => void>;
  /** Is the server closing? */
  readonly isClosing: () => boolean;
}

/** Who asks. */
export interface Visitor {
  readonly client: string;
  /** `?run=` of the address: what keeps trainers apart that ask the same questions. */
  readonly run: string | undefined;
  readonly format: string;
  readonly policy: HoldPolicy;
  /** Fires when the client went away. */
  readonly gone: AbortSignal;
  /** Writes a line of a streamed reply. */
  readonly emit: (line: unknown) => void;
}

/** A reply, and whom to tell whether it was delivered. */
export interface Handled {
  readonly reply: WireReply;
  readonly settle: (delivered: boolean) => void;
}

type JudgeWork = Extract<Work, { kind: "judge" }>;

const NO_PAIR: PairResult = { probability: null, consistent: null, reasoning: "" };
const FAILED_PAIR: PairResult = { ...NO_PAIR, failed: true };

const isBad = (entry: Submission | BadEntry): entry is BadEntry => "bad" in entry;

/** A seat at the table, or what stands in for one. */
interface Place {
  readonly ticket: Ticket | undefined;
  /** Known from the start, when there is no ticket. */
  readonly known: MemberResult | undefined;
}

/** Counts text alone: an image inside a prompt has limits of its own. */
const isTooLong = ({ limits }: Desk, { prompt }: Pick<Submission, "prompt">): boolean =>
  prompt.text.length > limits.maxPromptChars || prompt.media.length > limits.maxImages;

const placeOf = (desk: Desk, entry: Submission | BadEntry, { policy, run }: Pick<Visitor, "policy" | "run">): Place => {
  if (isBad(entry)) {
    desk.metrics.add("bad_input_total", 1, { kind: "entry" });
    return { ticket: undefined, known: unscorable("bad-input") };
  }
  if (isTooLong(desk, entry)) return { ticket: undefined, known: unscorable("too-long") };
  const ticket = desk.rendezvous.arrive(run === undefined ? entry : { ...entry, run }, policy);
  // At once: a seat that nobody holds would take the next equal answer for its own return.
  ticket.hold();
  if (ticket.seating.kind === "again") desk.metrics.add("retries_total");
  return { ticket, known: undefined };
};

const seatAll = (desk: Desk, entries: readonly (Submission | BadEntry)[], visitor: Visitor): readonly Place[] => {
  const places: Place[] = [];
  try {
    for (const entry of entries) places.push(placeOf(desk, entry, visitor));
  } catch (error) {
    for (const { ticket } of places) ticket?.release("told");
    throw error;
  }
  return places;
};

const resultNow = ({ ticket, known }: Place): MemberResult | undefined => known ?? ticket?.seating.seat.result;

const judgePair = async (desk: Desk, ask: PairAsk): Promise<PairResult> => {
  const long = ask.responses.some((text) => text.length > desk.limits.maxResponseChars);
  if (long || isTooLong(desk, ask)) return NO_PAIR;
  const { question } = desk.resolve(ask);
  try {
    return await desk.pairs.run(pairKey(ask), (signal) => desk.scorer.pair(question, ask.responses, signal));
  } catch {
    desk.metrics.add("group_failures_total");
    return FAILED_PAIR; // not kept: whoever asks again has it judged again
  }
};

type Ending = "judged" | "deadline" | "gone" | "closing";

/** Waits for work, no longer than allowed. */
const await_ = (desk: Desk, { gone, policy }: Visitor, work: Promise<unknown>): Promise<Ending> =>
  new Promise((resolve) => {
    const end = (ending: Ending) => (): void => {
      cancel();
      gone.removeEventListener("abort", left);
      desk.closing.delete(closed);
      resolve(ending);
    };
    const left = end("gone");
    const closed = end("closing");
    const cancel = desk.clock.after(policy.holdMs, end("deadline"));
    gone.addEventListener("abort", left, { once: true });
    desk.closing.add(closed);
    if (gone.aborted) left();
    else if (desk.isClosing()) closed();
    void work.then(end("judged"));
  });

const sightingsOf = (desk: Desk, places: readonly Place[], pairs: readonly PairAsk[]): number =>
  Math.max(
    1,
    ...places.map(({ ticket }) => ticket?.seating.seat.sightings ?? 1),
    ...pairs.map((pair) => desk.pairs.sightings(pairKey(pair))),
  );

const shed = (desk: Desk, caller: Caller, reason: string): never => {
  desk.metrics.add("shed_total", 1, { format: caller.format, reason });
  throw comeBack("not judged yet: ask again", Math.max(1, Math.ceil(caller.policy.retryAfterMs / 1000)));
};

/** Holds the request until all is judged; says how that ended, or that there was no room to hold it. */
const holdFor = async (
  desk: Desk,
  visitor: Visitor,
  { caller, work }: { caller: Caller; work: Promise<unknown> },
): Promise<Ending | "crowded"> => {
  if (!desk.gate.enter(caller)) return "crowded";
  const started = desk.clock.now();
  const ending = await await_(desk, visitor, work);
  desk.gate.leave(caller);
  desk.metrics.observe("hold_seconds", (desk.clock.now() - started) / 1000, { format: caller.format });
  return ending;
};

const countResults = ({ metrics }: Desk, results: readonly MemberResult[]): void => {
  for (const { value, why, flags } of results) {
    metrics.add("members_total", 1, { outcome: value === null ? (why ?? "judge-failed") : "scored" });
    if (flags.includes("no-image")) metrics.add("missing_images_total");
    if (flags.includes("id-collision")) metrics.add("id_collisions_total");
  }
};

const judge = async (desk: Desk, work: JudgeWork, given: Visitor): Promise<Handled> => {
  const visitor = { ...given, policy: { ...given.policy, ...work.hold } };
  const { policy, client, format, run } = visitor;
  const { submissions = [], pairs = [] } = work;
  const most = desk.limits.maxEntries;
  if (submissions.length + pairs.length > most) throw badRequest(`expected at most ${most} answers in one request`);
  const places = seatAll(desk, submissions, visitor);
  const tickets = places.flatMap(({ ticket }) => ticket ?? []);
  const release = (how: Leaving): void => tickets.forEach((ticket) => ticket.release(how));
  const settle = (delivered: boolean): void => release(delivered ? "delivered" : "vanished");
  const members = new Map<number, MemberResult>();
  const decisions = new Map<number, PairResult>();
  const arrived = (at: number) => (result: MemberResult) => {
    members.set(at, result);
    if (work.stream !== undefined) visitor.emit(work.stream(result, at));
  };
  const underWay = [
    ...places.map(async (place, at) => arrived(at)(resultNow(place) ?? (await place.ticket!.result()))),
    ...pairs.map(async (pair, at) => decisions.set(at, await judgePair(desk, pair))),
  ];
  const sightings = sightingsOf(desk, places, pairs);
  const caller = { client: run === undefined ? client : `${client} ${run}`, format, policy, sightings };
  try {
    const all = Promise.all(underWay);
    const ready = pairs.length === 0 && places.every((place) => resultNow(place) !== undefined);
    const ending = ready ? (await all, "judged") : await holdFor(desk, visitor, { caller, work: all });
    if (ending === "crowded" || ending === "closing") shed(desk, caller, ending);
    if (ending === "deadline" && maySend(caller)) shed(desk, caller, ending);
    const results = places.map((_, at) => members.get(at) ?? unscorable("deadline"));
    if (ending === "gone") desk.metrics.add("vanished_total");
    else countResults(desk, results);
    return { reply: work.encode({ results, pairs: pairs.map((_, at) => decisions.get(at) ?? FAILED_PAIR) }), settle };
  } catch (error) {
    release("told");
    throw error;
  }
};

/** Runs a request's work. @throws {WireError} when the client must come back, or the request is none. */
export const handle = async (desk: Desk, work: Work, visitor: Visitor): Promise<Handled> => {
  const done = (reply: WireReply): Handled => ({ reply, settle: () => undefined });
  if (work.kind === "reply") return done(work.reply);
  if (work.kind === "poll") {
    const seat = desk.rendezvous.find(work.ticket);
    if (seat?.result !== undefined) countResults(desk, [seat.result]);
    return done(work.encode(seat === undefined ? undefined : (seat.result ?? null)));
  }
  if (work.kind === "submit") {
    if (isTooLong(desk, work.submission)) throw badRequest("prompt: expected less text, or fewer images");
    const { run } = visitor;
    const ticket = desk.rendezvous.arrive(
      run === undefined ? work.submission : { ...work.submission, run },
      visitor.policy,
    );
    if (ticket.seating.kind === "again") desk.metrics.add("retries_total");
    ticket.hold();
    ticket.release("told");
    return done(work.encode(ticket.id));
  }
  return judge(desk, work, visitor);
};
