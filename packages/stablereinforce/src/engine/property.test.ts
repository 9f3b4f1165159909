/** Compiled = eager: random small programs and their gradients, on both compiled runtimes, to 1e-5 of the largest number. */
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rmsNorm } from "../ops/rms-norm.ts";
import { createEngine, type Engine, type EngineTensor } from "./index.ts";

type Step = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/** Steps from `[3, 4]` to `[3, 4]`, bounded, so that programs of any length stay in range. */
const STEPS: readonly Step[] = [
  (a, b) => tf.add(a, b),
  (a, b) => tf.sub(a, tf.mul(b, 0.5)),
  (a, b) => tf.mul(tf.tanh(a), b),
  (a, b) => tf.div(a, tf.add(tf.square(b), 1)),
  (a) => tf.sigmoid(a),
  (a) => tf.exp(tf.neg(tf.square(a))),
  (a) => tf.softmax(a),
  (a, b) => tf.tanh(tf.matMul(tf.matMul(a, b, false, true), a)),
  (a, b) => tf.tanh(tf.transpose(tf.matMul(tf.transpose(a), tf.matMul(b, a, false, true)))),
  (a) => tf.sub(a, tf.mean(a, 1, true)),
  (a) => tf.mul(a, tf.rsqrt(tf.add(tf.mean(tf.square(a), -1, true), 1))),
  (a) => rmsNorm(a, tf.tensor1d([0.5, -1, 2, 1]), 1e-3),
  (a, b) => tf.tanh(tf.add(tf.matMul(a, tf.matMul(a, b, true), false, true), b)),
  (a, b) => tf.concat([tf.slice(a, [0, 1], [3, 2]), tf.slice(b, [0, 0], [3, 2])], 1),
  (a) => tf.gather(a, tf.tensor1d([2, 0, 2], "int32")),
  (a, b) => tf.where(tf.tensor2d([1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 1], [3, 4], "bool"), a, b),
  (a) => tf.tanh(tf.cumsum(a, 1)),
  (a) => tf.reshape(tf.reverse(tf.reshape(a, [2, 6]), 1), [3, 4]),
  (a, b) => tf.stack(tf.unstack(tf.add(a, b)).reverse()),
  (a) => tf.sub(a, tf.log(tf.sum(tf.exp(a), 1, true))),
  (a, b) => tf.tanh(tf.mul(tf.sum(a, 0, true), tf.sum(b, 1, true))),
  (a) => tf.tile(tf.slice(a, [1, 0], [1, 2]), [3, 2]),
  (a, b) => tf.squaredDifference(tf.tanh(a), tf.tanh(b)),
  (a) => tf.pad(tf.slice(a, [1, 1], [2, 3]), [[1, 0], [0, 1]]), // prettier-ignore
];

interface Program {
  readonly steps: readonly (readonly [step: number, a: number, b: number])[];
  readonly x: readonly number[];
  readonly y: readonly number[];
}

const value = fc.integer({ min: -1000, max: 1000 }).map((n) => Math.fround(n / 500));
const program: fc.Arbitrary<Program> = fc.record({
  steps: fc.array(fc.tuple(fc.nat(STEPS.length - 1), fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 9 }),
  x: fc.array(value, { minLength: 12, maxLength: 12 }),
  y: fc.array(value, { minLength: 12, maxLength: 12 }),
});

/** The last value and the gradients of Σ of all values. */
const asFunction = (p: Program) => (x: tf.Tensor, y: tf.Tensor) => {
  const run = (a: tf.Tensor, b: tf.Tensor): tf.Tensor[] => {
    const values = [a, b];
    for (const [step, i, j] of p.steps) {
      const pick = (n: number): tf.Tensor => values[values.length - 1 - (n % values.length)] as tf.Tensor;
      values.push((STEPS[step] as Step)(pick(i), pick(j)));
    }
    return values;
  };
  const total = (a: tf.Tensor, b: tf.Tensor): tf.Scalar =>
    run(a, b).reduce<tf.Tensor>((sum, v, i) => tf.add(sum, tf.mul(tf.sum(v), 1 / (i + 1))), tf.scalar(0)) as tf.Scalar;
  return { last: run(x, y).at(-1) as tf.Tensor, grads: tf.grads(total)([x, y]) };
};

const engines: Record<string, Engine> = {};
beforeAll(async () => {
  for (const runtime of ["tfjs-cpu", "onnx-node", "onnx-web"] as const)
    engines[runtime] = await createEngine({ runtime });
});
afterAll(async () => {
  for (const engine of Object.values(engines)) await engine[Symbol.asyncDispose]();
});

const evaluate = async (engine: Engine, p: Program): Promise<Float32Array[]> => {
  const f = engine.compile(asFunction(p), { name: "program" });
  const [x, y] = [p.x, p.y].map((data) => engine.tensor(Float32Array.from(data), [3, 4])) as [
    EngineTensor,
    EngineTensor,
  ];
  const out = await f(x, y);
  const tensors = [out.last, ...(out.grads as unknown as EngineTensor[])];
  const values = await Promise.all(tensors.map(async (one) => (await engine.read(one)).data as Float32Array));
  engine.dispose([...tensors, x, y]);
  await f.dispose();
  return values;
};

const agree = (got: Float32Array, want: Float32Array): void => {
  const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
  got.forEach((v, i) =>
    expect(Math.abs(v - (want[i] as number)), `[${i}] ${v} for ${want[i]}`).toBeLessThanOrEqual(1e-5 * scale),
  );
};

it.each([
  ["onnx-node", 60],
  ["onnx-web", 30],
] as const)("%s computes what TensorFlow.js computes", async (runtime, numRuns) => {
  const check = fc.asyncProperty(program, async (p) => {
    const want = await evaluate(engines["tfjs-cpu"] as Engine, p);
    const got = await evaluate(engines[runtime] as Engine, p);
    got.forEach((array, i) => agree(array, want[i] as Float32Array));
  });
  await fc.assert(check, { numRuns, seed: 20_26 });
});
