import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import { logBinomialPmf } from "./binomial.ts";
import { clusteredBootstrap, type Observation } from "./bootstrap.ts";
import golden from "./fixtures/statistics.json" with { type: "json" };
import { randomStream, xoshiro128 } from "./random.ts";
import { binomialTest, cohenKappa, mcnemar, passAtK, quantile, wilson } from "./statistics.ts";

const relative = (actual: number, expected: number): number =>
  Math.abs(actual - expected) / Math.max(Math.abs(expected), Number.MIN_VALUE);

describe("golden numbers of SciPy (fixtures/PROVENANCE.md)", () => {
  it.each(golden.binomialTest)("binomialTest $k of $n at $p", ({ k, n, p, pValue }) => {
    expect(relative(binomialTest(k, n, p), pValue)).toBeLessThan(1e-9);
  });

  it.each(golden.logPmf)("log pmf $k of $n at $p", ({ k, n, p, logp }) => {
    expect(Math.abs(logBinomialPmf(k, n, p) - logp)).toBeLessThan(1e-9);
  });

  it.each(golden.wilson)("wilson $k of $n", ({ k, n, interval }) => {
    const [low, high] = wilson(k, n)!;
    expect(low).toBeCloseTo(interval[0]!, 14);
    expect(high).toBeCloseTo(interval[1]!, 14);
  });

  it.each(golden.mcnemar)("mcnemar $b against $c", ({ b, c, pValue, midP }) => {
    expect(relative(mcnemar(b, c).pValue, pValue)).toBeLessThan(1e-10);
    expect(relative(mcnemar(b, c).midP, midP)).toBeLessThan(1e-10);
  });

  it.each(golden.passAtK)("pass@$k with $c of $n", ({ n, c, k, rate }) => {
    expect(passAtK(n, c, k)).toBeCloseTo(rate, 12);
  });

  it.each(golden.quantile)("quantile $q of $values", ({ values, q, value }) => {
    expect(quantile(values, q)).toBeCloseTo(value, 12);
  });

  it.each(golden.kappa)("kappa of $table", ({ table, kappa }) => {
    expect(cohenKappa(table)).toBeCloseTo(kappa, 14);
  });

  it("xoshiro128** from state 1, 2, 3, 4, and seeded streams", () => {
    const known = xoshiro128([1, 2, 3, 4]);
    expect(golden.xoshiro128.map(() => known.uint32())).toEqual(golden.xoshiro128);
    for (const { seed, first } of golden.stream) {
      const stream = randomStream(seed);
      expect(first.map(() => stream.uint32())).toEqual(first);
    }
  });

  it.each(golden.bootstrap.runs)("bootstrap of $resamples draws, seed $seed", ({ resamples, seed, interval }) => {
    const result = clusteredBootstrap(golden.bootstrap.observations, { resamples, seed });
    expect(result.clusters).toBe(17);
    expect(result.interval![0]).toBeCloseTo(interval[0]!, 14);
    expect(result.interval![1]).toBeCloseTo(interval[1]!, 14);
  });
});

/** Pascal's triangle: probabilities of every count, without logarithms or gamma functions. */
const pascal = (n: number, p: number): number[] => {
  let row = [1];
  for (let i = 0; i < n; i += 1) {
    const next = new Array<number>(row.length + 1).fill(0);
    for (let k = 0; k < row.length; k += 1) {
      next[k]! += row[k]! * (1 - p);
      next[k + 1]! += row[k]! * p;
    }
    row = next;
  }
  return row;
};

describe("oracles in plain loops", () => {
  it("agrees with Pascal's triangle on every count up to 40", () => {
    for (let n = 1; n <= 40; n += 1) {
      for (const p of [0.5, 0.13, 0.9]) {
        const row = pascal(n, p);
        for (let k = 0; k <= n; k += 1) {
          let pValue = 0;
          for (const mass of row) if (mass <= row[k]! * (1 + 1e-7)) pValue += mass;
          expect(binomialTest(k, n, p)).toBeCloseTo(Math.min(1, pValue), 11);
        }
      }
    }
  });

  it("pass@k is the share of k-subsets with a right sample", () => {
    const n = 7;
    for (let c = 0; c <= n; c += 1) {
      for (let k = 1; k <= n; k += 1) {
        let subsets = 0;
        let lucky = 0;
        for (let mask = 0; mask < 1 << n; mask += 1) {
          let size = 0;
          let right = 0;
          for (let i = 0; i < n; i += 1) {
            if ((mask >> i) % 2 === 0) continue;
            size += 1;
            if (i < c) right += 1;
          }
          if (size !== k) continue;
          subsets += 1;
          if (right > 0) lucky += 1;
        }
        expect(passAtK(n, c, k)).toBeCloseTo(lucky / subsets, 12);
      }
    }
  });
});

const counts = fc.nat(5000).chain((n) => fc.tuple(fc.nat(n), fc.constant(n)));

