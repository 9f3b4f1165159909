import { AbortError, ConfigError, rewardModel, RewardError, type Decision, type RewardModel } from "@r1reward/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CRITIQUE_LIMIT, critiqueOfDecision } from "./critique.ts";
import { runningChampion } from "./champion.ts";
import { numberJudge, qualityOf } from "./judge.test-kit.ts";
import { imageOfBase64, imageOfBytes, imageOfUrl, prepare } from "./question.ts";
import { decisionValue, vsReference, withinGroup } from "./scalarise.ts";
import { createScoring, numberOf, withHealth } from "./scoring.ts";
import type { OnError, Scalariser, Scored, ScoringSettings, ScoringTask } from "./types.ts";

const host = { name: "host", abstains: true };
const make = (settings: ScoringSettings = {}, judge = numberJudge()) => createScoring(host, { judge, ...settings });
const task =
  (response: string, reference?: string, more: Partial<ScoringTask> = {}) =>
  () => ({
    question: "q",
    response,
    reference,
    ...more,
  });

const decision = (votes: readonly [number, number], ties = 0): Decision => ({
  verdict: { kind: "tie" },
  votes,
  ties,
  unreadable: 0,
  consistent: null,
  probability: null,
  probabilitySource: null,
  judgments: [],
});

describe("vsReference", () => {
  it("is 1, ½ and 0 for an answer that wins, ties and loses in both orders", async () => {
    const scored = await make().scoreAll([task("3", "2"), task("2.0", "2"), task("1", "2")]);
    expect(scored.map(({ score }) => score)).toEqual([1, 0.5, 0]);
  });

  it("asks in both orders about the question as it is", async () => {
    const judge = numberJudge();
    const question = [imageOfBase64("image/png", "AA=="), { type: "text", text: "what?" } as const];
    await make({}, judge).score(() => ({ question, response: "1", reference: "2" }));
    expect(judge.asked.map(({ swapped }) => swapped).sort()).toEqual([false, true]);
    expect(judge.asked[0]!.pair).toMatchObject({ question, responses: ["1", "2"] });
  });

  it("does not ask about equal texts and empty answers", async () => {
    const judge = numberJudge();
    const scored = await make({ range: [-1, 1] }, judge).scoreAll([task("2", "2"), task(" \n", "2")]);
    expect(scored.map(({ score }) => score)).toEqual([0, -1]);
    expect(judge.asked).toEqual([]);
  });

  it.each([undefined, "", "  "])("has nothing to compare with when the reference is %j", async (reference) => {
    const scoring = make({ onError: "abstain" });
    const { score, failure } = await scoring.score(task("1", reference));
    expect([score, failure?.kind]).toEqual([null, "not-comparable"]);
    expect(scoring.stats().failed["not-comparable"]).toBe(1);
  });

  // (won − lost) / (won + lost + ties), by hand
  it.each([
    [[2, 0], 0, 1],
    [[0, 2], 0, -1],
    [[1, 1], 0, 0],
    [[2, 1], 1, 0.25],
    [[0, 0], 2, 0],
    [[0, 0], 0, null],
  ] as const)("votes %j with %i ties are worth %j", (votes, ties, value) => {
    expect(decisionValue(decision(votes, ties))).toBe(value);
  });

  it("takes another reading of the decision", async () => {
    const scalarise = vsReference({ value: ({ votes }) => votes[0] / 4 });
    expect((await make({ scalarise, range: [-1, 1] }).score(task("3", "2"))).score).toBe(0.5);
  });
});

