import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, EngineError, type Engine, type EngineTensor, type RuntimeName } from "../engine/index.ts";
import {
  accumulate,
  adamw,
  clipByGlobalNorm,
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  zerosLikeTree,
  type AdamWState,
} from "./index.ts";

const RUNTIMES: RuntimeName[] = ["tfjs-cpu", "tfjs-wasm", "onnx-web", "onnx-node"];

interface Weights<T = tf.Tensor> {
  w: T;
  b: T;
}

/**
 * Made by PyTorch 2.13 in float64: torch.optim.AdamW with lr 0.01, betas (0.9, 0.99), eps 1e-8, weight decay 0.1 on w and 0 on b,
 * after torch.nn.utils.clip_grad_norm_(…, 2.0), on the gradients of `gradsAt`. Each row: norm before clipping, w, b.
 */
const GOLDEN: readonly (readonly [number, readonly number[], readonly number[]])[] = [
  [
    5.842097227023871,
    [0.48950000097368296, -0.9890000014605244, 1.9880029201961098, 0.259749999941579],
    [0.09000002921040581, -0.1900000000973683],
  ],
  [
    6.033249539841693,
    [0.4793374873898129, -0.9780199609941096, 1.976026839713384, 0.2662060513589052],
    [0.08000901691538001, -0.18032698596526747],
  ],
  [
    10.336832203823374,
    [0.4690370027847033, -0.9674696289195942, 1.964481726588723, 0.2673056359543543],
    [0.07043673547279822, -0.17050583830838556],
  ],
];

const gradsAt = (t: number): Weights<Float32Array> => ({
  w: Float32Array.of(0.3 * (t + 1), -0.2, 1e-4, 5 * (t - 1)),
  b: Float32Array.of(0.01, -3 * (t + 1)),
});

describe.each(RUNTIMES)("%s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime })));
  afterAll(async () => engine[Symbol.asyncDispose]());

  it("AdamW and clipping follow PyTorch", async () => {
    const optimiser = adamw({ beta2: 0.99, weightDecay: 0.1 });
    const step = engine.compile(
      (params: Weights, state: AdamWState<Weights>, raw: Weights, learningRate: tf.Tensor) => {
        const { grads, norm } = clipByGlobalNorm(raw, 2);
        return { ...optimiser.update({ params, grads, state, learningRate }), norm };
      },
      { donate: [0, 1] },
    );
    let params: Weights<EngineTensor> = {
      w: engine.tensor(Float32Array.of(0.5, -1, 2, 0.25), [2, 2]),
      b: engine.tensor(Float32Array.of(0.1, -0.2)),
    };
    let state = await engine.compile((p: Weights) => optimiser.init(p))(params);
    for (const [t, [norm, w, b]] of GOLDEN.entries()) {
      const { w: gw, b: gb } = gradsAt(t);
      const out = await step(
        params,
        state,
        { w: engine.tensor(gw, [2, 2]), b: engine.tensor(gb) },
        engine.tensor(0.01),
      );
      ({ params, state } = out);
      expect(await engine.number(out.norm)).toBeCloseTo(norm, 5);
      const read = async (x: EngineTensor) => Array.from((await engine.read(x)).data);
      (await read(params.w)).forEach((x, i) => expect(x).toBeCloseTo(w[i] as number, 6));
      (await read(params.b)).forEach((x, i) => expect(x).toBeCloseTo(b[i] as number, 6));
    }
    expect(await engine.number(state.step)).toBe(3);
  });

  it("accumulated micro-batches give the gradient of the whole batch", async () => {
    const f = engine.compile((a: Weights, b: Weights) =>
      accumulate(accumulate(zerosLikeTree(a), a, 0.25), b, tf.scalar(0.75)),
    );
    const tree = (x: number): Weights<EngineTensor> => ({
      w: engine.tensor(Float32Array.of(x)),
      b: engine.tensor(Float32Array.of(-x)),
    });
    const out = await f(tree(4), tree(8));
    expect([await engine.number(out.w), await engine.number(out.b)]).toEqual([7, -7]);
  });

  it("clipping leaves short gradients alone, and shows NaN in the norm", async () => {
    const f = engine.compile((g: Weights) => clipByGlobalNorm(g, 10));
    const short = await f({ w: engine.tensor(Float32Array.of(3)), b: engine.tensor(Float32Array.of(4)) });
    expect([await engine.number(short.norm), await engine.number(short.grads.w)]).toEqual([5, 3]);
    const bad = await f({ w: engine.tensor(Float32Array.of(NaN)), b: engine.tensor(Float32Array.of(4)) });
    expect(await engine.number(bad.norm)).toBeNaN();
  });
});

it("schedules warm up, fall and stay", () => {
  const linear = linearSchedule({ peak: 1, warmup: 2, total: 6, end: 0.2 });
  // warm-up: 1/2, 2/2; then 0.2 + 0.8·(1 − k/4)
  [0, 1, 2, 4, 6, 9].forEach((t, i) => expect(linear(t)).toBeCloseTo([0.5, 1, 1, 0.6, 0.2, 0.2][i] as number, 12));
  const cosine = cosineSchedule({ peak: 2, total: 4 });
  expect([0, 1, 2, 4, 5].map((t) => Number(cosine(t).toFixed(6)))).toEqual([2, 1.707107, 1, 0, 0]); // 1 + cos(π/4) = 1.707107
  expect(constantSchedule(3)(99)).toBe(3);
});

it("refuses constants that cannot be meant", () => {
  expect(() => adamw({ beta1: 1 })).toThrow(EngineError);
  expect(() => adamw({ epsilon: 0 })).toThrow(/epsilon/);
  expect(() => adamw({ weightDecay: Number.NaN })).toThrow(EngineError);
  expect(() => linearSchedule({ peak: 1, warmup: 5, total: 5 })).toThrow(/warmup < total/);
  expect(() => cosineSchedule({ peak: Infinity, total: 5 })).toThrow(EngineError);
});
