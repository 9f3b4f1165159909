import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AbortError, ModelError, RewardError } from "../errors.ts";
import type { RewardResult } from "../interfaces.ts";
import type { Sample } from "../types.ts";
import { combineGroupRewards, combineRewards } from "./combine.ts";
import { defineGroupReward, defineReward, liftReward } from "./define.ts";
import { lengthReward, repetitionPenalty } from "./shaping.ts";
import { atStep, constant, linearSchedule } from "./step.ts";

const sample = (text = "", id = "s1"): Sample => ({ id, prompt: [], text, finishReason: "stop", truth: null });
const fixed = (name: string, result: RewardResult) => defineReward({ name, score: () => result });
const valueOf = async (reward: { score(sample: Sample): Promise<{ value: number | null }> }, text = "") =>
  (await reward.score(sample(text))).value;

describe("defineReward", () => {
  test("takes numbers, null and rewards, at once or later", async () => {
    expect(await fixed("a", 0.5).score(sample())).toEqual({ value: 0.5, parts: {} });
    expect(await fixed("a", null).score(sample())).toEqual({ value: null, parts: {} });
    const whole = { value: 1, parts: { x: 2, y: null } };
    expect(await defineReward({ name: "a", score: async () => whole }).score(sample())).toEqual(whole);
  });

  test.each([
    NaN,
    Infinity,
    undefined,
    "1",
    true,
    {},
    [1],
    { value: 1 },
    { value: NaN, parts: {} },
    { value: 1, parts: { x: "2" } },
    { value: 1, parts: { x: NaN } },
    { value: 1, parts: null },
  ])("%j is no reward", async (result) => {
    const score = fixed("mine", result as never).score(sample("", "row-7"));
    await expect(score).rejects.toMatchObject({ code: "R1_REWARD", reward: "mine", sampleId: "row-7" });
  });

  test("what is thrown is wrapped with its cause; our own errors pass", async () => {
    const cause = new TypeError("no such key");
    const throwing = (error: Error) =>
      defineReward({
        name: "mine",
        score: () => {
          throw error;
        },
      }).score(sample());
    await expect(throwing(cause)).rejects.toMatchObject({
      code: "R1_REWARD",
      cause,
      message: /mine on sample s1.*no such key/,
    });
    await expect(throwing(new ModelError("down", { model: "m", retryable: true }))).rejects.toMatchObject({
      code: "R1_MODEL",
    });
    await expect(throwing(new AbortError("stop"))).rejects.toMatchObject({ code: "R1_ABORTED" });
    const aborted = fixed("a", 1).score(sample(), { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: "R1_ABORTED" });
    expect(() => defineReward({ name: "", score: () => 1 })).toThrow("name");
  });

  test("a part called __proto__ is a part", async () => {
    const parts = JSON.parse('{"__proto__": 3}') as Record<string, number>;
    const reward = await fixed("a", { value: 1, parts }).score(sample());
    expect(Object.entries(reward.parts)).toEqual([["__proto__", 3]]);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  test("a group reward must have one reward per sample", async () => {
    const group = (results: unknown) => defineGroupReward({ name: "g", scoreGroup: () => results as number[] });
    expect(await group([1, null]).scoreGroup([sample(), sample()])).toEqual([
      { value: 1, parts: {} },
      { value: null, parts: {} },
    ]);
    await expect(group([1]).scoreGroup([sample(), sample()])).rejects.toThrow("expected 2 rewards, got 1");
    await expect(group(3).scoreGroup([sample()])).rejects.toBeInstanceOf(RewardError);
    await expect(group([1, NaN]).scoreGroup([sample(), sample("", "second")])).rejects.toMatchObject({
      sampleId: "second",
    });
  });
});

describe("combineRewards", () => {
  test("golden: 2·0.5 − 1·clip(3, [0, 1]) = 0, with the parts as they came back", async () => {
    const reward = combineRewards("sum", [
      { reward: fixed("a", 0.5), weight: 2 },
      { reward: fixed("b", { value: 3, parts: { x: 7 } }), weight: -1, clip: [0, 1] },
    ]);
    expect(await reward.score(sample())).toEqual({ value: 0, parts: { a: 0.5, b: 3, "b/x": 7 } });
  });

  test("a part that cannot tell makes the sum null unless it is optional", async () => {
    const parts = [
      { reward: fixed("a", 1), weight: 1 },
      { reward: fixed("b", null), weight: 1 },
    ];
    expect(await valueOf(combineRewards("sum", parts))).toBeNull();
    const optional = combineRewards("sum", [parts[0]!, { ...parts[1]!, optional: true }]);
    expect(await optional.score(sample())).toEqual({ value: 1, parts: { a: 1, b: null } });
  });

  test("a part of weight 0 is not called", async () => {
    let calls = 0;
    const counted = defineReward({ name: "b", score: () => ((calls += 1), null) });
    const parts = [
      { reward: fixed("a", 1), weight: 1 },
      { reward: counted, weight: linearSchedule({ from: 0, to: 1, end: 10 }) },
    ];
    const reward = combineRewards("sum", parts);
    expect(await reward.score(sample())).toEqual({ value: 1, parts: { a: 1, b: null } });
    expect(calls).toBe(0);
    expect(await valueOf(reward.at(1))).toBeNull();
    expect(calls).toBe(1);
  });

  test("weights follow the step, in combinations of combinations too", async () => {
    const inner = combineRewards("inner", [
      { reward: fixed("a", 1), weight: linearSchedule({ from: 0, to: 1, start: 10, end: 20 }) },
    ]);
    const outer = combineRewards("outer", [{ reward: inner, weight: constant(2) }]);
    const values = await Promise.all([0, 10, 15, 20, 99].map((step) => valueOf(outer.at(step))));
    expect(values).toEqual([0, 0, 1, 2, 2]);
    expect(await valueOf(atStep(outer, 15))).toBe(1);
    expect(atStep(fixed("a", 1), 15).name).toBe("a");
    expect((await outer.at(15).score(sample())).parts).toEqual({ inner: 0.5, "inner/a": 1 });
    expect(() => outer.at(-1)).toThrow("step");
    expect(() => outer.at(NaN)).toThrow("step");
  });

  test("a formula is asked when every part is known", async () => {
    const parts = { right: fixed("result", 1), tidy: fixed("format", 0.5) };
    const reward = combineRewards("f", parts, ({ right, tidy }) => right * (1 + tidy));
    expect(await reward.score(sample())).toEqual({ value: 1.5, parts: { right: 1, tidy: 0.5 } });
    const clipped = combineRewards("f", parts, () => 9, { clip: [0, 2] });
    expect(await valueOf(clipped)).toBe(2);
    let asked = 0;
    const unknown = combineRewards("f", { ...parts, more: fixed("x", null) }, () => ((asked += 1), 1));
    expect([await valueOf(unknown), asked]).toEqual([null, 0]);
    await expect(combineRewards("f", parts, () => NaN).score(sample())).rejects.toMatchObject({
      reward: "f",
      sampleId: "s1",
    });
  });

  test("refuses what cannot work", () => {
    const part = { reward: fixed("a", 1), weight: 1 };
    expect(() => combineRewards("x", [part, part])).toThrow("a twice");
    expect(() => combineRewards("x", [{ ...part, weight: NaN }])).toThrow("weight");
    expect(() => combineRewards("x", [{ ...part, clip: [1, 0] }])).toThrow("clip");
    expect(() => combineRewards("x", [part], { clip: [NaN, 1] })).toThrow("clip");
    expect(() => linearSchedule({ from: 0, to: 1, end: 0 })).toThrow("start < end");
  });

  test("knowing less never makes a null known, and what is known stays the same sum", async () => {
    const part = fc.record({
      value: fc.option(fc.double({ min: -5, max: 5, noNaN: true })),
      weight: fc.double({ min: -2, max: 2, noNaN: true }),
      optional: fc.boolean(),
    });
    const combine = (parts: readonly { value: number | null; weight: number; optional: boolean }[]) =>
      valueOf(
        combineRewards(
          "sum",
          parts.map(({ value, ...rest }, i) => ({ reward: fixed(`p${i}`, value), ...rest })),
        ),
      );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 6 }), fc.nat(5), async (parts, at) => {
        const before = await combine(parts);
        const after = await combine(parts.map((one, i) => (i === at ? { ...one, value: null } : one)));
        if (before === null) expect(after).toBeNull();
        const loop = parts.reduce((sum, { value, weight }) => sum + (value === null ? 0 : value * weight), 0);
        const blind = parts.some(({ value, weight, optional }) => value === null && weight !== 0 && !optional);
        if (blind) expect(before).toBeNull();
        else expect(before).toBeCloseTo(loop, 10);
      }),
    );
  });
});

