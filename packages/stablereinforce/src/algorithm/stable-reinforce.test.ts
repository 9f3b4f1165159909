import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../engine/index.ts";
import { lossRunner, type LossRows, type LossRunner } from "../testing/loss-runner.ts";
import {
  cutOutliers,
  filterAdvantages,
  kl,
  logBounds,
  losses,
  moments,
  presets,
  reinforceReturns,
  stableReinforce,
  standardise,
  tokenRewards,
  type Scored,
} from "./index.ts";
import { oracleFilter, oracleLoss, oracleReturns } from "./stable-reinforce.oracle.ts";

const rows = (...xs: number[][]): Float64Array[] => xs.map((x) => Float64Array.from(x));
const plain = (xs: readonly Float64Array[]): number[][] => xs.map((x) => [...x]);
const repeat = (n: number, x: number): number[][] => Array.from({ length: n }, () => [x]);
const flat = (xs: readonly Float64Array[]): number[] => xs.flatMap((x) => [...x]);
const scored = (reward: number, logpOld: number[], logpRef?: number[]): Scored => ({
  group: "g",
  reward,
  logpOld,
  logpRef,
});

describe("golden vectors: advantages", () => {
  it("Pre-CLIP bounds are ±ln 1000", () => {
    expect(logBounds()).toEqual([-6.907755278982137, 6.907755278982137]);
  });

  // 255 ones and a zero: μ = 255/256, σ = √(255)/256 = 0.0623778102, z = (1 − μ)/σ = 1/√255 and −√255.
  it("one failure in 256 is 16σ away, and filtered", () => {
    const batch = rows(...repeat(255, 1), [0]);
    const { mean, std } = moments(batch);
    expect(mean).toBe(0.99609375);
    expect(std).toBeCloseTo(0.0623778102, 10);
    const z = flat(standardise(batch));
    expect(z[0]).toBeCloseTo(0.0626224291, 10);
    expect(z[255]).toBeCloseTo(-15.9687194227, 9);
    expect(flat(filterAdvantages(batch)).at(-1)).toBe(0);
    expect(flat(filterAdvantages(batch))[0]).toBeCloseTo(0.0626224291, 10);
  });

  // μ = 1.7, σ² = 0.8·0.09 + 0.2·1.44 = 0.36; z = 0.5 and −2.
  it("a fifth of failures is kept", () => {
    const z = flat(filterAdvantages(rows(...repeat(80, 2), ...repeat(20, 0.5))));
    expect(z[0]).toBeCloseTo(0.5, 12);
    expect(z[99]).toBeCloseTo(-2, 12);
  });

  // p = 0.05: z = √(p/(1−p)) and −√((1−p)/p) = −√19.
  it("a twentieth of failures is filtered", () => {
    const batch = rows(...repeat(95, 2), ...repeat(5, 0.5));
    expect(moments(batch).std).toBeCloseTo(0.3269174208, 10);
    const z = flat(standardise(batch));
    expect(z[0]).toBeCloseTo(0.2294157339, 10);
    expect(z[99]).toBeCloseTo(-4.3588989435, 10);
    expect(flat(filterAdvantages(batch))[99]).toBe(0);
  });

  // p = 0.1 is the boundary: z = −√(0.9/0.1) = −3, kept because the rule is |z| ≤ 3. p = 1/11: −√10 = −3.1622776602.
  it("|z| = 3 is kept, a little more is not", () => {
    for (const scale of [1, 0.1, 1 / 3, 7e5]) {
      const z = flat(filterAdvantages(rows(...repeat(9, scale), [0])));
      expect(z[9]).toBeCloseTo(-3, 9);
    }
    const batch = rows(...repeat(10, 1), [0]);
    expect(flat(standardise(batch))[10]).toBeCloseTo(-3.1622776602, 10);
    expect(flat(filterAdvantages(batch))[10]).toBe(0);
    // 3 of 31: √(28/3) = 3.055
    expect(flat(filterAdvantages(rows(...repeat(28, 1), ...repeat(3, 0))))[30]).toBe(0);
  });

  it("equal advantages give exactly 0, whatever their size", () => {
    for (const x of [0, 0.1, 2.3, -1e9, 1e-12, 1e15]) {
      expect(new Set(flat(filterAdvantages(rows([x, x, x], [x, x], [x])))), String(x)).toEqual(new Set([0]));
    }
  });

  // β·k1 = 0.01·[0.1, 0.2, 0, 0.3]; reward 2 at the end. γ = 1: sums from the end. γ = 0.9: 1.997, 0.9·1.997 + 0, …
  it("token rewards and returns with KL in the reward", () => {
    const one = scored(2, [-1, -1, -1, -1], [-1.1, -1.2, -1, -1.3]);
    const close = (got: ArrayLike<number> | undefined, want: number[]) =>
      want.forEach((w, i) => expect(got?.[i]).toBeCloseTo(w, 12));
    close(tokenRewards(one, { klCoef: 0.01 }), [-0.001, -0.002, 0, 1.997]);
    close(reinforceReturns([one], { klCoef: 0.01 })[0], [1.994, 1.995, 1.997, 1.997]);
    close(reinforceReturns([one], { klCoef: 0.01, gamma: 0.9 })[0], [1.453013, 1.61557, 1.7973, 1.997]);
  });

  // d = [0.2, −0.1, 0]; k3 = e^(−d) − 1 + d.
  it("KL estimators", () => {
    const d = [-1 - -1.2, -0.5 - -0.4, -2 - -2];
    const of = (f: (d: number) => number): number[] => d.map((x) => Number(f(x).toFixed(10)) + 0);
    expect(of(kl.k1.value)).toEqual([0.2, -0.1, 0]);
    expect(of(kl.k2.value)).toEqual([0.02, 0.005, 0]);
    expect(of(kl.k3.value)).toEqual([0.0187307531, 0.0051709181, 0]);
    expect(kl.k3.value(-800)).toBeCloseTo(Math.exp(20) - 21, 0);
    expect(kl.k3.value(800)).toBeCloseTo(19, 6);
  });

  // 0.2·(1 + clip(current/6 − 1, ±0.2)·256/10000): 12 → +0.2, 3 → −0.2, 6.3 → +0.05.
  it("adaptive KL coefficient", () => {
    const controller = kl.adaptive({ initial: 0.2, target: 6 });
    expect(controller.next(0.2, 12, 256)).toBeCloseTo(0.201024, 12);
    expect(controller.next(0.2, 3, 256)).toBeCloseTo(0.198976, 12);
    expect(controller.next(0.2, 6.3, 256)).toBeCloseTo(0.200256, 12);
    expect(kl.fixed(0.2).next(0.2, 12, 256)).toBe(0.2);
    expect(() => controller.next(0.2, Number.NaN, 256)).toThrow(/observed KL/);
  });
});

