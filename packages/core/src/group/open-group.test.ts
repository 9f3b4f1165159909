import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PairwiseJudge } from "../interfaces.ts";
import { simulatedJudge } from "../testing/simulated-judge.ts";
import type { Verdict } from "../types.ts";
import { openGroup } from "./open-group.ts";
import { defineSchedule, type ScheduleState } from "./schedule.ts";
import { schedules, type SchedulePreset } from "./schedules.ts";
import { scoreGroup } from "./score-group.ts";
import { judgeOf, longer, question, turns } from "./scripted-judge.test-kit.ts";
import type { GroupComparison } from "./types.ts";

describe("asking", () => {
  test("both orders of a pair share the pair, and a repeat in one order is another sample", async () => {
    const thrice = defineSchedule({
      name: "thrice",
      pairs: () => [
        { first: 0, second: 1 },
        { first: 1, second: 0 },
        { first: 0, second: 1 },
      ],
    });
    const { judge, asked } = judgeOf(longer);
    await scoreGroup(judge, { question, responses: ["a", "bb"], id: "q7" }, { schedule: thrice });
    expect(new Set(asked.map(({ pair }) => pair.id))).toEqual(new Set(["q7/0-1"]));
    expect(new Set(asked.map(({ pair }) => pair.responses.join()))).toEqual(new Set(["a,bb"]));
    const seen = asked.map(({ options: { swapped, sample } }) => `${swapped} ${sample}`);
    expect([...seen].sort()).toEqual(
      seen[0]!.startsWith("false") ? ["false 0", "false 1", "true 0"] : ["false 0", "true 0", "true 1"],
    );
  });

  test("no more at a time than allowed", async () => {
    let [now, most] = [0, 0];
    const { judge } = judgeOf(async (a, b, options, pair) => {
      most = Math.max(most, ++now);
      await turns(5);
      now -= 1;
      return longer(a, b, options, pair);
    });
    const responses = Array.from({ length: 8 }, (_, i) => "x".repeat(i + 1));
    await scoreGroup(judge, { question, responses }, { preset: "exact", concurrency: 3 });
    expect(most).toBe(3);
  });

  test("comparisons do not depend on when replies come back", async () => {
    const responses = ["a", "b", "c", "d", "e", "f", "g"];
    const score = (delay: (pair: string) => number, preset: SchedulePreset) => {
      const real = simulatedJudge({ quality: (text) => text.charCodeAt(0) - 100, scale: 0.5, orderBias: 0.5 });
      const judge: PairwiseJudge = {
        name: "slow",
        async judge(pair, options) {
          await turns(delay(pair.id));
          return real.judge(pair, options);
        },
      };
      return scoreGroup(judge, { question, responses, id: "x" }, { preset, seed: 3 });
    };
    await fc.assert(
      fc.asyncProperty(fc.func(fc.nat(40)), fc.constantFrom("quality", "swiss", "exact"), async (delay, preset) => {
        expect(await score(delay, preset)).toEqual(await score(() => 0, preset));
      }),
      { numRuns: 30 },
    );
  });

  test("the seed and the id decide who meets whom", async () => {
    const responses = Array.from({ length: 9 }, (_, i) => "x".repeat(i + 1));
    const met = async (seed: number, id: string) =>
      (await scoreGroup(judgeOf(longer).judge, { question, responses, id }, { seed })).comparisons
        .map(({ pair }) => JSON.stringify(pair))
        .sort();
    expect(await met(1, "a")).toEqual(await met(1, "a"));
    expect(await met(2, "a")).not.toEqual(await met(1, "a"));
    expect(await met(1, "b")).not.toEqual(await met(1, "a"));
  });

  test("every comparison is reported as it comes back", async () => {
    const seen: GroupComparison[] = [];
    const options = { onComparison: (comparison: GroupComparison) => void seen.push(comparison) };
    const scores = await scoreGroup(judgeOf(longer).judge, { question, responses: ["a", "bb", "ccc"] }, options);
    expect(new Set(seen)).toEqual(new Set(scores.comparisons));
  });
});

