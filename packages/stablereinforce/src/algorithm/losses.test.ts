import { readdirSync, readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine, type RuntimeName } from "../engine/index.ts";
import { lossContract } from "../testing/loss-contract.ts";
import { lossRunner, type LossRows, type Rows } from "../testing/loss-runner.ts";
import {
  corrections,
  kl,
  losses,
  penalties,
  policyLoss,
  sequenceLevel,
  sequenceProduct,
  sequenceTokenLevel,
  stableReinforce,
  surrogates,
  tokenLevel,
  tokenMean,
  type Correction,
  type Loss,
  type Penalty,
} from "./index.ts";

const RUNTIMES: RuntimeName[] = ["tfjs-cpu", "tfjs-wasm", "onnx-web", "onnx-node"];
const FIXTURES = new URL("../../test/fixtures/algorithm/", import.meta.url);

type Options = Record<string, unknown>;
interface Golden {
  inputs: LossRows;
  cases: { options: Options; loss: number; gradient: Rows }[];
}
const golden = (path: string): Golden => JSON.parse(readFileSync(new URL(`${path}.json`, FIXTURES), "utf8")) as Golden;

const LEVELS = { token: tokenLevel, sequence: sequenceLevel, product: sequenceProduct };
const ESTIMATORS = { k1: kl.k1, k2: kl.k2, k3: kl.k3, "k3~k2": kl.straightThrough(kl.k3, kl.k2) };

/** Fixtures name levels and estimators; code passes them as values. */
const withValues = (options: Options): Options => ({
  ...options,
  ...("level" in options && { level: LEVELS[options["level"] as keyof typeof LEVELS] }),
  ...("estimator" in options && { estimator: ESTIMATORS[options["estimator"] as keyof typeof ESTIMATORS] }),
});

type Make<T> = (options: Options) => T;
const makers: Record<string, Record<string, Make<Loss>>> = {
  losses: losses as unknown as Record<string, Make<Loss>>,
  corrections: Object.fromEntries(
    Object.entries(corrections as unknown as Record<string, Make<Correction>>).map(([name, make]) => [
      name,
      (options) => policyLoss({ corrections: [make(options)] }),
    ]),
  ),
  penalties: Object.fromEntries(
    Object.entries(penalties as unknown as Record<string, Make<Penalty>>).map(([name, make]) => [
      name,
      (options) => policyLoss({ penalties: [make(options)] }),
    ]),
  ),
};
const ALL = Object.entries(makers).flatMap(([kind, of]) => Object.keys(of).map((name) => [kind, name] as const));

const close = (got: Rows, want: Rows): void => {
  const scale = Math.max(...want.flat().map(Math.abs), 1e-6);
  want.forEach((row, b) =>
    row.forEach((g, t) => {
      const difference = Math.abs((got[b]?.[t] ?? Number.NaN) - g);
      // relative to the element where it is large, to the largest ordinary one where it is small
      if (!(difference <= 3e-5 * Math.max(Math.abs(g), Math.min(scale, 0.05)))) {
        expect.fail(`gradient[${b}][${t}]: got ${got[b]?.[t]}, want ${g}`);
      }
    }),
  );
};

it("every exported loss, correction and penalty has a golden file, and every file its export", () => {
  for (const [kind, of] of Object.entries(makers)) {
    const files = readdirSync(new URL(`${kind}/`, FIXTURES)).map((file) => file.replace(".json", ""));
    expect(files.sort()).toEqual(Object.keys(of).sort());
  }
});

describe.each(RUNTIMES)("golden numbers of PyTorch in float64, on %s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime });
  });
  afterAll(async () => engine[Symbol.asyncDispose]());
  it.each(ALL)("%s: %s", async (kind, name) => {
    const { inputs, cases } = golden(`${kind}/${name}`);
    expect(cases.length).toBeGreaterThan(0);
    for (const { options, loss, gradient } of cases) {
      const runner = lossRunner(engine, (makers[kind]?.[name] as Make<Loss>)(withValues(options)));
      const got = await runner.run(inputs);
      await runner.dispose();
      expect(Math.abs(got.loss - loss), `${JSON.stringify(options)}: ${got.loss} is ${loss}`).toBeLessThan(
        2e-5 * Math.max(1, Math.abs(loss)),
      );
      close(got.gradient, gradient);
      expect(got.stats.nonFinite).toBe(0);
    }
  });
});

/** What differs from method to method: CISPO stops gradients, and three keep a gradient however far off-policy. */
const EXPECTED: Record<string, { differentiable?: boolean; zeroBeyondPreClip?: boolean }> = {
  cispo: { differentiable: false, zeroBeyondPreClip: false },
  reinforce: { zeroBeyondPreClip: false },
  rloo: { zeroBeyondPreClip: false },
};
const CONTRACTED: Record<string, Loss> = {
  ...Object.fromEntries(
    Object.entries(losses as unknown as Record<string, Make<Loss>>).map(([name, make]) => [
      name,
      make(name === "drGrpo" ? { maxTokens: 5 } : {}),
    ]),
  ),
  "everything at once": policyLoss({
    corrections: [corrections.icePop(), corrections.rejected(), corrections.offPolicyMask({ delta: 5 })],
    penalties: [penalties.unbiasedKl({ coef: 0.1 }), penalties.entropy({ coef: 0.01 })],
  }),
};