describe("combineGroupRewards", () => {
  const rank = defineGroupReward({ name: "rank", scoreGroup: (samples) => samples.map((_, i) => i) });

  test("lifts single rewards and sums per sample", async () => {
    const size = defineReward({ name: "size", score: ({ text }) => (text === "?" ? null : text.length) });
    const reward = combineGroupRewards("both", [
      { reward: rank, weight: 10 },
      { reward: size, weight: linearSchedule({ from: 1, to: 3, end: 2 }) },
    ]);
    const group = [sample("a"), sample("?"), sample("ccc")];
    expect(await reward.scoreGroup(group)).toEqual([
      { value: 1, parts: { rank: 0, size: 1 } },
      { value: null, parts: { rank: 1, size: null } },
      { value: 23, parts: { rank: 2, size: 3 } },
    ]);
    expect((await reward.at(1).scoreGroup(group)).map(({ value }) => value)).toEqual([2, null, 26]);
    expect(await liftReward(size).scoreGroup([])).toEqual([]);
  });
});

describe("shaping", () => {
  test("golden: DAPO's soft overlong punishment", async () => {
    const reward = lengthReward({ soft: 4, hard: 8 });
    const values = await Promise.all([0, 4, 5, 6, 8, 100].map((length) => valueOf(reward, "x".repeat(length))));
    expect(values).toEqual([0, 0, -0.25, -0.5, -1, -1]);
    const tokens = lengthReward({ soft: 1, hard: 3, length: ({ text }) => text.split(" ").length });
    expect(await valueOf(tokens, "a b")).toBe(-0.5);
    await expect(lengthReward({ soft: 1, hard: 2, length: () => NaN }).score(sample())).rejects.toThrow("finite");
    for (const [soft, hard] of [
      [2, 2],
      [-1, 2],
      [NaN, 2],
      [1, Infinity],
    ] as const) {
      expect(() => lengthReward({ soft, hard })).toThrow("soft < hard");
    }
  });

  test("golden: repetition", async () => {
    // "a b c a b c": trigrams abc bca cab abc, three of four different: −(1 − 3/4).
    expect(await valueOf(repetitionPenalty(), "a b  c\nA B C")).toBe(-0.25);
    expect(await valueOf(repetitionPenalty(), "a b")).toBe(0);
    expect(await valueOf(repetitionPenalty(), "a b c d")).toBe(0);
    expect(await valueOf(repetitionPenalty({ n: 1, max: -2 }), "x x x x")).toBe(-1.5);
    expect(await valueOf(repetitionPenalty({ n: 1, words: (text) => [...text] }), "aab")).toBeCloseTo(-1 / 3, 12);
    expect(() => repetitionPenalty({ n: 0 })).toThrow("n:");
    expect(() => repetitionPenalty({ max: 1 })).toThrow("max:");
  });
});