describe("withinGroup", () => {
  it("scores each group by itself: rewards of a group add up to 0", async () => {
    const scoring = make({ scalarise: withinGroup({ preset: "exact" }), range: [-1, 1] });
    const tasks = [
      task("1", undefined, { group: "a" }),
      task("9", undefined, { group: "b" }),
      task("2", undefined, { group: "a" }),
      task("8", undefined, { group: "b" }),
    ];
    const [a1, b9, a2, b8] = (await scoring.scoreAll(tasks)).map(({ score }) => score!);
    expect(a1! + a2!).toBeCloseTo(0, 12);
    expect(b9! + b8!).toBeCloseTo(0, 12);
    expect(a2!).toBeGreaterThan(0);
    expect(b9!).toBeGreaterThan(0);
  });

  it("groups by the question when nobody names the group", async () => {
    const bytes = new Uint8Array([1]);
    const judge = numberJudge();
    const ask = (image: Uint8Array, response: string) => () => ({ question: [imageOfBytes(image)], response });
    const scoring = make({ scalarise: withinGroup(), onError: "abstain" }, judge);
    const all = await scoring.scoreAll([ask(bytes, "1"), ask(bytes, "2"), ask(new Uint8Array([1]), "3")]);
    expect(all.map(({ failure }) => failure?.kind)).toEqual([undefined, undefined, "not-comparable"]);
    expect(judge.asked.every(({ pair }) => !pair.responses.includes("3"))).toBe(true);
  });

  it("gives each answer the critiques of the comparisons that it lost", async () => {
    const all = await make({ scalarise: withinGroup({ preset: "exact" }) }).scoreAll([task("1"), task("2"), task("3")]);
    expect(all[0]!.critique.match(/preferred the other/g)).toHaveLength(2);
    expect(all[2]!.critique).not.toContain("preferred the other");
    expect(all[2]!.critique).toContain("preferred this answer");
  });

  it.each([
    ["first", ["2", "1", "3", "4"], 0],
    ["last", ["4", "3", "1", "2"], 3],
  ])("prefers lost comparisons to won ones, for the %s answer", async (_place, responses, at) => {
    const all = await make({ scalarise: withinGroup({ preset: "exact" }) }).scoreAll(responses.map((one) => task(one)));
    expect(all[at]!.critique.match(/preferred the other/g)).toHaveLength(2);
  });

  it("judges copies once and treats them alike", async () => {
    const [a, b, c] = await make({ scalarise: withinGroup() }).scoreAll([task("1"), task("2"), task("1")]);
    expect(a!.score).toBe(c!.score);
    expect(a!.critique).toBe(c!.critique);
    expect(b!.score).toBeGreaterThan(a!.score!);
  });

  it("asks a reward model that keeps its judge to itself", async () => {
    const model = rewardModel({ judge: numberJudge() });
    const scoring = createScoring(host, { rewardModel: model, scalarise: withinGroup() });
    const scores = (await scoring.scoreAll([task("1"), task("2")])).map(({ score }) => score!);
    expect(scores[1]!).toBeGreaterThan(scores[0]!);
  });

  it("refuses a reward model that gives fewer rewards than answers", async () => {
    const model: RewardModel = { ...rewardModel({ judge: numberJudge() }), score: async () => [] };
    const scoring = createScoring(host, { rewardModel: model, scalarise: withinGroup() });
    await expect(scoring.scoreAll([task("1"), task("2")])).rejects.toThrow(RewardError);
  });
});

describe("runningChampion", () => {
  it("gives the highest value so far to the latest champion, whatever comes", async () => {
    const answers = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(answers, async (qualities) => {
        const scoring = make({ scalarise: runningChampion(), range: [-1, 1] });
        const scores: number[] = [];
        for (const quality of qualities) scores.push((await scoring.score(task(`good ${quality}`))).score!);
        // A host that keeps the first maximum keeps the first of the best answers.
        expect(qualities[scores.indexOf(Math.max(...scores))]).toBe(Math.max(...qualities));
        expect(scores.every((score) => score >= -1 && score <= 1)).toBe(true);
      }),
    );
  });

  // First 0. Beats it for certain: (0 + 1)/2. Loses to level ½ for certain: ½ − (1 + ½)/2. Beats ½: ½ + ½/2.
  it("goes half way to the end of the scale", async () => {
    const scoring = make({ scalarise: runningChampion(), range: [-1, 1] });
    const all = await scoring.scoreAll([task("1"), task("2"), task("0"), task("3")]);
    expect(all.map(({ score }) => score)).toEqual([0, 0.5, -0.25, 0.75]);
  });

  it("does not let one number that is none spoil those that follow", async () => {
    const value = ({ judgments }: Decision) => (judgments[0]!.reasoning.includes("odd") ? Number.NaN : 1);
    const scoring = make({ scalarise: runningChampion({ value }), range: [-1, 1], onError: "abstain" });
    const all = await scoring.scoreAll([task("1"), task("odd 2"), task("3")]);
    expect(all.map(({ score }) => score)).toEqual([0, null, 0.5]);
  });

  it("keeps the champion on a tie", async () => {
    const judge = numberJudge();
    const scoring = make({ scalarise: runningChampion(), range: [-1, 1] }, judge);
    const all = await scoring.scoreAll([task("good 2"), task("fine 2"), task("1")]);
    expect(all.map(({ score }) => score)).toEqual([0, 0, -0.5]);
    expect(judge.asked.at(-1)!.pair.responses).toEqual(["1", "good 2"]);
  });

  it("starts at the reference when there is one", async () => {
    const all = await make({ scalarise: runningChampion(), range: [-1, 1] }).scoreAll([task("1", "5"), task("6", "5")]);
    expect(all.map(({ score }) => score)).toEqual([-0.5, 0.5]);
    const free = make({ scalarise: runningChampion({ startAtReference: false }), range: [-1, 1] });
    expect((await free.score(task("1", "5"))).score).toBe(0);
  });

  it("keeps the champion when a challenger cannot be judged", async () => {
    const scoring = make({ scalarise: runningChampion(), range: [-1, 1], onError: "abstain" });
    const all = await scoring.scoreAll([task("1"), task("9 THROW"), task("9 UNREADABLE"), task("2")]);
    expect(all.map(({ score }) => score)).toEqual([0, null, null, 0.5]);
  });

  it("forgets the question asked for longest ago", async () => {
    const scoring = make({ scalarise: runningChampion({ capacity: 1 }), range: [-1, 1] });
    const asked = [task("1"), task("1", undefined, { group: "other" }), task("5")];
    const scores: (number | null)[] = [];
    for (const one of asked) scores.push((await scoring.score(one)).score);
    expect(scores).toEqual([0, 0, 0]);
    expect(() => runningChampion({ capacity: 0 })).toThrow(ConfigError);
  });
});