describe("an open group", () => {
  test("judges pairs as soon as both members are there", async () => {
    const { judge, asked } = judgeOf(longer);
    const group = openGroup(judge, { question, size: 4, preset: "exact" });
    expect(group.add("a")).toBe(0);
    await turns(5);
    expect(asked).toHaveLength(0);
    group.add("bb");
    await turns(5);
    expect(asked).toHaveLength(2);
    group.add("ccc");
    await turns(5);
    expect(asked).toHaveLength(6);
    group.add("dddd");
    group.close();
    group.close();
    expect((await group.result()).calls).toBe(12);
  });

  test("without a size too, on a circle that closes at the end", async () => {
    const { judge, asked } = judgeOf(longer);
    const group = openGroup(judge, { question });
    for (let i = 0; i < 6; i++) group.add("x".repeat(i + 1));
    await turns(20);
    expect(asked).toHaveLength(9); // 5 neighbours and 4 neighbours but one
    group.close();
    expect((await group.result()).calls).toBe(12);
  });

  test("when fewer come than expected, what was judged is kept and the rest is balanced", async () => {
    const { judge } = judgeOf(longer);
    const member = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 11 });
    await fc.assert(
      fc.asyncProperty(member, fc.integer({ min: 11, max: 16 }), fc.nat(), async (lengths, size, seed) => {
        const group = openGroup(judge, { question, size, seed });
        for (const length of lengths) group.add("x".repeat(length));
        group.close();
        const { calls, comparisons } = await group.result();
        const n = lengths.length;
        const ideal = Math.min(2, Math.floor(n / 2)) * n;
        expect(calls).toBeGreaterThanOrEqual(ideal);
        // Only circles of five or fewer can have met pairs that the smaller circle does not want.
        if (n > 5) expect(calls).toBe(ideal);
        const lead = new Map<number, number>();
        for (const { pair, swapped } of comparisons) {
          pair.forEach((item, at) => {
            const index = item.kind === "response" ? item.index : -1;
            lead.set(index, (lead.get(index) ?? 0) + ((at === 0) === swapped ? -1 : 1));
          });
        }
        if (n > 5) expect([...lead.values()].every((balance) => balance === 0)).toBe(true);
      }),
    );
  });

  test("a pair that is under way in the other order is not asked again when the plan changes", async () => {
    const { judge, asked } = judgeOf(longer);
    const fickle = defineSchedule({
      name: "fickle",
      pairs: ({ responses }) => (responses === 2 ? [{ first: 1, second: 0 }] : [{ first: 0, second: 1 }]),
    });
    const group = openGroup(judge, { question, schedule: fickle });
    group.add("a");
    group.add("bb");
    group.close();
    expect((await group.result()).calls).toBe(1);
    expect(asked.map(({ shown }) => shown)).toEqual(["a>bb"]);
  });

  test("an adaptive schedule sees who won, as the pairs were shown, and the strengths", async () => {
    const states: ScheduleState[] = [];
    const curious = defineSchedule({
      name: "curious",
      pairs: () => [
        { first: 0, second: 1 },
        { first: 2, second: 0 },
      ],
      next: (state) => (states.push(state), state.round === 1 ? [{ first: 2, second: 1 }] : []),
    });
    const group = openGroup(judgeOf(longer).judge, { question, schedule: curious });
    for (const response of ["bb", "a", "ccc"]) group.add(response);
    group.close();
    expect((await group.result()).calls).toBe(3);
    expect(states.map(({ round, size }) => [round, size.responses, size.fixed])).toEqual([
      [1, 3, 0],
      [2, 3, 0],
    ]);
    expect(states[1]!.outcomes.map(({ first, second, p }) => [first, second, p])).toEqual([
      [0, 1, 1], // bb beats a
      [2, 0, 1], // ccc, shown first, beats bb
      [2, 1, 1],
    ]);
    const [bb, a, ccc] = states[1]!.strengths as [number, number, number];
    expect(ccc > bb && bb > a).toBe(true);
  });

  test("scores as if everything had been there at once", async () => {
    const responses = ["a", "bb", "ccc", "dddd", "eeeee"];
    const group = openGroup(judgeOf(longer).judge, { question, size: 5, seed: 9, id: "i" });
    for (const [i, response] of responses.entries()) {
      group.add(response, `id-${i}`);
      await turns(i * 7);
    }
    group.close();
    const scores = await group.result();
    expect(scores.ids).toEqual(["id-0", "id-1", "id-2", "id-3", "id-4"]);
    const { ids: _ids, ...rest } = await scoreGroup(
      judgeOf(longer).judge,
      { question, responses, id: "i" },
      { seed: 9 },
    );
    expect(scores).toMatchObject(rest);
    expect(await group.result()).toBe(scores);
  });

  test("refuses late comers, ids that are taken and more than was said; copies take no room", () => {
    const group = openGroup(judgeOf(longer).judge, { question, size: 2 });
    group.add("a", "x");
    expect(() => group.add("b", "x")).toThrow("x again");
    group.add("a");
    group.add(" ");
    group.add("b");
    expect(() => group.add("c")).toThrow("size");
    group.close();
    expect(() => group.add("a")).toThrow("closed");
  });

  test("aborting ends it at once, even with a judge that never answers", async () => {
    const controller = new AbortController();
    const { judge, asked } = judgeOf(() => new Promise<Verdict>(() => undefined));
    const responses = ["a", "bb", "ccc", "dddd"];
    const scoring = scoreGroup(judge, { question, responses }, { signal: controller.signal, concurrency: 2 });
    await turns(5);
    controller.abort(new Error("enough"));
    await expect(scoring).rejects.toMatchObject({ code: "R1_ABORTED", cause: { message: "enough" } });
    expect(asked[0]!.options.signal?.aborted).toBe(true);
    await turns(20);
    expect(asked).toHaveLength(2);
    const before = scoreGroup(judge, { question, responses }, { signal: AbortSignal.abort() });
    await expect(before).rejects.toMatchObject({ code: "R1_ABORTED" });
    expect(asked).toHaveLength(2);
  });

  test("the signal of result ends one wait, not the judging", async () => {
    let answer: (verdict: Verdict) => void = () => undefined;
    const { judge } = judgeOf(() => new Promise<Verdict>((resolve) => (answer = resolve)));
    const group = openGroup(judge, { question, preset: "fast", size: 2 });
    group.add("a");
    group.add("b");
    group.close();
    await turns(5);
    const impatient = new AbortController();
    const wait = group.result({ signal: impatient.signal });
    impatient.abort();
    await expect(wait).rejects.toMatchObject({ code: "R1_ABORTED" });
    answer({ kind: "winner", winner: 0 });
    expect((await group.result()).calls).toBe(1);
  });

  test.each([
    [{ preset: "nosuch" as "fast" }, "preset"],
    [{ preset: "toString" as "fast" }, "preset"],
    [{ preset: "fast" as const, schedule: schedules.fast }, "preset"],
    [{ seed: 0.5 }, "seed"],
    [{ minSpread: NaN }, "minSpread"],
    [{ concurrency: 0 }, "concurrency"],
    [{ size: 1000 }, "size"],
    [{ reference: " " }, "reference"],
    [{ anchors: [{ text: "a", score: 1 }] }, "score"],
    [{ anchors: [{ text: "", score: 0 }] }, "text"],
    [{ schedule: defineSchedule({ name: "odd", pairs: () => [{ first: 0, second: 0 }] }) }, "schedule odd"],
    [{ schedule: defineSchedule({ name: "odd", pairs: () => [{ first: 0, second: 99 }] }) }, "schedule odd"],
  ])("refuses %o", (options, field) => {
    expect(() => openGroup(judgeOf(longer).judge, { question, ...options })).toThrow(field);
  });

  test("a schedule that never ends is stopped", async () => {
    const endless = defineSchedule({ name: "endless", pairs: () => [], next: () => [{ first: 0, second: 1 }] });
    const scoring = scoreGroup(judgeOf(longer).judge, { question, responses: ["a", "b"] }, { schedule: endless });
    await expect(scoring).rejects.toMatchObject({ code: "R1_CONFIG", message: expect.stringContaining("endless") });
  });
});
