import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { advantageEstimators, filterAdvantages, kl, type AdvantageEstimator, type Scored } from "./index.ts";

const FIXTURES = new URL("../../test/fixtures/algorithm/estimators/", import.meta.url);
interface Golden {
  batch: Scored[];
  sigmas: number;
  cases: { options: Record<string, unknown>; advantages: number[][]; filtered: number[][] }[];
}
const makers = advantageEstimators as unknown as Record<string, (options: object) => AdvantageEstimator>;
const names = Object.keys(makers);

const close = (got: readonly Float64Array[], want: number[][], what: string): void => {
  expect(got.map((row) => row.length)).toEqual(want.map((row) => row.length));
  want.forEach((row, n) =>
    row.forEach((a, t) => expect(Math.abs((got[n]?.[t] ?? Number.NaN) - a), `${what} [${n}][${t}]`).toBeLessThan(1e-9)),
  );
};

it("every estimator has a golden file, and every file its estimator", () => {
  expect(
    readdirSync(FIXTURES)
      .map((file) => file.replace(".json", ""))
      .sort(),
  ).toEqual([...names].sort());
});

describe.each(names)("%s", (name) => {
  const { batch, sigmas, cases } = JSON.parse(readFileSync(new URL(`${name}.json`, FIXTURES), "utf8")) as Golden;
  it.each(cases.map((one) => [JSON.stringify(one.options), one] as const))(
    "golden numbers of PyTorch in float64: %s",
    (_, one) => {
      const { klEstimator, ...options } = one.options;
      const given =
        klEstimator === undefined ? options : { ...options, klEstimator: kl[klEstimator as "k1" | "k2" | "k3"] };
      const advantages = (makers[name] as (options: object) => AdvantageEstimator)(given)(batch);
      close(advantages, one.advantages, "advantages");
      close(filterAdvantages(advantages, sigmas), one.filtered, "filtered");
    },
  );

  const make = (): AdvantageEstimator => (makers[name] as (options: object) => AdvantageEstimator)({});

  it("the order of rollouts does not matter", () => {
    const turned = [...make()([...batch].reverse())].reverse();
    close(
      turned,
      make()(batch).map((row) => [...row]),
      "reversed",
    );
  });

  it("refuses rewards that are no number, takes an empty batch, leaves its input alone", () => {
    const [first] = batch as [Scored];
    expect(() => make()([first, { ...first, reward: Number.NaN }])).toThrow(/batch\[1\].reward/);
    expect(make()([])).toEqual([]);
    const copy = structuredClone(batch);
    make()(batch);
    expect(batch).toEqual(copy);
  });

  it("an empty reply gives an empty row", () => {
    const empty = { ...(batch[0] as Scored), logpOld: [], logpRef: [], values: [] };
    expect(make()([...batch, empty]).at(-1)).toEqual(new Float64Array(0));
  });
});

const group = (...rewards: number[]): Scored[] => rewards.map((reward) => ({ group: "g", reward, logpOld: [0] }));
const one = (rows: readonly Float64Array[]): number[] => rows.map((row) => row[0] as number);

describe("groups", () => {
  // mean 1; leave-one-out means (1+2)/2, (0+2)/2, (0+1)/2
  it("by hand: RLOO, Dr.GRPO, GRPO of 0, 1, 2", () => {
    expect(one(advantageEstimators.rloo()(group(0, 1, 2)))).toEqual([-1.5, 0, 1.5]);
    expect(one(advantageEstimators.drGrpo()(group(0, 1, 2)))).toEqual([-1, 0, 1]);
    const [low, , high] = one(advantageEstimators.grpo()(group(0, 1, 2))); // std with n − 1 is 1
    expect([low, high]).toEqual([-1 / (1 + 1e-6), 1 / (1 + 1e-6)]);
  });

  const CENTRED = ["reinforceBaseline", "rloo", "grpo", "drGrpo"] as const;
  it.each(CENTRED)("%s: equal rewards and single rollouts give exactly 0, groups sum to 0", (name) => {
    const estimate = advantageEstimators[name]();
    expect(one(estimate(group(0.1, 0.1, 0.1))).map(Math.abs)).toEqual([0, 0, 0]);
    expect(one(estimate(group(7))).map(Math.abs)).toEqual([0]);
    const reward = fc.double({ min: -9, max: 9, noNaN: true });
    fc.assert(
      fc.property(fc.array(reward, { minLength: 2, maxLength: 9 }), (rewards) => {
        const sum = one(estimate(group(...rewards))).reduce((a, b) => a + b, 0);
        expect(Math.abs(sum)).toBeLessThan(1e-8);
      }),
    );
  });

  it("GDPO leaves out what a part cannot tell, and refuses parts nobody has", () => {
    const parts = [
      { a: 1, b: null },
      { a: 0, b: 2 },
      { a: 0, b: 0 },
    ];
    const batch = parts.map((p) => ({ group: "g", reward: 0, logpOld: [0], parts: p }));
    // b alone: null takes no part; 2 and 0 are ±1/√2 after (r − 1)/√2; over the batch mean 0, σ = √(1/3)
    const [none, high, low] = one(advantageEstimators.gdpo({ weights: { b: 1 } })(batch));
    expect(none).toBe(0);
    expect(high).toBeCloseTo(Math.sqrt(1.5), 9);
    expect(low).toBeCloseTo(-Math.sqrt(1.5), 9);
    expect(() => advantageEstimators.gdpo({ weights: { c: 1 } })(batch)).toThrow(/expected a reward part c/);
    const bad = batch.map((x) => ({ ...x, parts: { a: Number.NaN } }));
    expect(() => advantageEstimators.gdpo()(bad)).toThrow(/batch\[0\].parts.a is NaN/);
  });

  it("GAE says what it misses", () => {
    expect(() => advantageEstimators.gae()(group(1))).toThrow(/expected values on every rollout, batch\[0\] has none/);
    const short = { ...(group(1)[0] as Scored), values: [1, 2] };
    expect(() => advantageEstimators.gae()([short])).toThrow(/batch\[0\].values: expected 1 numbers, got 2/);
  });
});
