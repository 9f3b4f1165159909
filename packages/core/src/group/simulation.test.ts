/** How well schedules recover true quality from a judge of known errors. Seeded: every run gives the same numbers. */
import { describe, expect, test } from "vitest";
import { randomStream } from "../evaluate/random.ts";
import { simulatedJudge } from "../testing/simulated-judge.ts";
import { bradleyTerry, type PairOutcome } from "./bradley-terry.ts";
import type { GroupOptions } from "./options.ts";
import { defineSchedule, type Schedule } from "./schedule.ts";
import { circulant, schedules } from "./schedules.ts";
import { scoreGroup } from "./score-group.ts";

/** Gives single verdicts that are right in 74.5 % of random pairs, together with this bias. */
const SCALE = 1.22;
const ORDER_BIAS = 0.5;

/** Standard normal numbers (Box and Muller). */
const normals = (seed: number): (() => number) => {
  const { uint32 } = randomStream(seed);
  const uniform = () => (uint32() + 0.5) / 2 ** 32;
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
};

const correlation = (xs: readonly number[], ys: readonly number[]): number => {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const sum = (f: (i: number) => number) => xs.reduce((total, _, i) => total + f(i), 0);
  const scale = Math.sqrt(sum((i) => (xs[i]! - mx) ** 2) * sum((i) => (ys[i]! - my) ** 2));
  return scale === 0 ? 0 : sum((i) => (xs[i]! - mx) * (ys[i]! - my)) / scale;
};

/** Mean correlation of value and true quality over groups of G, and how often the best value is the best response. */
const simulate = async (size: number, options: GroupOptions, { groups = 250, scale = SCALE } = {}) => {
  const normal = normals(size);
  const totals = { corr: 0, top: 0, calls: 0, right: 0, decided: 0, spread: 0 };
  for (let group = 0; group < groups; group++) {
    const quality = Array.from({ length: size }, normal);
    const judge = simulatedJudge({ quality: (text) => quality[Number(text)]!, scale, orderBias: ORDER_BIAS, seed: 1 });
    const responses = quality.map((_, i) => String(i));
    const scores = await scoreGroup(judge, { question: [], responses, id: String(group) }, options);
    const values = scores.rewards.map(({ value }) => value!);
    totals.corr += correlation(values, quality) / groups;
    totals.top += (values.indexOf(Math.max(...values)) === quality.indexOf(Math.max(...quality)) ? 1 : 0) / groups;
    totals.calls += scores.calls / groups;
    totals.spread += scores.spread! / groups;
    for (const { pair, p } of scores.comparisons) {
      const [a, b] = pair.map((item) => quality[item.kind === "response" ? item.index : NaN]!) as [number, number];
      totals.right += (p === 1) === a > b ? 1 : 0;
      totals.decided += 1;
    }
  }
  return { ...totals, accuracy: totals.right / totals.decided };
};

/** Every pair of another schedule, in both orders. */
const bothOrders = ({ name, pairs }: Schedule): Schedule =>
  defineSchedule({
    name: `${name}-both`,
    pairs: (size, random) =>
      pairs(size, random).flatMap(({ first, second }) => [
        { first, second },
        { first: second, second: first },
      ]),
  });

