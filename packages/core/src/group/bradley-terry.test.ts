import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bradleyTerry, type BradleyTerryFit, type PairOutcome } from "./bradley-terry.ts";

/** The same objective, minimised by plain gradient descent from 0 with a fixed step: no Newton, no Cholesky. */
const gradientDescent = (items: number, outcomes: readonly PairOutcome[], priorSd = 1, orderPriorSd = 1) => {
  const theta = new Array<number>(items).fill(0);
  let gamma = 0;
  const total = outcomes.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const step = 1 / (1 / priorSd ** 2 + 1 / orderPriorSd ** 2 + total);
  for (let round = 0; round < 60_000; round++) {
    const slope = theta.map((value) => value / priorSd ** 2);
    let slopeGamma = gamma / orderPriorSd ** 2;
    for (const { i, j, p, first, weight = 1 } of outcomes) {
      if (p === null) continue;
      const order = first === undefined ? 0 : first === i ? 1 : -1;
      const off = weight * (1 / (1 + Math.exp(-(theta[i]! - theta[j]! + gamma * order))) - p);
      slope[i]! += off;
      slope[j]! -= off;
      slopeGamma += off * order;
    }
    for (let item = 0; item < items; item++) theta[item]! -= step * slope[item]!;
    gamma -= step * slopeGamma;
  }
  return { theta, gamma };
};

const numbersOf = (fit: BradleyTerryFit): number[] => [
  ...fit.strengths,
  ...fit.standardErrors,
  ...fit.covariance.flat(),
  fit.orderBias,
  fit.orderBiasStandardError,
];

const ITEMS = 6;
const outcome: fc.Arbitrary<PairOutcome> = fc
  .record({
    i: fc.nat(ITEMS - 1),
    step: fc.integer({ min: 1, max: ITEMS - 1 }),
    p: fc.oneof(fc.constantFrom(0, 1, 0.5, null), fc.double({ min: 0, max: 1, noNaN: true })),
    order: fc.constantFrom("i", "j", "none"),
    weight: fc.constantFrom(0, 0.5, 1, 3),
  })
  .map(({ i, step, p, order, weight }) => {
    const j = (i + step) % ITEMS;
    return { i, j, p, weight, ...(order === "none" ? {} : { first: order === "i" ? i : j }) };
  });
const outcomes = fc.array(outcome, { maxLength: 30 });

describe("golden numbers", () => {
  test("two items, one side always wins", () => {
    // θ = (x, −x) by symmetry, and at the mode x/τ² = w·σ(−2x). With 2x = ln 3, σ(−ln 3) = 1/4, so w = 4·(ln 3)/2 = 2 ln 3.
    const fit = bradleyTerry([{ i: 0, j: 1, p: 1, weight: 2 * Math.log(3) }]);
    expect(fit.strengths[0]).toBeCloseTo(Math.log(3) / 2, 12);
    expect(fit.strengths[1]).toBeCloseTo(-Math.log(3) / 2, 12);
    // Along (1, −1)/√2 the Hessian is 1/τ² + 2·w·σ(1−σ) = 1 + 2·2 ln 3·3/16 = 1 + (3/4) ln 3; θ_0 = coordinate/√2.
    expect(fit.standardErrors[0]).toBeCloseTo(Math.sqrt(0.5 / (1 + 0.75 * Math.log(3))), 12);
    expect(fit.converged).toBe(true);
  });

  test("two items, whoever comes first wins: order bias and no strength", () => {
    // Both comparisons have d = γ and p = 1 for the first: γ/τ_γ² = 2w·σ(−γ). With γ = ln 3: w = (ln 3)/2·4 = 2 ln 3.
    const weight = 2 * Math.log(3);
    const fit = bradleyTerry([
      { i: 0, j: 1, p: 1, first: 0, weight },
      { i: 0, j: 1, p: 0, first: 1, weight },
    ]);
    expect(fit.orderBias).toBeCloseTo(Math.log(3), 12);
    expect(fit.strengths.every((value) => Math.abs(value) < 1e-12)).toBe(true);
    // Strength and order do not mix (their cross terms cancel): Hessian of γ is 1 + 2w·3/16 = 1 + (3/4) ln 3.
    expect(fit.orderBiasStandardError).toBeCloseTo(1 / Math.sqrt(1 + 0.75 * Math.log(3)), 12);
  });

  test("without comparisons every strength is 0 and as uncertain as the prior says", () => {
    const fit = bradleyTerry([], { items: 4, priorSd: 2 });
    expect(fit.strengths).toEqual([0, 0, 0, 0]);
    // A centred strength is θ_i less the mean of G independent ones: variance τ²(1 − 1/G) = 4·3/4.
    for (const error of fit.standardErrors) expect(error).toBeCloseTo(Math.sqrt(3), 12);
    expect(fit).toMatchObject({ orderBias: 0, orderBiasStandardError: 1, comparisons: 0, converged: true });
    expect(bradleyTerry([])).toMatchObject({ strengths: [], orderBias: 0, converged: true });
  });

  test("a bias held at 0 stays there", () => {
    const fit = bradleyTerry([{ i: 0, j: 1, p: 1, first: 0 }], { orderPriorSd: 0 });
    expect(fit).toMatchObject({ orderBias: 0, orderBiasStandardError: 0 });
    expect(fit.strengths[0]).toBeGreaterThan(0);
  });
});

