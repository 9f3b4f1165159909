import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hardOutcome, softOutcome } from "./outcome.ts";
import { firstPositionRate, flipRate } from "./rates.ts";
import { spreadOf } from "./spread.ts";
import { bradleyTerry } from "./bradley-terry.ts";
import type { GroupComparison } from "./types.ts";
import { absoluteValue, rankNormalise, unitNormalise, winsMinusLosses, type Standing } from "./values.ts";
import type { Judgment, Verdict } from "../types.ts";

const judged = (strength: number): Standing => ({ kind: "judged", strength });
const empty: Standing = { kind: "empty" };
const unknown: Standing = { kind: "unknown" };

describe("winsMinusLosses", () => {
  test("golden: two responses", () => {
    // tanh(ln 3 / 2) = (3 − 1)/(3 + 1) = 1/2: it wins 3 of 4, and 3/4 − 1/4 = 1/2.
    expect(winsMinusLosses([judged(Math.log(3)), judged(0)])).toEqual([
      expect.closeTo(0.5, 12),
      expect.closeTo(-0.5, 12),
    ]);
  });

  test("golden: an empty response loses to everyone, and everyone gains by it", () => {
    const values = winsMinusLosses([judged(Math.log(3)), judged(0), empty]);
    expect(values).toEqual([expect.closeTo(0.75, 12), expect.closeTo(0.25, 12), -1]);
    expect(winsMinusLosses([judged(0.3), empty, empty])).toEqual([1, -0.5, -0.5]);
    expect(winsMinusLosses([empty, empty])).toEqual([0, 0]);
  });

  test("what is unknown is null, and nobody's opponent", () => {
    expect(winsMinusLosses([judged(0), judged(0), unknown])).toEqual([0, 0, null]);
    expect(winsMinusLosses([judged(1), unknown])).toEqual([null, null]);
    expect(winsMinusLosses([judged(1)])).toEqual([null]);
    expect(winsMinusLosses([])).toEqual([]);
  });

  test("sum 0, within [-1, 1], ordered as the strengths, indifferent to a common shift", () => {
    const standing = fc.oneof(
      { weight: 4, arbitrary: fc.double({ min: -20, max: 20, noNaN: true }).map(judged) },
      fc.constantFrom(empty, unknown),
    );
    fc.assert(
      fc.property(
        fc.array(standing, { maxLength: 16 }),
        fc.double({ min: -5, max: 5, noNaN: true }),
        (group, shift) => {
          const values = winsMinusLosses(group);
          const told = values.filter((value) => value !== null);
          expect(told.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 10);
          expect(told.every((value) => Math.abs(value) <= 1)).toBe(true);
          const moved = group.map((one) => (one.kind === "judged" ? judged(one.strength + shift) : one));
          winsMinusLosses(moved).forEach((value, at) => {
            if (value === null) expect(values[at]).toBeNull();
            else expect(value).toBeCloseTo(values[at]!, 8);
          });
          for (const [a, one] of group.entries()) {
            for (const [b, other] of group.entries()) {
              if (one.kind !== "judged" || other.kind !== "judged" || told.length < 2) continue;
              if (one.strength > other.strength) expect(values[a]).toBeGreaterThanOrEqual(values[b]!);
            }
          }
        },
      ),
    );
  });
});

describe("absoluteValue", () => {
  test("against an anchor of score 0 it is the expected wins minus losses", () => {
    expect(absoluteValue(Math.log(3), [{ strength: 0, score: 0 }])).toBeCloseTo(0.5, 12);
  });

  test("an anchor gets its own score, and two anchors are averaged in logits", () => {
    expect(absoluteValue(0.7, [{ strength: 0.7, score: -0.4 }])).toBeCloseTo(-0.4, 12);
    const score = Math.tanh(1); // 2·artanh(tanh 1) = 2
    const anchors = [
      { strength: 0, score },
      { strength: 4, score },
    ];
    // shifts 2 − 0 and 2 − 4, mean 0
    expect(absoluteValue(2, anchors)).toBeCloseTo(Math.tanh(1), 12);
    expect(absoluteValue(2, [])).toBeNull();
  });
});

test("normalisation keeps the order and 0", () => {
  expect(unitNormalise([0.1, -0.05, -0.05])).toEqual([1, -0.5, -0.5]);
  expect(unitNormalise([0, 0])).toEqual([0, 0]);
  expect(unitNormalise([])).toEqual([]);
  expect(rankNormalise([0.3, -0.2, 0.3, -0.4])).toEqual([2 / 3, -1 / 3, 2 / 3, -1]);
  expect(rankNormalise([5])).toEqual([0]);
});