describe("groups of eight", () => {
  test("the judge is as good as in the published table", async () => {
    expect((await simulate(8, { preset: "exact" }, { groups: 60 })).accuracy).toBeCloseTo(0.745, 1);
  });

  // The table's correlations over many more groups: .46-.57, .54, .67, .70, .705, .77, .88. Ours have a standard error
  // of about .015 each.
  test("correlations lie where they should, in the order of the table", async () => {
    const [fast, circle, both, balanced, swiss, three, exact] = await Promise.all([
      simulate(8, { preset: "fast" }),
      simulate(8, { schedule: circulant({ m: 1 }) }),
      simulate(8, { schedule: bothOrders(circulant({ m: 1 })) }),
      simulate(8, { preset: "balanced" }),
      simulate(8, { preset: "swiss" }),
      simulate(8, { schedule: circulant({ m: 3 }) }),
      simulate(8, { preset: "exact" }),
    ]);
    expect([fast, circle, both, balanced, swiss, three, exact].map(({ calls }) => Math.round(calls))).toEqual([
      7, 8, 16, 16, 16, 24, 56,
    ]);
    expect(fast.corr).toBeGreaterThan(0.4);
    expect(circle.corr).toBeCloseTo(0.56, 1);
    expect(balanced.corr).toBeCloseTo(0.7, 1);
    expect(three.corr).toBeCloseTo(0.77, 1);
    expect(exact.corr).toBeGreaterThan(0.85);
    // As many calls on new pairs tell more than the same pairs in both orders.
    expect(balanced.corr).toBeGreaterThan(both.corr);
    expect(swiss.corr).toBeGreaterThan(both.corr);
    expect(circle.corr).toBeLessThan(both.corr);
    expect(three.corr).toBeGreaterThan(balanced.corr);
    expect(exact.corr).toBeGreaterThan(three.corr);
    expect(exact.top).toBeGreaterThan(balanced.top);
    expect(swiss.top).toBeGreaterThan(both.top);
  });

  test("a judge that cannot see quality gives the spread of noise, and correlates with nothing", async () => {
    const blind = await simulate(8, { preset: "balanced" }, { scale: 0 });
    const seeing = await simulate(8, { preset: "balanced" });
    expect(Math.abs(blind.corr)).toBeLessThan(0.1);
    expect(blind.spread).toBeCloseTo(0.68, 1);
    expect(seeing.spread).toBeGreaterThan(blind.spread + 0.1);
  });

  test("on a large group the order bias is recovered within its standard error, and so are the strengths", () => {
    const items = 48;
    const normal = normals(5);
    const { uint32 } = randomStream(6);
    const quality = Array.from({ length: items }, normal);
    const games = schedules.exact.pairs({ responses: items, fixed: 0 }, randomStream(0)).map(({ first, second }) => {
      const firstWins = uint32() / 2 ** 32 < 1 / (1 + Math.exp(-(quality[first]! - quality[second]!) - ORDER_BIAS));
      return { i: first, j: second, p: firstWins ? 1 : 0, first } satisfies PairOutcome;
    });
    const fit = bradleyTerry(games);
    expect(Math.abs(fit.orderBias - ORDER_BIAS)).toBeLessThan(2.5 * fit.orderBiasStandardError);
    expect(fit.orderBiasStandardError).toBeLessThan(0.06);
    const mean = quality.reduce((a, b) => a + b, 0) / items;
    const off = quality.map((value, i) => (fit.strengths[i]! - (value - mean)) / fit.standardErrors[i]!);
    // Standardised errors have variance 1; the prior pulls a little.
    const rms = Math.sqrt(off.reduce((sum, value) => sum + value * value, 0) / items);
    expect(rms).toBeGreaterThan(0.6);
    expect(rms).toBeLessThan(1.5);
  });

  test("95 % intervals of strength cover the truth as often as they should when the prior holds", () => {
    const normal = normals(11);
    const { uint32 } = randomStream(12);
    let covered = 0;
    let total = 0;
    for (let group = 0; group < 200; group++) {
      const quality = Array.from({ length: 8 }, normal);
      const mean = quality.reduce((a, b) => a + b, 0) / 8;
      const bias = normal();
      const games = schedules.balanced.pairs({ responses: 8, fixed: 0 }, randomStream(0)).map(({ first, second }) => {
        const wins = uint32() / 2 ** 32 < 1 / (1 + Math.exp(-(quality[first]! - quality[second]!) - bias));
        return { i: first, j: second, p: wins ? 1 : 0, first };
      });
      const fit = bradleyTerry(games);
      quality.forEach((value, i) => {
        covered += Math.abs(fit.strengths[i]! - (value - mean)) < 1.96 * fit.standardErrors[i]! ? 1 : 0;
        total += 1;
      });
    }
    expect(covered / total).toBeGreaterThan(0.92);
    expect(covered / total).toBeLessThan(0.98);
  });
});

test("groups of sixteen: the same order", async () => {
  const options = { groups: 80 };
  const circle = await simulate(16, { schedule: circulant({ m: 1 }) }, options);
  const balanced = await simulate(16, { preset: "balanced" }, options);
  const exact = await simulate(16, { preset: "exact" }, { groups: 25 });
  expect([circle.calls, balanced.calls, exact.calls].map(Math.round)).toEqual([16, 32, 240]);
  expect(circle.corr).toBeCloseTo(0.54, 1);
  expect(balanced.corr).toBeCloseTo(0.7, 1);
  expect(exact.corr).toBeGreaterThan(0.9);
});
