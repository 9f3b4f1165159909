import { describe, expect, test } from "vitest";
import { ConfigError, MediaError, ModelError, PromptError } from "../errors.ts";
import { schedules, type SchedulePreset } from "./schedules.ts";
import { scoreGroup } from "./score-group.ts";
import { judgeOf, longer, question, sumOf, turns, valuesOf, type Say } from "./scripted-judge.test-kit.ts";
import { rankNormalise } from "./values.ts";

describe("rewards", () => {
  test("follow the judge, sum to 0 and lie in [-1, 1], with every preset", async () => {
    const responses = ["a", "bbbb", "cc", "ddddddd", "eee", "ffffff"];
    for (const preset of Object.keys(schedules) as SchedulePreset[]) {
      const scores = await scoreGroup(judgeOf(longer).judge, { question, responses }, { preset });
      const values = valuesOf(scores) as number[];
      expect(sumOf(values)).toBeCloseTo(0, 10);
      expect(values.every((value) => Math.abs(value) < 1)).toBe(true);
      if (preset === "exact")
        expect([...values].sort((a, b) => a - b)).toEqual([0, 2, 4, 1, 5, 3].map((i) => values[i]));
      expect(values[3]).toBeGreaterThan(values[0]!);
      expect(scores.calls).toBe(scores.comparisons.length);
    }
  });

  test("the number of calls is the preset's", async () => {
    const responses = Array.from({ length: 8 }, (_, i) => "x".repeat(i + 1));
    const calls = async (preset: SchedulePreset) =>
      (await scoreGroup(judgeOf(longer).judge, { question, responses }, { preset })).calls;
    expect(await Promise.all((["fast", "balanced", "quality", "exact", "swiss"] as const).map(calls))).toEqual([
      7, 16, 27, 56, 16,
    ]);
  });

  test("golden: two responses, one always wins", async () => {
    // Two comparisons of weight 1 with d = 2x ± γ: by symmetry γ = 0 and x = 2·σ(−2x), solved by x = 0.6374…
    const scores = await scoreGroup(judgeOf(longer).judge, { question, responses: ["long", "s"] });
    const x = scores.rewards[0]!.parts.strength!;
    expect(x).toBeCloseTo(2 / (1 + Math.exp(2 * x)), 10);
    expect(scores.rewards[0]!.value).toBeCloseTo(Math.tanh(x), 10);
    expect(scores).toMatchObject({ calls: 2, firstPositionRate: 0.5, flipRate: 0, gated: false, failed: 0 });
    expect(scores.orderBias!.value).toBeCloseTo(0, 12);
  });

  test("a judge that only sees the order gives exactly 0 to everyone, and its bias away", async () => {
    const first: Say = (_a, _b, { swapped }) => ({ kind: "winner", winner: swapped ? 1 : 0 });
    const responses = ["a", "b", "c", "d", "e"];
    const scores = await scoreGroup(judgeOf(first).judge, { question, responses });
    for (const value of valuesOf(scores)) expect(value).toBeCloseTo(0, 12);
    expect(scores.firstPositionRate).toBe(1);
    expect(scores.orderBias!.value).toBeGreaterThan(1);
    expect((await scoreGroup(judgeOf(first).judge, { question, responses }, { preset: "exact" })).flipRate).toBe(1);
  });

  test("ties are no information: exactly 0", async () => {
    const scores = await scoreGroup(judgeOf(() => ({ kind: "tie" })).judge, { question, responses: ["a", "b", "c"] });
    expect(valuesOf(scores)).toEqual([0, 0, 0]);
    expect(scores).toMatchObject({ spread: 0, firstPositionRate: null, orderBias: { value: 0 } });
  });

  test("normalise has the last word, and must make sense", async () => {
    const group = { question, responses: ["a", "bb", "ccc"] };
    const options = { preset: "exact", normalise: rankNormalise } as const;
    expect(valuesOf(await scoreGroup(judgeOf(longer).judge, group, options))).toEqual([-1, 0, 1]);
    const broken = scoreGroup(judgeOf(longer).judge, group, { normalise: () => [NaN, 0, 0] });
    await expect(broken).rejects.toMatchObject({ code: "R1_REWARD", message: expect.stringContaining("normalise") });
  });
});