describe("spreadOf", () => {
  test("golden: for two it is the difference over its standard deviation", () => {
    const weight = 2 * Math.log(3);
    const fit = bradleyTerry([{ i: 0, j: 1, p: 1, weight }]);
    // Difference ln 3, variance 2/(1 + (3/4) ln 3): see the golden numbers of the fit.
    const expected = Math.log(3) / Math.sqrt(2 / (1 + 0.75 * Math.log(3)));
    expect(spreadOf(fit.strengths, fit.covariance, [0, 1])).toBeCloseTo(expected, 10);
  });

  test("independent strengths: the root mean square over n − 1", () => {
    const covariance = [
      [0.25, 0, 0],
      [0, 0.25, 0],
      [0, 0, 0.25],
    ];
    // Centred x = (−1, 0, 1), centred covariance ¼ off the constant direction: xᵀΣ⁺x = 2/0.25 = 8; √(8/2) = 2.
    expect(spreadOf([0, 1, 2], covariance, [0, 1, 2])).toBeCloseTo(2, 10);
  });

  test("nothing to tell apart is 0", () => {
    expect(
      spreadOf(
        [1, 1],
        [
          [1, 0],
          [0, 1],
        ],
        [0, 1],
      ),
    ).toBe(0);
    expect(
      spreadOf(
        [1, 2],
        [
          [1, 0],
          [0, 1],
        ],
        [0],
      ),
    ).toBe(0);
    expect(spreadOf([], [], [])).toBe(0);
  });
});

const judgment = (verdict: Verdict, probability?: number): Judgment => ({
  verdict,
  reasoning: "",
  text: "",
  swapped: false,
  probability,
  usage: { promptTokens: null, completionTokens: null },
  latencyMs: 0,
  cached: false,
  warnings: [],
});

describe("outcomes", () => {
  const wins: Verdict = { kind: "winner", winner: 0 };
  test("the verdict alone", () => {
    expect(hardOutcome(judgment(wins, 0.6))).toBe(1);
    expect(hardOutcome(judgment({ kind: "winner", winner: 1 }))).toBe(0);
    expect(hardOutcome(judgment({ kind: "tie" }))).toBe(0.5);
    expect(hardOutcome(judgment({ kind: "unreadable", why: "empty" }))).toBeNull();
  });

  test("the probability, tempered: logit / T", () => {
    // logit 0.9 = ln 9; halved it is ln 3, and σ(ln 3) = 3/4.
    expect(softOutcome({ temperature: 2 })(judgment(wins, 0.9))).toBeCloseTo(0.75, 12);
    expect(softOutcome({ temperature: 1 })(judgment(wins, 0.9))).toBeCloseTo(0.9, 12);
    expect(softOutcome({ temperature: 1 })(judgment(wins, 1))).toBeCloseTo(0.99, 12);
    expect(softOutcome({ temperature: 1 })(judgment(wins, 0))).toBeCloseTo(0.01, 12);
    expect(softOutcome({ temperature: 1 })(judgment(wins))).toBe(1);
    expect(softOutcome({ temperature: 1 })(judgment(wins, NaN))).toBe(1);
    expect(softOutcome({ temperature: 1 })(judgment({ kind: "unreadable", why: "empty" }, 0.9))).toBeNull();
    expect(() => softOutcome({ temperature: 0 })).toThrow("temperature");
    expect(() => softOutcome({ temperature: 1, margin: 0.5 })).toThrow("margin");
  });
});

describe("rates", () => {
  const made = (a: number, b: number, swapped: boolean, p: number | null): GroupComparison => ({
    pair: [
      { kind: "response", index: a },
      { kind: "response", index: b },
    ],
    swapped,
    monitor: false,
    judgment: null,
    error: null,
    p,
  });

  test("first position", () => {
    // As stored, pair[0] is first; swapped, pair[1] is. Of these the first shown wins 1st and 2nd, not the 3rd.
    const list = [
      made(0, 1, false, 1),
      made(0, 1, true, 0),
      made(1, 2, true, 1),
      made(1, 2, false, 0.5),
      made(1, 2, false, null),
    ];
    expect(firstPositionRate(list)).toBeCloseTo(2 / 3, 12);
    expect(firstPositionRate([made(0, 1, false, null)])).toBeNull();
  });

  test("flips", () => {
    const list = [
      ...[made(0, 1, false, 1), made(0, 1, true, 0)], // the first shown both times: a flip
      ...[made(1, 2, false, 1), made(1, 2, true, 1)], // the same response both times
      ...[made(2, 3, false, 1), made(3, 4, true, 0)], // one order each
      ...[made(4, 5, false, 1), made(4, 5, true, null)], // one order could not be read
    ];
    expect(flipRate(list)).toBe(0.5);
    expect(flipRate(list.slice(4))).toBeNull();
  });
});