describe("advantages: properties", () => {
  const number = fc.double({ min: -50, max: 50, noNaN: true });
  const ragged = fc.array(fc.array(number, { maxLength: 6 }), { minLength: 1, maxLength: 12 });

  it("agree with the oracle in plain loops", () => {
    const away = (xs: number[][], sigmas: number): boolean => {
      const z = flat(standardise(rows(...xs)));
      return moments(rows(...xs)).std > 1e-6 && z.every((x) => Math.abs(Math.abs(x) - sigmas) > 1e-4);
    };
    fc.assert(
      fc.property(ragged, fc.constantFrom(3, 1, 1.5), (xs, sigmas) => {
        fc.pre(xs.some((x) => x.length > 0) && away(xs, sigmas));
        const want = oracleFilter(xs, sigmas);
        filterAdvantages(rows(...xs), sigmas).forEach((row, n) =>
          row.forEach((a, t) => expect(a).toBeCloseTo(want[n]?.[t] as number, 7)),
        );
      }),
    );
  });

  it("returns agree with the oracle in plain loops", () => {
    const rollout = fc.record({ reward: number, pairs: fc.array(fc.tuple(number, number), { maxLength: 8 }) });
    fc.assert(
      fc.property(fc.array(rollout), fc.constantFrom(0, 0.01, 1), fc.constantFrom(1, 0.9, 0), (xs, klCoef, gamma) => {
        const batch = xs.map(({ reward, pairs }) => ({
          ...{ group: "g", reward },
          logpOld: pairs.map(([a]) => a),
          logpRef: pairs.map(([, b]) => b),
        }));
        const want = oracleReturns(batch, klCoef, gamma);
        reinforceReturns(batch, { klCoef, gamma }).forEach((row, n) =>
          row.forEach((g, t) => expect(g).toBeCloseTo(want[n]?.[t] as number, 8)),
        );
      }),
    );
  });

  it("shifting or scaling all rewards changes nothing", () => {
    fc.assert(
      fc.property(
        ragged,
        fc.double({ min: -100, max: 100, noNaN: true }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (xs, a, k) => {
          fc.pre(moments(rows(...xs)).std > 1e-3);
          const before = flat(standardise(rows(...xs)));
          const after = flat(standardise(rows(...xs.map((x) => x.map((r) => k * r + a)))));
          before.forEach((z, i) => expect(after[i]).toBeCloseTo(z, 6));
        },
      ),
    );
  });

  it("the cut is idempotent and never enlarges", () => {
    fc.assert(
      fc.property(ragged, (xs) => {
        const once = cutOutliers(rows(...xs));
        expect(plain(cutOutliers(once))).toEqual(plain(once));
        for (const a of flat(once)) expect(Math.abs(a)).toBeLessThanOrEqual(3 + 1e-6);
      }),
    );
  });

  it("inputs are left as they were", () => {
    const batch = rows([1, 2], [30]);
    filterAdvantages(batch);
    expect(plain(batch)).toEqual([[1, 2], [30]]);
  });
});

describe("advantages: hostile inputs", () => {
  it("NaN and Inf are refused and named, never filtered away", () => {
    expect(() => filterAdvantages(rows([1], [2, Number.NaN]))).toThrow(
      /advantages\[1\]\[1\]: expected a finite number, got NaN/,
    );
    expect(() => filterAdvantages(rows([Infinity]))).toThrow(/advantages\[0\]\[0\]/);
    expect(() => reinforceReturns([scored(Number.NaN, [0])])).toThrow(/batch\[0\].reward/);
    expect(() => reinforceReturns([scored(1, [0, Number.NaN], [0, 0])], { klCoef: 1 })).toThrow(/logpOld\[1\]/);
    expect(() => reinforceReturns([scored(1, [0, 0], [0])], { klCoef: 1 })).toThrow(
      /logpRef: expected 2 numbers, got 1/,
    );
    expect(() => reinforceReturns([scored(1, [0, 0])], { klCoef: 1 })).toThrow(/expected logpRef/);
    expect(() => filterAdvantages(rows([1]), Number.NaN)).toThrow(/sigmas/);
    expect(() => reinforceReturns([scored(1, [0])], { gamma: 1.1 })).toThrow(/gamma: expected a number from 0 to 1/);
    expect(() => reinforceReturns([scored(1, [0])], {}, { klCoef: -1 })).toThrow(/klCoef/);
  });

  it("empty batches and empty replies", () => {
    expect(filterAdvantages([])).toEqual([]);
    expect(plain(filterAdvantages(rows([], [])))).toEqual([[], []]);
    expect(plain(reinforceReturns([scored(1, [])]))).toEqual([[]]);
  });

  it("rewards are clipped to ±10 as released, or as told", () => {
    expect(plain(reinforceReturns([scored(99, [0]), scored(-99, [0])]))).toEqual([[10], [-10]]);
    expect(plain(reinforceReturns([scored(99, [0])], { rewardClip: [-1, 200] }))).toEqual([[99]]);
  });
});

describe("the loss", () => {
  let engine: Engine;
  let stable: LossRunner;
  beforeAll(async () => {
    engine = await createEngine({ runtime: "tfjs-cpu" });
    stable = lossRunner(engine, stableReinforce());
  });
  afterAll(async () => engine[Symbol.asyncDispose]());

  const example: LossRows = {
    logp: [[-0.1], [-0.1], [-0.1], [-0.1]],
    logpOld: [[-10], [-0.2], [-0.2], [-5]],
    advantage: [[-1], [-1], [0.5], [-0.5]],
    mask: [[1], [1], [1], [1]],
  };

  // Section 3.1. e^9.9 = 19930.370438 without Pre-CLIP, 1000 with it; e^0.1 = 1.105171; 0.5·e^0.1, below 1.2, so not
  // clipped; 0.5·e^4.9 = 67.144890, which no clip touches because Â < 0 and 4.9 < ln 1000.
  it("the paper's example, with and without Pre-CLIP", async () => {
    const { loss, gradient, stats } = await stable.run(example);
    expect(loss).toBeCloseTo(266.924368, 3);
    const want = [0, 1.105171, -0.552585, 67.14489];
    want.forEach((g, i) => expect((gradient[i]?.[0] as number) * 4).toBeCloseTo(g, 4));
    expect(stats).toMatchObject({ tokens: 4, preClipped: 0.25, nonFinite: 0, clipped: 0 });
    expect(stats.ratioMax).toBeCloseTo(1000, 2);
    expect(stats.logRatioMax).toBeCloseTo(9.9, 5);
    const bare = lossRunner(engine, losses.ppo({ preClip: "none" }));
    const without = await bare.run(example);
    expect(Math.abs(without.loss - 4999.516978)).toBeLessThan(0.01);
    expect(Math.abs((without.gradient[0]?.[0] as number) * 4 - 19930.370438)).toBeLessThan(0.05);
    expect(without.stats.preClipped).toBe(0);
    await bare.dispose();
  });

  // log-ratios 0.5, −0.5, 0.1, −8, 0 and one that is masked. Clipped: 0.5 with Â > 0 and −0.5 with Â < 0; −8 has Â > 0.
  it("stats by hand", async () => {
    const { stats } = await stable.run({
      logp: [
        [-0.5, -1.5, -0.9],
        [-9, -1, 7],
      ],
      logpOld: [
        [-1, -1, -1],
        [-1, -1, -1],
      ],
      advantage: [
        [1, -1, 1],
        [1, 0, 1],
      ],
      mask: [
        [1, 1, 1],
        [1, 1, 0],
      ],
    });
    expect(stats.tokens).toBe(5);
    expect(stats.clipped).toBeCloseTo(2 / 5, 6);
    expect(stats.preClipped).toBeCloseTo(1 / 5, 6);
    expect(stats.zeroAdvantage).toBeCloseTo(1 / 5, 6);
    expect(stats.ratioMin).toBeCloseTo(1e-3, 6);
    expect(stats.ratioMax).toBeCloseTo(Math.exp(0.5), 5);
    expect(stats.logRatioMax).toBeCloseTo(8, 5);
    expect(stats.klOld).toBeCloseTo(-(0.5 - 0.5 + 0.1 - 8 + 0) / 5, 5);
  });

  it("agrees with the oracle in plain loops, value and gradient", async () => {
    const gap = fc.oneof(fc.double({ min: -1, max: 1, noNaN: true }), fc.double({ min: -900, max: 900, noNaN: true }));
    const token = fc.record({
      old: fc.double({ min: -20, max: 0, noNaN: true }),
      gap,
      a: fc.double({ min: -3, max: 3, noNaN: true }),
    });
    const batch = fc.array(fc.tuple(fc.array(token, { minLength: 5, maxLength: 5 }), fc.integer({ min: 0, max: 5 })), {
      minLength: 3,
      maxLength: 3,
    });
    const kinks = [Math.log(0.8), Math.log(1.2), ...logBounds()];
    await fc.assert(
      fc.asyncProperty(batch, async (made) => {
        const x = {
          logp: made.map(([row]) => row.map(({ old, gap: d }) => Math.fround(Math.fround(old) + Math.fround(d)))),
          logpOld: made.map(([row]) => row.map(({ old }) => Math.fround(old))),
          advantage: made.map(([row]) => row.map(({ a }) => Math.fround(a))),
          mask: made.map(([row, n]) => row.map((_, t) => (t < n ? 1 : 0))),
        };
        const gaps = x.logp.flatMap((row, b) => row.map((l, t) => l - (x.logpOld[b]?.[t] as number)));
        fc.pre(gaps.every((d) => kinks.every((kink) => Math.abs(d - kink) > 1e-4)));
        const [got, want] = [await stable.run(x), oracleLoss(x, [0.2, 1e-3, 1e3])];
        expect(Math.abs(got.loss - want.loss)).toBeLessThan(2e-4 * Math.max(1, Math.abs(want.loss)));
        want.gradient.forEach((row, b) =>
          row.forEach((g, t) =>
            expect(Math.abs((got.gradient[b]?.[t] as number) - g)).toBeLessThan(2e-4 * Math.max(1e-3, Math.abs(g))),
          ),
        );
      }),
      { numRuns: 150 },
    );
  });

  it("ρ stays within its bounds, whatever comes", async () => {
    const anything = fc.double({ min: -3e38, max: 3e38, noNaN: false });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(anything, anything), { minLength: 4, maxLength: 4 }), async (pairs) => {
        const { loss, stats, gradient } = await stable.run({
          logp: pairs.map(([a]) => [a]),
          logpOld: pairs.map(([, b]) => [b]),
          advantage: [[1], [-1], [0.5], [-0.5]],
          mask: [[1], [1], [1], [1]],
        });
        expect(stats.ratioMin).toBeGreaterThanOrEqual(1e-3 * (1 - 1e-5));
        expect(stats.ratioMax).toBeLessThanOrEqual(1e3 * (1 + 1e-5));
        expect(Number.isFinite(loss) && gradient.flat().every(Number.isFinite)).toBe(true);
      }),
    );
  });

  it("±800 nats: the loss is bounded by δ_max·|Â|, the gradient 0", async () => {
    const rows800 = {
      logp: [[0], [-800], [0], [-800]],
      logpOld: [[-800], [0], [-800], [0]],
      mask: [[1], [1], [1], [1]],
    };
    const { loss, gradient } = await stable.run({ ...rows800, advantage: [[1], [1], [-1], [-1]] });
    // A > 0: −min(1000, 1.2) and −min(0.001, 0.8); A < 0: 1000 and max(0.001, 0.8): (−1.2 − 0.001 + 1000 + 0.8)/4
    expect(loss).toBeCloseTo(249.89975, 3);
    expect(gradient.flat().every((g) => g === 0)).toBe(true);
  });
});

describe("presets", () => {
  it("hold the published settings", () => {
    expect(presets.paper.run).toMatchObject({ learningRate: 1e-6, episodes: 5, rolloutBatch: 256, trainBatch: 128 });
    expect(presets.script.run).toMatchObject({ learningRate: 3e-7, episodes: 1, samplesPerPrompt: 1 });
    expect([presets.paper, presets.script, presets.reference].map((r) => r.klController.initial)).toEqual([
      0, 1e-3, 1e-3,
    ]);
  });

  it("take the KL coefficient of the step before their own", () => {
    const one = scored(2, [-1, -1], [-2, -1]);
    expect(plain(presets.paper.estimate([one]))).toEqual([[2, 2]]);
    expect(plain(presets.script.estimate([one]))[0]?.[0]).toBeCloseTo(2 - 1e-3, 12);
    expect(plain(presets.paper.estimate([one], { klCoef: 0.5 }))).toEqual([[1.5, 2]]);
  });
});