describe("copies and empty responses", () => {
  test("equal responses are judged once and rewarded alike", async () => {
    const { judge, asked } = judgeOf(longer);
    const scores = await scoreGroup(judge, { question, responses: ["aa", "b", "aa", "aa"] }, { preset: "exact" });
    expect(asked.map(({ shown }) => shown).sort()).toEqual(["aa>b", "b>aa"]);
    const [one, two, three, four] = valuesOf(scores);
    expect([three, four]).toEqual([one, one]);
    expect(3 * one! + two!).toBeCloseTo(0, 12);
    expect(scores.comparisons[0]!.pair).toEqual([
      { kind: "response", index: 0 },
      { kind: "response", index: 1 },
    ]);
  });

  test("a group of copies is worth 0 and costs nothing", async () => {
    const { judge, asked } = judgeOf(longer);
    const scores = await scoreGroup(judge, { question, responses: ["same", "same", "same"] });
    expect(valuesOf(scores)).toEqual([0, 0, 0]);
    expect(asked).toEqual([]);
    expect(scores).toMatchObject({ calls: 0, orderBias: null, spread: null, flipRate: null, gated: false });
  });

  test("white space loses to everything, unasked", async () => {
    const { judge, asked } = judgeOf(longer);
    const scores = await scoreGroup(judge, { question, responses: [" \n", "a", "bb", ""] });
    expect(asked.every(({ pair }) => pair.responses.every((text) => text.trim() !== ""))).toBe(true);
    const values = valuesOf(scores) as number[];
    expect([values[0], values[3]]).toEqual([-2 / 3, -2 / 3]);
    expect(sumOf(values)).toBeCloseTo(0, 12);
    expect(values[2]).toBeGreaterThan(values[1]!);
    expect(scores.rewards[0]!.parts).toEqual({ strength: null, uncertainty: null, readable: 0, missing: 0, empty: 1 });
  });

  test("no responses, one response", async () => {
    expect(await scoreGroup(judgeOf(longer).judge, { question, responses: [] })).toMatchObject({
      rewards: [],
      calls: 0,
    });
    const one = await scoreGroup(judgeOf(longer).judge, { question, responses: ["alone"] });
    expect(valuesOf(one)).toEqual([null]);
    expect(one.rewards[0]!.parts).toMatchObject({ strength: null, uncertainty: null });
    expect(valuesOf(await scoreGroup(judgeOf(longer).judge, { question, responses: [" "] }))).toEqual([null]);
  });
});

describe("reference and anchors", () => {
  test("one response against a reference, in both orders", async () => {
    const { judge, asked } = judgeOf(longer);
    const group = { question, responses: ["much longer"], reference: "short" };
    const scores = await scoreGroup(judge, group);
    expect(asked.map(({ shown }) => shown).sort()).toEqual(["much longer>short", "short>much longer"]);
    const { value, parts } = scores.rewards[0]!;
    expect(value).toBe(parts.vsReference);
    expect(value).toBeGreaterThan(0.4);
    const worse = await scoreGroup(judge, { ...group, responses: ["s"] });
    expect(worse.rewards[0]!.value).toBeCloseTo(-value!, 10);
    expect(valuesOf(await scoreGroup(judge, { ...group, responses: [""] }))).toEqual([-1]);
    expect(valuesOf(await scoreGroup(judge, { ...group, responses: ["short"] }))).toEqual([0]);
  });

  test("the reference does not shift the group, whose values stay centred", async () => {
    const group = { question, responses: ["a", "bb", "ccc"], reference: "the longest of all" };
    const scores = await scoreGroup(judgeOf(longer).judge, group);
    expect(sumOf(valuesOf(scores))).toBeCloseTo(0, 12);
    expect(scores.rewards.every(({ parts }) => parts.vsReference! < 0)).toBe(true);
    expect(scores.comparisons.some(({ pair }) => pair[0].kind === "reference")).toBe(true);
  });

  test("fast compares with the reference alone", async () => {
    const { judge, asked } = judgeOf(longer);
    const group = { question, responses: ["a", "bb", "ccc", "dddd"], reference: "ref" };
    const scores = await scoreGroup(judge, group, { preset: "fast" });
    expect([scores.calls, asked.every(({ pair }) => pair.responses.includes("ref"))]).toEqual([4, true]);
  });

  test("anchors give an absolute scale", async () => {
    const anchors = [
      { text: "xx", score: -0.5 },
      { text: "x".repeat(9), score: 0.5 },
    ];
    const scores = await scoreGroup(judgeOf(longer).judge, { question, responses: ["yyyyy"], anchors });
    // It loses to one and beats the other, which lie symmetrically around 0.
    expect(scores.rewards[0]!.value).toBeCloseTo(0, 8);
    expect(scores.rewards[0]!.parts).not.toHaveProperty("vsReference");
    const best = await scoreGroup(judgeOf(longer).judge, { question, responses: ["y".repeat(20)], anchors });
    expect(best.rewards[0]!.value).toBeGreaterThan(0.5);
  });

  test("a part is null when nothing connects the response with the reference", async () => {
    const { judge } = judgeOf((a, b) =>
      a === "ref" || b === "ref" ? { kind: "unreadable", why: "empty" } : longer(a, b, {}, undefined!),
    );
    const scores = await scoreGroup(judge, { question, responses: ["a", "bb"], reference: "ref" });
    expect(scores.rewards.map(({ parts }) => parts.vsReference)).toEqual([null, null]);
    expect(valuesOf(scores)[1]).toBeGreaterThan(0);
    expect(scores.unreadable).toBe(4);
  });
});