describe("failing", () => {
  const notFinite: Scalariser = {
    name: "nan",
    scalarise: (tasks) => tasks.map(async () => ({ value: Number.NaN, critique: "" })),
  };
  const cases = [
    ["threw", {}, task("THROW", "1")],
    ["unreadable", {}, task("UNREADABLE", "1")],
    ["not-finite", { scalarise: notFinite }, task("2", "1")],
    ["threw", {}, () => Promise.reject(new Error("the task is broken"))],
    ["threw", {}, task(undefined as unknown as string, "1")],
  ] as const;

  it.each(cases)("%s: throws, abstains or gives the number, and counts", async (kind, settings, source) => {
    for (const onError of ["throw", "abstain", 0.25] as const) {
      const scoring = make({ ...settings, onError });
      const outcome = await scoring.score(source).catch((error: unknown) => error);
      if (onError === "throw") expect(outcome).toBeInstanceOf(Error);
      else expect((outcome as Scored).score).toBe(onError === "abstain" ? null : onError);
      expect(scoring.stats()).toMatchObject({ asked: 1, scored: 0, failed: { [kind]: 1 }, meanScore: null });
      expect(() => scoring.assertHealthy()).toThrow(/1 of 1 answers have no score/);
    }
  });

  it("does not let one task's failure be another's", async () => {
    const seen: Scored[] = [];
    const scoring = make({ onError: "abstain", onScore: (scored) => seen.push(scored) });
    const all = await scoring.scoreAll([task("3", "2"), task("THROW", "2"), task("1", "2")]);
    expect(all.map(({ score }) => score)).toEqual([1, null, 0]);
    expect(seen).toEqual(all);
    expect(scoring.stats()).toMatchObject({ asked: 3, scored: 2, meanScore: 0.5 });
    expect(scoring.stats().lastFailure?.message).toContain("the judge is out");
  });

  it("names the judge's error when every comparison of a group failed", async () => {
    const judge = { name: "out", judge: () => Promise.reject(new Error("no such host")) };
    const scoring = createScoring(host, { judge, scalarise: withinGroup() });
    await expect(scoring.scoreAll([task("1"), task("2")])).rejects.toThrow(/no such host/);
    expect(scoring.stats().failed.threw).toBe(2);
  });

  it("throws an aborted call and an impossible option whatever onError says", async () => {
    const controller = new AbortController();
    controller.abort();
    const scoring = make({ onError: 0 });
    await expect(scoring.score(task("1", "2"), { signal: controller.signal })).rejects.toThrow(AbortError);
    const later = new AbortController();
    const judge = numberJudge();
    const stopped = make({ onError: 0 }, { ...judge, judge: (...args) => (later.abort(), judge.judge(...args)) });
    await expect(stopped.score(task("1", "2"), { signal: later.signal })).rejects.toThrow(AbortError);
    const wrong = make({ onError: 0, scalarise: withinGroup({ preset: "no such" as "fast" }) });
    await expect(wrong.scoreAll([task("1"), task("2")])).rejects.toThrow(ConfigError);
    expect(wrong.stats().failed.threw).toBe(2);
  });

  it("says so when a scalariser gives fewer values than tasks", async () => {
    const scalarise: Scalariser = { name: "short", scalarise: () => [] };
    await expect(make({ scalarise, onError: 0 }).score(task("1", "2"))).rejects.toThrow(
      /short: expected 1 values, got 0/,
    );
  });

  it("moves values outside the scale to its end and counts them", async () => {
    const scalarise = vsReference({ value: () => 7 });
    const scoring = make({ scalarise });
    expect((await scoring.score(task("1", "2"))).score).toBe(1);
    expect(scoring.stats().clamped).toBe(1);
  });

  it("never lets NaN out, whatever a scalariser says", async () => {
    const values = fc.oneof(fc.double(), fc.constant(null), fc.constantFrom(Infinity, -Infinity, Number.NaN));
    await fc.assert(
      fc.asyncProperty(values, fc.constantFrom<OnError>("abstain", 0.5), async (value, onError) => {
        const scalarise: Scalariser = {
          name: "any",
          scalarise: (all) => all.map(async () => ({ value, critique: "" })),
        };
        const { score } = await make({ scalarise, onError, range: [-3, 5] }).score(task("1"));
        expect(score === null || (score >= -3 && score <= 5)).toBe(true);
        expect(score === null).toBe(onError === "abstain" && !Number.isFinite(value ?? Number.NaN));
      }),
    );
  });
});

