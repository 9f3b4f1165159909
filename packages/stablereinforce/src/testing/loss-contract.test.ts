/** The contract must be able to fail: each check is shown a loss that breaks it. */
import { mul, neg, sub, exp, add, mean, sum, minimum, clipByValue, type Tensor2D } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  guardInputs,
  losses,
  lossStats,
  sequenceMean,
  stableReinforce,
  stopGradient,
  tokenMean,
  type Loss,
} from "../algorithm/index.ts";
import { createEngine, type Engine } from "../engine/index.ts";
import { lossContract } from "./loss-contract.ts";

const good = stableReinforce();
const withLoss =
  (change: (loss: ReturnType<Loss>["loss"], inputs: Parameters<Loss>[0]) => unknown): Loss =>
  (inputs) => {
    const made = good(inputs);
    return { ...made, loss: change(made.loss, inputs) as typeof made.loss };
  };

/** Pre-CLIP and nothing else of what the shared guard does. */
const unguarded: Loss = (inputs) => {
  const ratio: Tensor2D = exp(clipByValue(sub(inputs.logp, inputs.logpOld), -6.9, 6.9));
  const objective: Tensor2D = minimum(
    mul(ratio, inputs.advantage),
    mul(clipByValue(ratio, 0.8, 1.2), inputs.advantage),
  );
  return { ...good(inputs), loss: neg(sequenceMean(objective, { mask: inputs.mask, total: inputs.total })) };
};

const stopped: Loss = (inputs) => {
  const x = guardInputs(inputs);
  const ratio: Tensor2D = exp(clipByValue(x.logRatio, -6.9, 6.9));
  const objective: Tensor2D = mul(mul(stopGradient(ratio), x.logRatio), x.advantage);
  const stats = lossStats(x, { logRatio: x.logRatio, ratio, bounds: [-6.9, 6.9], clipped: x.mask });
  return { loss: neg(tokenMean(objective, x)), stats };
};

const BROKEN: readonly (readonly [string, Loss])[] = [
  ["loss, gradient and stats are finite", withLoss((loss) => mul(loss, Number.NaN))],
  ["the gradient equals central differences", stopped],
  ["padding changes nothing, whatever it holds", unguarded],
  ["padding changes nothing, whatever it holds", withLoss((loss, { mask }) => mul(loss, mean(mask)))],
  ["log-ratios of ±800 nats stay finite", losses.importanceSampling({ preClip: "none" })],
  ["log-ratios of ±800 nats stay finite", losses.reinforce()],
  ["a NaN or Inf is left out and counted", unguarded],
  ["micro-batches add up to the batch", (inputs) => good({ ...inputs, total: undefined })],
  [
    "the order of sequences does not matter",
    withLoss((loss, { logp }) => add(loss, sum(mul(stopGradient(logp), [[1], [2], [3], [4]].slice(0, logp.shape[0]))))),
  ],
  ["a batch without tokens has loss 0", withLoss((loss) => add(loss, 1))],
  [
    "stats are what they say",
    (inputs) => ({ ...good(inputs), stats: { ...good(inputs).stats, tokens: mean(inputs.mask) } }),
  ],
];

describe("each check can fail", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime: "tfjs-cpu" });
  });
  afterAll(async () => engine[Symbol.asyncDispose]());
  it.each(BROKEN)("%s", async (name, loss) => {
    const check = lossContract(loss, { engine }).find((one) => one.name === name);
    await expect(check?.check()).rejects.toThrow(/loss contract broken/);
  });
  it("and every check is shown one", () => {
    const names = lossContract(good, { engine }).map((one) => one.name);
    expect(new Set(BROKEN.map(([name]) => name))).toEqual(new Set(names));
  });
});
