import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveQuestion } from "./images.ts";
import { knownJudge, manualClock, qualityOf } from "./kit.test-kit.ts";
import { serveLimits, type ServeLimits } from "./limits.ts";
import { askedPrompt } from "./prompt.ts";
import { createRendezvous, type RendezvousOptions, type Ticket } from "./rendezvous.ts";
import { judgeScorer } from "./scoring.ts";
import type { HoldPolicy, MemberResult, Submission } from "./types.ts";

const POLICY: HoldPolicy = { holdMs: 1e6, groupMs: 60_000, maxSheds: 3, retryAfterMs: 1000 };

const set = (options: Partial<Omit<RendezvousOptions, "limits">> & { limits?: Partial<ServeLimits> } = {}) => {
  const time = manualClock();
  const judge = knownJudge();
  const failures: unknown[] = [];
  const rendezvous = createRendezvous({
    scorer: judgeScorer(judge),
    clock: time.clock,
    quietMs: 2000,
    resolve: ({ prompt }) => resolveQuestion(prompt),
    events: { onFailure: (error) => failures.push(error) },
    ...options,
    limits: serveLimits(options.limits),
  });
  const arrive = (submission: Partial<Submission> & { response: string }, policy = POLICY): Ticket => {
    const ticket = rendezvous.arrive({ prompt: askedPrompt("Q"), ...submission }, policy);
    ticket.hold();
    return ticket;
  };
  return { ...time, rendezvous, arrive, judge, failures };
};

const outcome = (ticket: Ticket) => {
  const box: { result?: MemberResult } = {};
  void ticket.result().then((result) => (box.result = result));
  return box;
};

describe("groups", () => {
  it("fire when they are whole, and everyone is answered from one fit", async () => {
    const { arrive, settle, judge } = set({ groupSize: 3 });
    const boxes = ["q=1", "q=3", "q=2"].map((response) => outcome(arrive({ response })));
    await settle();
    const results = boxes.map(({ result }) => result!);
    expect(results[1]!.value).toBeGreaterThan(results[2]!.value!);
    expect(results[2]!.value).toBeGreaterThan(results[0]!.value!);
    expect(new Set(results.map(({ group }) => group)).size).toBe(1);
    expect(judge.calls.length).toBe(results[0]!.group.calls);
  });

  it("fire at their deadline with whoever is there", async () => {
    const { arrive, advance } = set({ groupSize: 4 });
    const boxes = ["q=1", "q=2"].map((response) => outcome(arrive({ response })));
    await advance(59_999);
    expect(boxes.map(({ result }) => result)).toEqual([undefined, undefined]);
    await advance(1);
    expect(boxes.map(({ result }) => result?.flags)).toEqual([["partial"], ["partial"]]);
    expect(boxes[0]!.result!.group).toMatchObject({ members: 2, expected: 4 });
  });

  it("of unknown size fire when nobody has come for three median gaps", async () => {
    const { arrive, advance } = set();
    const first = outcome(arrive({ response: "q=1" }));
    await advance(1500);
    arrive({ response: "q=2" });
    await advance(1500);
    arrive({ response: "q=3" });
    await advance(4499);
    expect(first.result).toBeUndefined();
    await advance(1);
    expect(first.result?.group).toMatchObject({ members: 3, expected: null });
  });

  it("of one: against the reference, else against anchors, else unscorable", async () => {
    const { arrive, advance } = set();
    const referenced = outcome(arrive({ response: "q=1", reference: "q=5" }));
    const alone = outcome(arrive({ prompt: askedPrompt("other"), response: "q=1" }));
    await advance(2000);
    expect(referenced.result!.value).toBeLessThan(0);
    expect(referenced.result!.flags).toEqual(["reference"]);
    expect(alone.result).toMatchObject({ value: null, why: "alone" });
    const anchored = set({ anchors: [{ text: "q=0", score: 0.5 }] });
    const box = outcome(anchored.arrive({ response: "q=1" }));
    await anchored.advance(2000);
    expect(box.result!.value).toBeGreaterThan(0.5);
  });

  it("take a latecomer without changing what the others were told", async () => {
    const { arrive, advance, settle } = set({ groupSize: 4 });
    const early = ["q=1", "q=3", "q=5"].map((response) => outcome(arrive({ response })));
    await advance(60_000);
    const told = early.map(({ result }) => result!.value!);
    const late = outcome(arrive({ response: "q=4" }));
    await settle();
    expect(late.result!.flags).toEqual(["late"]);
    expect(late.result!.value).toBeGreaterThan(told[0]!);
    expect(late.result!.value).toBeLessThan(1);
    const best = outcome(arrive({ response: "q=9" }));
    await settle();
    // The frozen group had room for one more only.
    expect(best.result).toBeUndefined();
    expect(early.map(({ result }) => result!.value!)).toEqual(told);
  });

  it("hold answers that are too long, but do not wait for them or judge them", async () => {
    const { arrive, settle, judge } = set({ groupSize: 3, limits: { maxResponseChars: 10 } });
    const boxes = ["q=1", "q=2", "q=9".padEnd(11)].map((response) => outcome(arrive({ response })));
    await settle();
    expect(boxes[2]!.result).toMatchObject({ value: null, why: "too-long" });
    expect(boxes[1]!.result!.value).toBeGreaterThan(0);
    expect(judge.calls.flatMap(({ pair }) => pair.responses).some((text) => text.startsWith("q=9"))).toBe(false);
  });
});

