/** Reference mode against the released code itself: its own functions ran when the fixture was made. */
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../engine/index.ts";
import { lossRunner, type LossRows, type Rows } from "../testing/loss-runner.ts";
import {
  advantageEstimators,
  filterAdvantages,
  kl,
  presets,
  reinforceReturns,
  referenceNormalise,
  valueLoss,
  type Scored,
} from "./index.ts";

interface Reference {
  policy: { inputs: LossRows; cases: { options: { epsilon: number }; loss: number; gradient: Rows }[] };
  rewards: number[];
  returns: { estimator: "k1" | "k3"; coef: number; gamma: number; returns: Rows }[];
  value: { values: Rows; valuesOld: Rows; returns: Rows; mask: Rows; loss: number; gradient: Rows };
  gae: { options: { gamma: number; lambda: number; klCoef: number }; advantages: Rows };
  adaptive: { initial: number; target: number; samples: number; after: [number, number][] };
  normalise: { rows: number[][]; mean: number; rstd: number; normalised: number[][] }[];
}
const fixture = JSON.parse(
  readFileSync(new URL("../../test/fixtures/algorithm/reference.json", import.meta.url), "utf8"),
) as Reference;

const near = (got: Rows, want: Rows, tolerance: number): void =>
  want.forEach((row, b) =>
    row.forEach((x, t) =>
      expect(Math.abs((got[b]?.[t] ?? Number.NaN) - x), `[${b}][${t}] ${x}`).toBeLessThanOrEqual(
        tolerance * Math.max(1, Math.abs(x)),
      ),
    ),
  );

const { inputs } = fixture.policy;
/** Rows cut to the tokens that were written. */
const written = (rows: Rows, mask: Rows): number[][] => rows.map((row, b) => row.filter((_, t) => mask[b]?.[t] === 1));
const batch: Scored[] = fixture.rewards.map((reward, n) => ({
  ...{ group: String(n), reward, logpOld: written(inputs.logpOld, inputs.mask)[n] as number[] },
  logpRef: written(inputs.logpRef as Rows, inputs.mask)[n],
  values: written(fixture.value.values, fixture.value.mask)[n],
}));

describe("advantages", () => {
  it.each(fixture.normalise.map((one, i) => [i, one] as const))("normalise and filter, batch %i", (_, one) => {
    const got = referenceNormalise(one.rows.map((row) => Float64Array.from(row)));
    near(
      got.map((row) => [...row]),
      one.normalised,
      2e-6,
    );
    const zeros = (rows: Rows): boolean[] => rows.flatMap((row) => row.map((a) => a === 0));
    expect(zeros(got.map((row) => [...row]))).toEqual(zeros(one.normalised));
  });

  it("the bounds follow the raw mean: a fifth of failures is dropped, where the paper's rule keeps it", () => {
    const rows = (fixture.normalise[2] as { rows: number[][] }).rows.map((row) => Float64Array.from(row));
    expect(referenceNormalise(rows).at(-1)?.[0]).toBe(0);
    expect(filterAdvantages(rows).at(-1)?.[0]).toBeCloseTo(-2, 12);
  });

  it("swallows NaN, which ours refuses", () => {
    const rows = [Float64Array.of(1, Number.NaN), Float64Array.of(2)];
    expect(referenceNormalise(rows).flatMap((row) => [...row])).toEqual([0, 0, 0]);
    expect(() => filterAdvantages(rows)).toThrow(/NaN/);
  });

  it.each(fixture.returns.map((one) => [`${one.estimator}, β ${one.coef}, γ ${one.gamma}`, one] as const))(
    "returns with KL in the reward: %s",
    (_, { estimator, coef, gamma, returns }) => {
      // β ≤ 0 counts as 0 there; here a negative β is an error
      const options = { klCoef: Math.max(0, coef), klEstimator: kl[estimator], gamma };
      const got = reinforceReturns(batch, options).map((row) => [...row]);
      near(got, written(returns, inputs.mask), 2e-5);
    },
  );

  it("GAE", () => {
    const got = advantageEstimators
      .gae(fixture.gae.options)(batch)
      .map((row) => [...row]);
    near(got, written(fixture.gae.advantages, inputs.mask), 2e-5);
  });

  it("adaptive KL coefficient", () => {
    const { initial, target, samples, after } = fixture.adaptive;
    for (const [current, value] of after) {
      expect(kl.adaptive({ initial, target }).next(initial, current, samples)).toBeCloseTo(value, 12);
    }
  });
});

describe.each(["tfjs-cpu", "onnx-node"] as const)("losses on %s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime });
  });
  afterAll(async () => engine[Symbol.asyncDispose]());

  it("the policy loss is the paper's: the same value and gradient", async () => {
    const { losses } = await import("./index.ts");
    for (const { options, loss, gradient } of fixture.policy.cases) {
      const runner = lossRunner(engine, losses.stableReinforce(options));
      const got = await runner.run(inputs);
      expect(Math.abs(got.loss - loss)).toBeLessThan(2e-5 * Math.max(1, Math.abs(loss)));
      near(got.gradient, gradient, 2e-5);
      await runner.dispose();
    }
    expect(presets.reference.loss).toBeTypeOf("function");
  });

  it("the value loss of a critic", async () => {
    const { value } = fixture;
    const t = (x: Rows) => engine.tensor(Float32Array.from(x.flat()), [x.length, x[0]?.length ?? 0]);
    const f = engine.compile((values: tf.Tensor2D, valuesOld: tf.Tensor2D, returns: tf.Tensor2D, mask: tf.Tensor2D) =>
      tf.valueAndGrad((v) => valueLoss()({ values: v as tf.Tensor2D, valuesOld, returns, mask }))(values),
    );
    const out = await f(t(value.values), t(value.valuesOld), t(value.returns), t(value.mask));
    expect(Math.abs((await engine.number(out.value)) - value.loss)).toBeLessThan(2e-5 * Math.max(1, value.loss));
    const width = value.values[0]?.length ?? 1;
    const data = [...(await engine.read(out.grad)).data];
    near(
      value.values.map((_, b) => data.slice(b * width, (b + 1) * width)),
      value.gradient,
      2e-5,
    );
  });
});