describe("properties", () => {
  it("Wilson stays in [0, 1], holds the rate, and mirrors", () => {
    fc.assert(
      fc.property(counts, fc.double({ min: 0, max: 6, noNaN: true }), ([k, n], z) => {
        fc.pre(n > 0);
        const [low, high] = wilson(k, n, z)!;
        const [mirrorLow, mirrorHigh] = wilson(n - k, n, z)!;
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(k / n + 1e-12);
        expect(high).toBeGreaterThanOrEqual(k / n - 1e-12);
        expect(mirrorLow).toBeCloseTo(1 - high, 12);
        expect(mirrorHigh).toBeCloseTo(1 - low, 12);
      }),
    );
  });

  it("a p-value is a probability, mirrors at ½, and mid-p is not larger", () => {
    fc.assert(
      fc.property(counts, ([k, n]) => {
        const p = binomialTest(k, n);
        expect(p).toBeGreaterThanOrEqual(0); // below 2^-1074 a double has only 0
        expect(p).toBeLessThanOrEqual(1);
        expect(binomialTest(n - k, n)).toBeCloseTo(p, 10);
        const { pValue, midP } = mcnemar(k, n - k);
        expect(pValue).toBeCloseTo(p, 10);
        expect(midP).toBeLessThanOrEqual(pValue);
        expect(mcnemar(n - k, k)).toEqual({ pValue, midP });
      }),
    );
  });

  it("pass@k grows with k and with c", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), fc.nat(), (n, cSeed, kSeed) => {
        const c = cSeed % n;
        const k = 1 + (kSeed % (n - 1));
        expect(passAtK(n, c, k + 1)!).toBeGreaterThanOrEqual(passAtK(n, c, k)! - 1e-12);
        expect(passAtK(n, c + 1, k)!).toBeGreaterThanOrEqual(passAtK(n, c, k)! - 1e-12);
        expect(passAtK(n, c, 1)).toBeCloseTo(c / n, 12);
      }),
    );
  });

  it("the bootstrap does not see the order of observations, and stays within their range", () => {
    const observation = fc.record({
      cluster: fc.constantFrom("__proto__", "constructor", "a", "b", "c"),
      value: fc.constantFrom(0, 0.5, 1),
      weight: fc.constant(1),
    });
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 30 }), fc.integer(), (list: Observation[], seed) => {
        const result = clusteredBootstrap(list, { resamples: 50, seed });
        expect(clusteredBootstrap([...list].reverse(), { resamples: 50, seed })).toEqual(result);
        expect(result.clusters).toBe(new Set(list.map(({ cluster }) => cluster)).size);
        if (result.clusters < 2) expect(result.interval).toBeNull();
        else expect(result.interval!.every((end) => end >= 0 && end <= 1)).toBe(true);
      }),
    );
  });

  it("whole clusters widen the interval: 200 observations in 10 clusters that move together", () => {
    const list = Array.from({ length: 200 }, (_, i) => ({
      cluster: `${i % 10}`,
      value: i % 10 < 5 ? 1 : 0,
      weight: 1,
    }));
    const [low, high] = clusteredBootstrap(list).interval!;
    const [wilsonLow, wilsonHigh] = wilson(100, 200)!;
    expect(high - low).toBeGreaterThan(3 * (wilsonHigh - wilsonLow));
  });
});

describe("the edges", () => {
  it("says null where nothing is defined", () => {
    expect(wilson(0, 0)).toBeNull();
    expect(quantile([], 0.5)).toBeNull();
    expect(passAtK(3, 1, 4)).toBeNull();
    expect(cohenKappa([])).toBeNull();
    expect(cohenKappa([[0, 0], [0, 0]])).toBeNull(); // prettier-ignore
    expect(cohenKappa([[7, 0], [0, 0]])).toBeNull(); // prettier-ignore
    expect(clusteredBootstrap([])).toEqual({ interval: null, clusters: 0 });
    const weightless = ["a", "b"].map((cluster) => ({ cluster, value: 0, weight: 0 }));
    expect(clusteredBootstrap(weightless)).toEqual({ interval: null, clusters: 2 });
  });

  it("has nothing against anything without data, and certainty at p = 0 and 1", () => {
    expect(binomialTest(0, 0, 0.3)).toBe(1);
    expect(mcnemar(0, 0)).toEqual({ pValue: 1, midP: 1 });
    expect(binomialTest(0, 5, 0)).toBe(1);
    expect(binomialTest(1, 5, 0)).toBe(0);
    expect(binomialTest(5, 5, 1)).toBe(1);
    expect(binomialTest(4, 5, 1)).toBe(0);
  });

  it.each([
    ["wilson k > n", () => wilson(2, 1)],
    ["wilson NaN", () => wilson(NaN, 1)],
    ["wilson infinite", () => wilson(1, Infinity)],
    ["binomialTest fraction", () => binomialTest(0.5, 2)],
    ["binomialTest p", () => binomialTest(1, 2, NaN)],
    ["mcnemar negative", () => mcnemar(-1, 2)],
    ["passAtK c > n", () => passAtK(1, 2, 1)],
    ["passAtK k", () => passAtK(3, 2, 0)],
    ["quantile q", () => quantile([1], 1.5)],
    ["kappa ragged", () => cohenKappa([[1, 2], [3]])],
    ["bootstrap resamples", () => clusteredBootstrap([], { resamples: 0 })],
    ["bootstrap confidence", () => clusteredBootstrap([], { confidence: 1 })],
    ["bootstrap NaN", () => clusteredBootstrap([{ cluster: "a", value: NaN, weight: 1 }])],
  ])("refuses %s", (_, call) => {
    expect(call).toThrow(ConfigError);
  });
});