describe("against gradient descent", () => {
  test.each([
    [1, 1],
    [3, 0.4],
    [0.5, 2],
  ])("priors %d and %d", (priorSd, orderPriorSd) => {
    const games: PairOutcome[] = [];
    for (let n = 0; n < 24; n++) {
      const i = n % 5;
      const j = (i + 1 + ((n * 7) % 4)) % 5;
      games.push({ i, j, p: [1, 0, 0.5, 0.8, null][n % 5]!, first: n % 3 === 0 ? i : j, weight: 1 + (n % 2) });
    }
    const fit = bradleyTerry(games, { priorSd, orderPriorSd });
    const { theta, gamma } = gradientDescent(5, games, priorSd, orderPriorSd);
    theta.forEach((value, item) => expect(fit.strengths[item]).toBeCloseTo(value, 8));
    expect(fit.orderBias).toBeCloseTo(gamma, 8);
  });
});

describe("properties", () => {
  test("permuting the items permutes the fit", () => {
    fc.assert(
      fc.property(outcomes, fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: ITEMS }), (games, order) => {
        const moved = games.map(({ i, j, first, ...rest }) => ({
          ...rest,
          i: order[i]!,
          j: order[j]!,
          ...(first === undefined ? {} : { first: order[first]! }),
        }));
        const [before, after] = [bradleyTerry(games, { items: ITEMS }), bradleyTerry(moved, { items: ITEMS })];
        before.strengths.forEach((value, item) => expect(after.strengths[order[item]!]).toBeCloseTo(value, 8));
        before.standardErrors.forEach((value, item) =>
          expect(after.standardErrors[order[item]!]).toBeCloseTo(value, 8),
        );
        expect(after.orderBias).toBeCloseTo(before.orderBias, 8);
      }),
    );
  });

  test("saying the same from the other side changes nothing", () => {
    fc.assert(
      fc.property(outcomes, (games) => {
        const mirrored = games.map(({ i, j, p, ...rest }) => ({ ...rest, i: j, j: i, p: p === null ? null : 1 - p }));
        const [before, after] = [bradleyTerry(games, { items: ITEMS }), bradleyTerry(mirrored, { items: ITEMS })];
        before.strengths.forEach((value, item) => expect(after.strengths[item]).toBeCloseTo(value, 8));
      }),
    );
  });

  test("every comparison again in the other order with the same winner: the order bias vanishes, the order of strengths of two stays", () => {
    fc.assert(
      fc.property(outcomes, (games) => {
        const ordered = games.map((game) => ({ ...game, first: game.i }));
        const mirror = ordered.map((game) => ({ ...game, first: game.j }));
        const fit = bradleyTerry([...ordered, ...mirror], { items: ITEMS });
        const unordered = games.map(({ i, j, p, weight }) => ({ i, j, p, weight: 2 * (weight ?? 1) }));
        expect(fit.orderBias).toBeCloseTo(0, 8);
        const plain = bradleyTerry(unordered, { items: ITEMS });
        plain.strengths.forEach((value, item) => expect(fit.strengths[item]).toBeCloseTo(value, 8));
      }),
    );
  });

  test("strengths sum to 0, in each part of a disconnected graph too, and nothing is NaN", () => {
    fc.assert(
      fc.property(outcomes, (games) => {
        const twice = [
          ...games,
          ...games.map((game) => ({ ...game, i: game.i + ITEMS, j: game.j + ITEMS, first: undefined })),
        ];
        const fit = bradleyTerry(twice, { items: 2 * ITEMS });
        const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
        expect(sum(fit.strengths)).toBeCloseTo(0, 10);
        expect(sum(fit.strengths.slice(0, ITEMS))).toBeCloseTo(0, 8);
        expect(numbersOf(fit).every(Number.isFinite)).toBe(true);
        expect(fit.converged).toBe(true);
      }),
    );
  });
});