describe.each(["tfjs-cpu", "onnx-node"] as const)("loss contract on %s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime });
  });
  afterAll(async () => engine[Symbol.asyncDispose]());
  describe.each(Object.keys(CONTRACTED))("%s", (name) => {
    const options = EXPECTED[name] ?? {};
    const names = lossContract(CONTRACTED[name] as Loss, { engine: {} as Engine, ...options }).map((one) => one.name);
    it.each(names)("%s", async (check) => {
      const all = lossContract(CONTRACTED[name] as Loss, { engine, ...options });
      await all.find((one) => one.name === check)?.check();
    });
  });
});

describe("composition", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime: "tfjs-cpu" });
  });
  afterAll(async () => engine[Symbol.asyncDispose]());
  const evaluate = async (loss: Loss, rows: LossRows) => {
    const runner = lossRunner(engine, loss);
    const result = await runner.run(rows);
    await runner.dispose();
    return result;
  };
  const { inputs } = golden("losses/stableReinforce");

  it("policyLoss without options is stableReinforce, to the bit", async () => {
    const [a, b] = [await evaluate(policyLoss(), inputs), await evaluate(stableReinforce(), inputs)];
    expect(a).toEqual(b);
    expect(await evaluate(losses.ppo(), inputs)).toEqual(b);
  });

  it("GSPO-token has GSPO's gradient where a sequence has one advantage", async () => {
    const rows = { ...inputs, advantage: inputs.advantage.map((row) => row.map(() => row[0] as number)) };
    const wide = { epsilonLow: 0.5, epsilonHigh: 4 };
    const [gspo, token] = [
      await evaluate(losses.gspo(wide), rows),
      await evaluate(policyLoss({ level: sequenceTokenLevel, surrogate: surrogates.clipped(wide) }), rows),
    ];
    expect(token.loss).toBeCloseTo(gspo.loss, 6);
    close(token.gradient, gspo.gradient);
  });

  it("a loss that leaves Pre-CLIP out shows its overflow", async () => {
    const rows = { logp: [[0]], logpOld: [[-800]], advantage: [[-1]], mask: [[1]] };
    expect((await evaluate(losses.ppo({ preClip: "none" }), rows)).loss).toBe(Infinity);
    expect((await evaluate(losses.ppo(), rows)).loss).toBeCloseTo(1000, 2);
  });

  it("corrections have no gradient, even where they could: ρ as a weight of log π is CISPO", async () => {
    const { inputs: near } = golden("corrections/truncated");
    const weighted = policyLoss({
      ...{ surrogate: surrogates.policyGradient, aggregate: tokenMean },
      corrections: [({ logRatio }) => tf.exp(logRatio)],
    });
    const [a, b] = [await evaluate(weighted, near), await evaluate(losses.cispo({ epsilonHigh: 1e6 }), near)];
    expect(a.loss).toBeCloseTo(b.loss, 5);
    close(a.gradient, b.gradient);
  });

  // log-ratios 2, −2, 0.05: with A < 0 a dual clip at 3 cuts e² = 7.4 only; PPO clips e⁻² there, and e² where A > 0.
  it("surrogates say where they clipped", async () => {
    const rows = (a: number) => ({
      logp: [[2, -2, 0.05]],
      logpOld: [[0, 0, 0]],
      advantage: [[a, a, a]],
      mask: [[1, 1, 1]],
    });
    const share = async (loss: Loss, a: number) => Math.round((await evaluate(loss, rows(a))).stats.clipped * 3);
    expect([await share(losses.ppo(), 1), await share(losses.ppo(), -1)]).toEqual([1, 1]);
    expect([await share(losses.dualClip(), 1), await share(losses.dualClip(), -1)]).toEqual([1, 2]);
    expect([await share(losses.cispo({ epsilonLow: 0.2 }), 1), await share(losses.cispo(), 1)]).toEqual([2, 1]);
    expect([await share(losses.sapo(), 1), await share(losses.importanceSampling(), -1)]).toEqual([0, 0]);
  });

  it("says which input is missing or does not fit", async () => {
    const rows = { logp: [[0, 0]], logpOld: [[0, 0]], advantage: [[1, 1]], mask: [[1, 1]] };
    await expect(evaluate(losses.grpo(), rows)).rejects.toThrow(/KL in the loss: expected logpRef/);
    await expect(evaluate(policyLoss({ corrections: [corrections.icePop()] }), rows)).rejects.toThrow(/logpRollout/);
    await expect(evaluate(policyLoss({ penalties: [penalties.entropy({ coef: 1 })] }), rows)).rejects.toThrow(
      /entropy/,
    );
    expect(() => losses.ppo({ epsilonLow: -0.1 })).toThrow(/epsilonLow: expected a number from 0 to 1, got -0.1/);
    expect(() => losses.drGrpo({ maxTokens: 0 })).toThrow(/positive number of tokens, got 0/);
    expect(() => stableReinforce({ deltaMin: 0 })).toThrow(/deltaMin/);
    expect(() => stableReinforce({ deltaMax: Number.NaN })).toThrow(/deltaMax/);
    expect(() => stableReinforce({ epsilon: Number.NaN })).toThrow(/epsilon/);
  });
});