describe("spread gate", () => {
  test("below minSpread every judged difference is 0, and the parts still tell what was seen", async () => {
    const group = { question, responses: ["a", "bb", "ccc", " "] };
    const open = await scoreGroup(judgeOf(longer).judge, group);
    const gate = await scoreGroup(judgeOf(longer).judge, group, { minSpread: open.spread! + 0.01 });
    expect(gate).toMatchObject({ gated: true, spread: open.spread });
    expect(valuesOf(gate)).toEqual([1 / 3, 1 / 3, 1 / 3, -1]);
    expect(gate.rewards[0]!.parts.strength).toBe(open.rewards[0]!.parts.strength);
    expect((await scoreGroup(judgeOf(longer).judge, group, { minSpread: open.spread! })).gated).toBe(false);
  });
});

describe("failures", () => {
  const down = new ModelError("down", { model: "m", retryable: true, status: 503 });

  test("of the model or of the protocol are recorded and left out", async () => {
    const { judge } = judgeOf((a, b, options, pair) => {
      if (a === "a" && b === "bb") throw down;
      if (b === "ccc") throw new PromptError(pair.id, "responses[1]", "no");
      return longer(a, b, options, pair);
    });
    const scores = await scoreGroup(judge, { question, responses: ["a", "bb", "ccc", "dddd"] }, { preset: "exact" });
    const [a, bb, ccc, dddd] = valuesOf(scores);
    expect(ccc).not.toBeNull(); // dddd was compared with it
    expect(sumOf([a!, bb!, ccc!, dddd!])).toBeCloseTo(0, 12);
    expect(scores.failed).toBe(6);
    expect(scores.comparisons.filter(({ error }) => error?.code === "R1_MODEL")).toHaveLength(2);
    expect(scores.rewards[0]!.parts).toMatchObject({ readable: 2, missing: 4 });
  });

  test("of all: nothing can be told", async () => {
    const broken = judgeOf(() => Promise.reject(down));
    const scores = await scoreGroup(broken.judge, { question, responses: ["a", "b", "c"] });
    expect(valuesOf(scores)).toEqual([null, null, null]);
    expect(scores).toMatchObject({ failed: 3, unreadable: 0, spread: null, orderBias: null, gated: false });
  });

  test("a response none of whose comparisons could be read is null, the others are centred", async () => {
    const say: Say = (a, b, options, pair) =>
      [a, b].includes("mute") ? { kind: "unreadable", why: "cut-off" } : longer(a, b, options, pair);
    const scores = await scoreGroup(judgeOf(say).judge, { question, responses: ["aa", "mute", "b"] });
    const [a, mute, b] = valuesOf(scores);
    expect(mute).toBeNull();
    expect(a! + b!).toBeCloseTo(0, 12);
    expect(a).toBeGreaterThan(0);
    expect(scores.rewards[1]!.parts).toMatchObject({ strength: null, uncertainty: null, readable: 0, missing: 2 });
  });

  test.each([
    ["an image that cannot be read", new MediaError("gone", "no such image"), "R1_MEDIA"],
    ["a judge that is set up wrongly", new ConfigError("bad"), "R1_CONFIG"],
    ["a bug", new TypeError("x is not a function"), "R1_REWARD"],
  ])("%s ends it, and nothing more is asked", async (_name, error, code) => {
    const { judge, asked } = judgeOf(() => Promise.reject(error));
    const responses = Array.from({ length: 12 }, (_, i) => String(i));
    const scoring = scoreGroup(judge, { question, responses, id: "g" }, { concurrency: 2 });
    await expect(scoring).rejects.toMatchObject({ code });
    await turns(50);
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  test("an outcome rule or a callback that misbehaves ends it", async () => {
    const group = { question, responses: ["a", "b"] };
    await expect(scoreGroup(judgeOf(longer).judge, group, { outcome: () => 2 })).rejects.toMatchObject({
      code: "R1_REWARD",
    });
    const onComparison = () => {
      throw new Error("mine");
    };
    await expect(scoreGroup(judgeOf(longer).judge, group, { onComparison })).rejects.toThrow("mine");
  });
});