describe("repeats", () => {
  it("take their seat again, and are told the same", async () => {
    const { arrive, advance, settle, judge } = set({ groupSize: 2 });
    const first = arrive({ response: "q=1" });
    first.release("told");
    await advance(1000);
    const again = arrive({ response: "q=1" });
    expect(again.seating.kind).toBe("again");
    expect(again.id).toBe(first.id);
    const other = arrive({ response: "q=2" });
    const told = [outcome(again), outcome(other)];
    await settle();
    again.release("delivered");
    const calls = judge.calls.length;
    const replay = outcome(arrive({ response: "q=1" }));
    await settle();
    expect(replay.result).toBe(told[0]!.result);
    expect(judge.calls).toHaveLength(calls);
  });

  it("that come sooner than the client can repeat itself are copies: k equal answers stay k", async () => {
    const { arrive, advance, settle } = set({ groupSize: 4 });
    const shed = arrive({ response: "q=1" });
    shed.release("told");
    await advance(500);
    expect(arrive({ response: "q=1" }).seating.kind).toBe("joined");
    expect(arrive({ response: "q=1" }).seating.kind).toBe("joined");
    const other = arrive({ response: "q=2" });
    const box = outcome(other);
    await settle();
    expect(box.result!.group.members).toBe(4);
    expect(box.result!.value).toBeGreaterThan(0);
    const values = await Promise.all([shed.result()]);
    expect(values[0]!.value).toBeCloseTo(-box.result!.value! / 3, 9);
  });

  it("after a request vanished are taken for it however soon they come, and it counts again once it is back", async () => {
    const { arrive, settle } = set({ groupSize: 3 });
    const lost = arrive({ response: "q=1" });
    lost.release("vanished");
    const back = arrive({ response: "q=1" });
    expect(back.id).toBe(lost.id);
    // Nobody can tell whether this is another copy, or the same answer whose vanishing was not noticed yet.
    const second = arrive({ response: "q=1" });
    expect(second.id).not.toBe(lost.id);
    back.release("vanished");
    const other = outcome(arrive({ response: "q=2" }));
    await settle();
    expect(other.result).toBeUndefined();
    arrive({ response: "q=1" });
    await settle();
    expect(other.result!.group.members).toBe(3);
  });

  it("that were noticed before the vanishing itself do not take a sibling's seat", async () => {
    const { arrive, settle } = set({ groupSize: 2 });
    const lost = arrive({ response: "q=1" });
    const back = arrive({ response: "q=1" });
    // Two equal seats fill a group of two: judged, as two copies would be. In a group of three it is noticed in time.
    await settle();
    expect((await back.result()).value).toBe((await lost.result()).value);
    const three = set({ groupSize: 3 });
    const first = three.arrive({ response: "q=1" });
    const again = three.arrive({ response: "q=1" });
    first.release("vanished");
    three.arrive({ response: "q=2" });
    await three.settle();
    const last = outcome(three.arrive({ response: "q=3" }));
    await three.settle();
    expect(last.result!.group.members).toBe(3);
    const values = await Promise.all([first, again].map(async (ticket) => (await ticket.result()).value));
    expect(values[0]).toBe(values[1]);
  });

  it("in the next epoch open a new attempt, and the old rewards stay", async () => {
    const { arrive, advance, settle } = set({ groupSize: 2 });
    const epoch = async (answers: readonly string[]) => {
      const tickets = answers.map((response) => arrive({ response }));
      await settle();
      tickets.forEach((ticket) => ticket.release("delivered"));
      await advance(100_000);
      return Promise.all(tickets.map(async (ticket) => ({ ticket, result: await ticket.result() })));
    };
    const first = await epoch(["q=1", "q=2"]);
    const second = await epoch(["q=2", "q=7"]);
    expect(second.map(({ ticket }) => ticket.seating.attempt.number)).toEqual([1, 1]);
    expect(first[1]!.result.value).toBeGreaterThan(0);
    expect(second[0]!.result.value).toBeLessThan(0);
  });

  it("with ids are certain; an id that another answer took is flagged, another prompt is another group", async () => {
    const { arrive, settle } = set({ groupSize: 2 });
    const ask = (member: string, response: string, prompt = "Q") =>
      arrive({ group: "g", member, response, prompt: askedPrompt(prompt) });
    const a = ask("0", "same q=1");
    expect(ask("0", "same q=1").id).toBe(a.id);
    expect(ask("0", "else q=1", "R").seating.kind).toBe("opened");
    const box = outcome(ask("0", "other q=2"));
    await settle();
    expect(box.result!.flags).toEqual(["id-collision"]);
    expect(ask("0", "next epoch q=3").seating.attempt.number).toBe(1);
  });
});

