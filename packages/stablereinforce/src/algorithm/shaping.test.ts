import { describe, expect, it } from "vitest";
import { advantageReport, dynamicSampling, filterAdvantages, highEntropyMask, overlongShaping } from "./index.ts";

const scored = (group: string, reward: number, tokens = 1) => ({
  group,
  reward,
  logpOld: new Array<number>(tokens).fill(0),
});

describe("dynamic sampling", () => {
  it("keeps groups that differ, in order, and says why the others went", () => {
    const batch = [scored("a", 1), scored("b", 1), scored("a", 0), scored("c", 2), scored("b", 1), scored("a", 1)];
    const { kept, dropped, groups } = dynamicSampling(batch);
    expect(kept).toEqual([batch[0], batch[2], batch[5]]);
    expect(dropped).toEqual([batch[1], batch[3], batch[4]]);
    expect(groups).toEqual({ kept: 1, equal: 1, single: 1 });
  });
  it("counts nearly equal rewards as equal when told to, and refuses NaN", () => {
    const batch = [scored("a", 1), scored("a", 1.0005)];
    expect(dynamicSampling(batch).groups.kept).toBe(1);
    expect(dynamicSampling(batch, { tolerance: 1e-3 }).groups.equal).toBe(1);
    expect(() => dynamicSampling([scored("a", Number.NaN)])).toThrow(/batch\[0\].reward/);
    expect(dynamicSampling([])).toEqual({ kept: [], dropped: [], groups: { kept: 0, equal: 0, single: 0 } });
  });
});

// DAPO, equation 13, with L_max 100 and L_cache 20: 0 to 80 tokens, then (80 − n)/20, −1 from 100.
it("overlong shaping", () => {
  const lengths = [1, 80, 85, 90, 100, 500];
  const batch = lengths.map((n) => scored("a", 2, n));
  const rewards = overlongShaping({ soft: 80, hard: 100 })(batch).map(({ reward }) => reward);
  expect(rewards).toEqual([2, 2, 1.75, 1.5, 1, 1]);
  expect(overlongShaping({ soft: 80, hard: 100, weight: 0.5 })(batch).at(-1)?.reward).toBe(1.5);
  expect(() => overlongShaping({ soft: 100, hard: 100 })(batch)).toThrow(/0 <= soft < hard/);
});

it("high-entropy tokens: the share with the highest, over the whole batch", () => {
  const mask = highEntropyMask([[0.1, 3, 0.2], [2, 0.1], [], [0.3, 0.4, 0.5, 0.6, 0.7]], 0.2);
  expect(mask.map((row) => [...row])).toEqual([[0, 1, 0], [1, 0], [], [0, 0, 0, 0, 0]]);
  expect(highEntropyMask([[1, 1, 1, 1, 1]], 0.2)[0]).toEqual(new Float64Array(5).fill(1)); // ties are kept
  expect(highEntropyMask([[1, 2]], 0)[0]).toEqual(new Float64Array(2));
  expect(() => highEntropyMask([[Number.NaN]])).toThrow(/entropies\[0\]\[0\]/);
  expect(() => highEntropyMask([[1]], 2)).toThrow(/share/);
});

it("the report tells filtered tokens and silent rollouts", () => {
  const raw = [...Array.from({ length: 19 }, () => Float64Array.of(1, 1)), Float64Array.of(0, 0)];
  const report = advantageReport(raw, filterAdvantages(raw));
  // p = 1/20: μ = 0.95, σ = √(0.95·0.05), z = 1/√19 and −√19
  expect(report).toMatchObject({ tokens: 40, filtered: 0.05, silent: 0.05, min: 0 });
  expect(report.mean).toBeCloseTo(0.95, 12);
  expect(report.std).toBeCloseTo(Math.sqrt(0.0475), 12);
  expect(report.max).toBeCloseTo(1 / Math.sqrt(19), 12);
  const equal = [Float64Array.of(0.1, 0.1), Float64Array.of(0.1)];
  expect(advantageReport(equal, filterAdvantages(equal))).toMatchObject({ filtered: 0, silent: 1 });
  expect(() => advantageReport(raw, [Float64Array.of(Number.NaN)])).toThrow(/advantages\[0\]\[0\]/);
});
