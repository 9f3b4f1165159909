import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomStream } from "../evaluate/random.ts";
import { defineSchedule, type PlannedPair, type Schedule } from "./schedule.ts";
import { circulant, schedules, swiss } from "./schedules.ts";

const pairsOf = (schedule: Schedule, responses: number, fixed = 0, seed = 0): readonly PlannedPair[] =>
  schedule.pairs({ responses, fixed }, randomStream(seed));
const unordered = ({ first, second }: PlannedPair): string => [first, second].sort((a, b) => a - b).join();
const ordered = ({ first, second }: PlannedPair): string => `${first},${second}`;
const count = <T>(values: readonly T[], one: T): number => values.filter((value) => value === one).length;

describe("circulant", () => {
  test("is what it says for a group of five", () => {
    expect(pairsOf(circulant({ m: 2 }), 5).map(ordered)).toEqual(
      ["0,1", "1,2", "2,3", "3,4", "4,0"].concat(["0,2", "1,3", "2,4", "3,0", "4,1"]),
    );
  });

  test.each([
    [0, []],
    [1, []],
    [2, ["0,1", "1,0"]], // both orders of the one pair
    [3, ["0,1", "1,2", "2,0"]], // all three pairs, and everyone is first once
    [4, ["0,1", "1,2", "2,3", "3,0", "0,2", "1,3", "2,0", "3,1"]], // the diagonals in both orders, for balance
  ])("does not repeat itself in a group of %d", (size, expected) => {
    expect(pairsOf(schedules.balanced, size).map(ordered)).toEqual(expected);
  });

  test("everyone is first as often as second, and no pair comes twice in one order", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 2, max: 40 }), (m, size) => {
        const pairs = pairsOf(circulant({ m }), size);
        expect(pairs).toHaveLength(Math.min(m, Math.floor(size / 2)) * size);
        expect(new Set(pairs.map(ordered)).size).toBe(pairs.length);
        if (size > 2 * m) expect(new Set(pairs.map(unordered)).size).toBe(pairs.length);
        for (let item = 0; item < size; item++) {
          expect(
            count(
              pairs.map(({ first }) => first),
              item,
            ),
          ).toBe(
            count(
              pairs.map(({ second }) => second),
              item,
            ),
          );
        }
      }),
    );
  });

  test("repeats a share in the other order, to measure flips", () => {
    const pairs = pairsOf(schedules.quality, 8);
    const monitors = pairs.filter(({ monitor }) => monitor);
    expect([pairs.length, monitors.length]).toEqual([27, 3]);
    for (const { first, second } of monitors) expect(pairs.map(ordered)).toContain(`${second},${first}`);
    expect(new Set(monitors.map(unordered)).size).toBe(3);
    const others = pairsOf(schedules.quality, 8, 0, 1).filter(({ monitor }) => monitor);
    expect(others.map(ordered)).not.toEqual(monitors.map(ordered));
  });

  test("meets fixed items in both orders", () => {
    const pairs = pairsOf(schedules.balanced, 3, 1).filter(({ first, second }) => first === 3 || second === 3);
    expect(pairs.map(ordered).sort()).toEqual(["0,3", "1,3", "2,3", "3,0", "3,1", "3,2"]);
  });
});

describe("the others", () => {
  test("fast: everyone against the first, or against the reference", () => {
    expect(pairsOf(schedules.fast, 5).map(ordered)).toEqual(["0,1", "2,0", "0,3", "4,0"]);
    expect(pairsOf(schedules.fast, 4, 1).map(ordered)).toEqual(["0,4", "4,1", "2,4", "4,3"]);
    expect(pairsOf(schedules.fast, 1)).toEqual([]);
    expect(pairsOf(schedules.fast, 0)).toEqual([]);
  });

  test("exact: every ordered pair", () => {
    const pairs = pairsOf(schedules.exact, 6);
    expect([pairs.length, new Set(pairs.map(ordered)).size]).toEqual([30, 30]);
  });

  test("swiss: neighbours meet, nobody twice while there is someone new", () => {
    const schedule = swiss({ rounds: 3 });
    const size = { responses: 6, fixed: 0 };
    const strengths = [0.1, 0.6, 0.5, 0.2, 0.4, 0.3];
    const outcomes: (PlannedPair & { p: number | null })[] = pairsOf(schedule, 6).map((pair) => ({ ...pair, p: 1 }));
    expect(outcomes.map(ordered)).toEqual(["0,1", "2,3", "4,5"]);
    const second = schedule.next!({ size, round: 1, outcomes, strengths }, randomStream(0));
    // Ranking 1, 2, 4, 5, 3, 0: 1 meets 2; 4 met 5, so it meets 3; 5 meets 0.
    expect(second.map(unordered)).toEqual(["1,2", "3,4", "0,5"]);
    // 1 and 3 were second before, 4 was first: balance decides the order.
    expect(ordered(second[0]!)).toBe("1,2");
    expect(ordered(second[1]!)).toBe("3,4");
    outcomes.push(...second.map((pair) => ({ ...pair, p: 0 })));
    const third = schedule.next!({ size, round: 2, outcomes, strengths }, randomStream(0));
    expect(new Set([...outcomes, ...third].map(unordered)).size).toBe(9);
    expect(schedule.next!({ size, round: 3, outcomes, strengths }, randomStream(0))).toEqual([]);
  });

  test("swiss: with an odd number the weakest of those who met most sits out", () => {
    const schedule = swiss({ rounds: 2 });
    const outcomes = pairsOf(schedule, 3).map((pair) => ({ ...pair, p: 1 }));
    const state = { size: { responses: 3, fixed: 0 }, round: 1, outcomes, strengths: [1, -1, 0] };
    expect(schedule.next!(state, randomStream(0)).map(unordered)).toEqual(["0,2"]);
  });

  test("two responses meet in both orders at most, however many rounds there are", () => {
    const size = { responses: 2, fixed: 0 };
    const one = pairsOf(schedules.swiss, 2).map((pair) => ({ ...pair, p: 1 }));
    const two = schedules.swiss.next!({ size, round: 1, outcomes: one, strengths: [1, -1] }, randomStream(0));
    expect([...one, ...two].map(ordered)).toEqual(["0,1", "1,0"]);
    const outcomes = [...one, ...two.map((pair) => ({ ...pair, p: 1 }))];
    expect(schedules.swiss.next!({ size, round: 2, outcomes, strengths: [1, -1] }, randomStream(0))).toEqual([]);
  });

  test.each([
    () => circulant({ m: 0 }),
    () => circulant({ m: 1.5 }),
    () => circulant({ m: 1, monitor: NaN }),
    () => swiss({ rounds: 0 }),
    () => defineSchedule({ name: "", pairs: () => [] }),
    () => defineSchedule({ name: "x", pairs: undefined as never }),
  ])("refuses what cannot work", (make) => {
    expect(make).toThrow(expect.objectContaining({ code: "R1_CONFIG" }));
  });
});