describe("limits", () => {
  it("shed new groups, keep old ones, and forget frozen ones", async () => {
    const { arrive, advance, settle, rendezvous } = set({
      groupSize: 2,
      limits: { maxGroups: 1, retainMs: 5000 },
    });
    arrive({ response: "q=1" });
    expect(() => arrive({ response: "x", prompt: askedPrompt("R") })).toThrow("too many open groups");
    arrive({ response: "q=2" });
    await settle();
    expect(rendezvous.counts()).toEqual({ open: 0, frozen: 1 });
    await advance(5001);
    arrive({ response: "x", prompt: askedPrompt("R") });
    expect(rendezvous.counts()).toEqual({ open: 1, frozen: 0 });
  });
});

describe("any traffic", () => {
  const traffic = fc.record({
    size: fc.integer({ min: 2, max: 5 }),
    prompts: fc.integer({ min: 1, max: 4 }),
    ids: fc.boolean(),
    qualities: fc.infiniteStream(fc.integer({ min: 0, max: 6 })),
    missing: fc.integer({ min: 0, max: 3 }),
    shuffle: fc.infiniteStream(fc.nat()),
    retry: fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
  });

  it("answers every member exactly once, all of a group from one fit, each with its own reward", async () => {
    await fc.assert(
      fc.asyncProperty(traffic, async ({ size, prompts, ids, qualities, missing, shuffle, retry }) => {
        const { arrive, advance } = set({ groupSize: size });
        const members = Array.from({ length: prompts * size }, (_, at) => ({
          prompt: String(at % prompts),
          member: String(Math.floor(at / prompts)),
          response: `q=${qualities.next().value}`,
          rank: shuffle.next().value as number,
        }));
        const sent = members
          .sort((a, b) => a.rank - b.rank)
          .slice(0, members.length - Math.min(missing, members.length));
        const answers: { prompt: string; response: string; id: string; results: MemberResult[] }[] = [];
        for (const { prompt, member, response } of sent) {
          const named = ids ? { group: prompt, member } : {};
          const submission = { prompt: askedPrompt(prompt), response, ...named };
          let ticket = arrive(submission);
          // The client gives up and asks again, a few times.
          for (let times = retry.next().value as number; times > 0; times--) {
            ticket.release("told");
            await advance(1000);
            const again = arrive(submission);
            if (ids) expect(again.id).toBe(ticket.id);
            ticket = again;
          }
          const answer = { prompt, response, id: ticket.id, results: [] as MemberResult[] };
          answers.push(answer);
          void ticket.result().then((result) => answer.results.push(result));
        }
        await advance(200_000);
        // Everyone, exactly once, from one seat each.
        expect(answers.every(({ results }) => results.length === 1)).toBe(true);
        expect(new Set(answers.map(({ id }) => id)).size).toBe(answers.length);
        for (let prompt = 0; prompt < prompts; prompt++) {
          const group = answers.filter((answer) => answer.prompt === String(prompt));
          const judged = group.filter(({ results: [result] }) => !result!.flags.includes("late"));
          const fits = new Set(judged.map(({ results: [result] }) => result!.group));
          expect(fits.size).toBeLessThanOrEqual(1);
          for (const a of judged) {
            for (const b of judged) {
              // Whoever is better is told no less; equal texts are told the same.
              const [x, y] = [a.results[0]!.value, b.results[0]!.value];
              if (x === null || y === null) expect(judged.length).toBe(1);
              else if (a.response === b.response) expect(x).toBe(y);
              else if (judged.length <= 5 && qualityOf(a.response) > qualityOf(b.response))
                expect(x).toBeGreaterThan(y);
            }
          }
          const values = judged.map(({ results: [result] }) => result!.value ?? 0);
          expect(Math.abs(values.reduce((total, value) => total + value, 0))).toBeLessThan(1e-9);
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