describe("hard cases", () => {
  test("one item that wins everything, with the widest prior and the largest weights", () => {
    const games = Array.from({ length: 15 }, (_, j) => ({ i: 0, j: j + 1, p: 1, first: 0, weight: 1e6 }));
    const fit = bradleyTerry(games, { priorSd: 100, orderPriorSd: 100 });
    expect(numbersOf(fit).every(Number.isFinite)).toBe(true);
    expect(fit.strengths[0]).toBeGreaterThan(Math.max(...fit.strengths.slice(1)));
    expect(fit.converged).toBe(true);
  });

  test("contradicting outcomes cancel exactly", () => {
    const fit = bradleyTerry([
      { i: 0, j: 1, p: 1 },
      { i: 0, j: 1, p: 0 },
    ]);
    expect(fit.strengths).toEqual([0, 0]);
  });

  test("uncertainty falls with every comparison", () => {
    const errors = [1, 2, 8].map(
      (n) => bradleyTerry(Array.from({ length: n }, (_, k) => ({ i: 0, j: 1, p: k % 2 }))).standardErrors[0]!,
    );
    expect(errors[0]).toBeGreaterThan(errors[1]!);
    expect(errors[1]).toBeGreaterThan(errors[2]!);
  });

  test.each([
    [{ i: 0, j: 0, p: 1 }, "comparisons[0].j"],
    [{ i: -1, j: 0, p: 1 }, "comparisons[0].i"],
    [{ i: 0, j: 9, p: 1 }, "comparisons[0].j"],
    [{ i: 0, j: 1, p: NaN }, "comparisons[0].p"],
    [{ i: 0, j: 1, p: 1.5 }, "comparisons[0].p"],
    [{ i: 0, j: 1, p: 1, first: 2 }, "comparisons[0].first"],
    [{ i: 0, j: 1, p: 1, weight: -1 }, "comparisons[0].weight"],
    [{ i: 0, j: 1, p: 1, weight: NaN }, "comparisons[0].weight"],
  ])("refuses %o", (bad, field) => {
    expect(() => bradleyTerry([bad], { items: 3 })).toThrow(field);
  });

  test.each([{ priorSd: 0 }, { priorSd: NaN }, { orderPriorSd: -1 }, { items: 1.5 }])("refuses %o", (options) => {
    expect(() => bradleyTerry([], options)).toThrow(Object.keys(options)[0]);
  });
});