describe("options", () => {
  const judge = numberJudge();
  it.each([
    [{}, /judge, rewardModel: expected one of the two, got none/],
    [{ judge, rewardModel: rewardModel({ judge }) }, /got both/],
    [{ judge, range: [1, 0] }, /range/],
    [{ judge, range: [0, Infinity] }, /range/],
    [{ judge, onError: Number.NaN }, /onError/],
    [{ judge, onError: "ignore" }, /onError/],
  ])("refuses %#", (options, message) => {
    expect(() => createScoring(host, options as unknown as Parameters<typeof createScoring>[1])).toThrow(message);
  });

  it("refuses to abstain where the host cannot", () => {
    const options = { judge, onError: "abstain" } as const;
    expect(() => createScoring({ name: "host", abstains: false }, options)).toThrow(/host cannot abstain/);
    expect(() => numberOf({ task: undefined, score: null, critique: "", failure: null })).toThrow(RewardError);
  });

  it("is unhealthy before it was asked, and healthy up to the limit", async () => {
    const scoring = withHealth({}, make({ onError: 0 }));
    expect(() => scoring.assertHealthy()).toThrow(/at least 1 answers to score, got 0/);
    const busy = make({ onError: 0 });
    await busy.scoreAll([task("3", "2"), task("THROW", "2")]);
    expect(() => busy.assertHealthy({ maxFailureRate: 0.5 })).not.toThrow();
    expect(() => busy.assertHealthy({ maxFailureRate: 0.4 })).toThrow(/1 of 2 answers have no score \(1 threw\)/);
    expect(() => busy.assertHealthy({ maxFailureRate: 2 })).toThrow(ConfigError);
  });
});

describe("critiques", () => {
  it("say who was shown where, and both sides when the orders contradict each other", async () => {
    const first = numberJudge();
    const judge = {
      ...first,
      judge: async (...args: Parameters<typeof first.judge>) => {
        const judgment = await first.judge(...args);
        return { ...judgment, verdict: { kind: "winner", winner: judgment.swapped ? 1 : 0 } as const };
      },
    };
    const { critique, score } = await make({}, judge).score(task("1", "2"));
    expect(score).toBe(0.5);
    expect(critique).toContain("this answer being the first one shown, the judge preferred this answer:\nfirst says 1");
    expect(critique).toContain("this answer being the second one shown, the judge preferred the other:\nfirst says 2");
  });

  it("are cut, and absent when the judge wrote nothing", async () => {
    const kit = numberJudge();
    const long = {
      ...(await kit.judge({ id: "", question: [], responses: ["1", "2"] })),
      reasoning: "x".repeat(9_999),
    };
    const made = { ...decision([0, 1]), verdict: long.verdict, judgments: [long] };
    expect(critiqueOfDecision(made, "it").length).toBeLessThan(CRITIQUE_LIMIT + 200);
    expect(critiqueOfDecision({ ...made, judgments: [{ ...long, reasoning: " " }] }, "it")).toBe("");
  });
});

describe("questions", () => {
  it("come as text or parts", () => {
    expect(prepare({ question: "q", response: "r" }).question).toEqual([{ type: "text", text: "q" }]);
    expect(imageOfUrl("data:image/png;base64,AA==")).toEqual({
      type: "image",
      image: { dataUri: "data:image/png;base64,AA==" },
    });
    expect(imageOfUrl(new URL("https://example.org/a.png")).image).toEqual({ url: "https://example.org/a.png" });
  });

  it.each([
    [{ question: undefined, response: "r" }, /question: expected text or parts, got undefined/],
    [{ question: [], response: "r" }, /question: .* got a list of 0/],
    [{ question: "q", response: 3 }, /response: expected text, got a number/],
    [{ question: "q", response: "r", reference: {} }, /reference: expected text or nothing, got a object/],
  ])("are refused when %j", (wrong, message) => {
    expect(() => prepare(wrong as unknown as ScoringTask)).toThrow(message);
  });

  it("kit: reads numbers", () => expect([qualityOf("good 3.5"), qualityOf("none")]).toEqual([3.5, 0]));
});
