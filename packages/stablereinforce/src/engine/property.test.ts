/**
 * Compiled = eager: random small programs and their gradients, on both compiled runtimes, to 1e-5 of the largest number. Tensors
 * have one to five rows and columns and broadcast; integers are computed apart, since they must be equal.
 */
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rmsNorm } from "../ops/rms-norm.ts";
import { createEngine, type Engine, type EngineTensor } from "./index.ts";

/** a, b and c are matrices. */
type Step = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) => tf.Tensor;

const sizes = (x: tf.Tensor): [number, number] => x.shape as [number, number];

/** `b`, or its mean where `a` and `b` do not broadcast. */
const beside = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => {
  const fits = sizes(a).every((n, i) => n === 1 || b.shape[i] === 1 || b.shape[i] === n);
  return fits ? b : tf.mean(b, undefined, true);
};

/** A product of `a` and `b`, whichever way round they fit, or of `a` and itself. */
const product = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => {
  const [[m, n], [p, q]] = [sizes(a), sizes(b)];
  if (n === q) return tf.matMul(a, b, false, true);
  if (m === q) return tf.matMul(a, b, true, true);
  if (m === p) return tf.matMul(a, b, true);
  return n === p ? tf.matMul(a, b) : tf.matMul(a, a, false, true);
};

const vector = (n: number): tf.Tensor1D => tf.tensor1d([0.5, -1, 2, 1, -0.25].slice(0, n));
const checkered = (x: tf.Tensor): tf.Tensor =>
  tf.tensor2d(
    Array.from({ length: x.size }, (_, i) => (i * 7) % 3 === 0),
    sizes(x),
    "bool",
  );

/** Bounded, so that programs of any length stay in range. */
const STEPS: readonly Step[] = [
  (a, b) => tf.mul(tf.add(a, beside(a, b)), 0.5),
  (a, b) => tf.mul(tf.sub(beside(a, b), a), 0.5),
  (a, b) => tf.mul(tf.tanh(a), beside(a, b)),
  (a, b) => tf.div(a, tf.add(tf.square(beside(a, b)), 1)),
  (a, b) => tf.tanh(tf.squaredDifference(a, beside(a, b))),
  (a, b) => tf.prelu(a, tf.tanh(beside(a, b))),
  (a) => tf.sigmoid(a),
  (a) => tf.exp(tf.neg(tf.square(a))),
  (a) => tf.softmax(a),
  (a, b) => tf.tanh(product(a, b)),
  (a, b, c) => tf.tanh(tf.add(product(a, b), beside(product(a, b), c))),
  (a, b) => tf.tanh(tf.add(product(a, b), vector(sizes(product(a, b))[1]))),
  (a, b) => tf.tanh(tf.add(tf.matMul(a, tf.slice(a, [0, 0], [1, -1]), false, true), beside(tf.sum(a, 1, true), b))),
  (a, b) => tf.tanh(tf.transpose(product(a, b))),
  (a) => tf.sub(a, tf.mean(a, 1, true)),
  (a) => tf.mul(a, tf.rsqrt(tf.add(tf.mean(tf.square(a), -1, true), 1))),
  (a) => rmsNorm(a, vector(sizes(a)[1]), 1e-3),
  (a, b) => tf.tanh(tf.mul(tf.sum(a, 0, true), tf.mean(b, 1, true))),
  (a) => tf.mean(a, 0, true),
  (a) => tf.tanh(tf.sum(a, 1, true)),
  (a) => tf.tanh(tf.prod(a, 1, true)),
  (a) => tf.reshape(tf.reverse(a, 1), [sizes(a)[1], sizes(a)[0]]),
  (a) => tf.gather(a, tf.tensor1d([0, sizes(a)[0] - 1, 0], "int32")),
  (a) => tf.where(checkered(a), a, tf.tanh(a)),
  (a, b) => tf.tanh(tf.where(tf.greater(tf.tensor1d([1]), 0), a, beside(a, b))),
  (a) => tf.tanh(tf.cumsum(a, 1)),
  (a) => tf.tanh(tf.sum(tf.stack([a, tf.sigmoid(a)]), 0)),
  (a) => tf.stack(tf.unstack(a, 1).reverse(), 1),
  (a) => tf.slice(tf.concat([a, tf.tanh(a)], 1), [0, 1], sizes(a)),
  (a) => tf.slice(tf.pad(a, [[1, 0], [0, 1]]), [0, 1], sizes(a)), // prettier-ignore
  (a) => tf.tile(tf.slice(a, [0, 0], [1, -1]), [2, 1]),
  (a) => tf.sub(a, tf.log(tf.sum(tf.exp(a), 1, true))),
  (a, b) => tf.tanh(tf.reshape(tf.sum(tf.mul(tf.expandDims(a, 0), tf.mean(b)), 0), sizes(a))),
];

/** Below 10, as libraries differ in how sums and products run over. */
const little = (a: tf.Tensor): tf.Tensor => tf.mod(a, tf.scalar(10, "int32"));

/** From int32 to int32. Divisors may be 0 and −1. */
const INT_STEPS: readonly ((a: tf.Tensor, b: tf.Tensor) => tf.Tensor)[] = [
  (a, b) => tf.mod(a, beside32(a, b)),
  (a, b) => tf.floorDiv(a, beside32(a, b)),
  (a, b) => tf.maximum(tf.neg(a), beside32(a, b)),
  (a, b) => tf.mod(tf.mul(little(a), beside32(a, little(b))), tf.scalar(17, "int32")),
  (a, b) => tf.mod(tf.add(a, beside32(a, b)), tf.scalar(-13, "int32")),
  (a) => tf.mod(tf.sum(little(a), 1, true), tf.scalar(11, "int32")),
  (a) => tf.mod(tf.matMul(little(a), little(a), false, true), tf.scalar(7, "int32")),
  (a, b) => tf.where(tf.less(a, beside32(a, b)), a, tf.square(tf.mod(a, tf.scalar(5, "int32")))),
  (a) => tf.cast(tf.expandDims(tf.argMax(a, 1), 1), "int32"),
];

/** `b`, or its largest number where `a` and `b` do not broadcast. */
const beside32 = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  sizes(a).every((n, i) => n === 1 || b.shape[i] === 1 || b.shape[i] === n) ? b : tf.max(b, undefined, true);

interface Program {
  readonly steps: readonly (readonly number[])[];
  readonly intSteps: readonly (readonly number[])[];
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly k: readonly number[];
  readonly shapes: readonly (readonly [number, number])[];
}

const MOST = 25;
const value = fc.integer({ min: -1000, max: 1000 }).map((n) => Math.fround(n / 500));
const numbers = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { minLength: MOST, maxLength: MOST });
const size = fc.constantFrom(1, 1, 2, 3, 5);
const program: fc.Arbitrary<Program> = fc.record({
  steps: fc.array(fc.tuple(fc.nat(STEPS.length - 1), fc.nat(20), fc.nat(20), fc.nat(20)), {
    minLength: 1,
    maxLength: 9,
  }),
  intSteps: fc.array(fc.tuple(fc.nat(INT_STEPS.length - 1), fc.nat(20), fc.nat(20)), { maxLength: 4 }),
  x: numbers(value),
  y: numbers(value),
  k: numbers(fc.constantFrom(-(2 ** 31), -9, -4, -1, -1, 0, 0, 1, 2, 7)),
  shapes: fc.array(fc.tuple(size, size), { minLength: 3, maxLength: 3 }),
});

/** Applies steps to values that were there or made before. */
const grown = <S extends (...args: never[]) => tf.Tensor>(
  all: readonly S[],
  steps: readonly (readonly number[])[],
  first: readonly tf.Tensor[],
): tf.Tensor[] => {
  const values = [...first];
  for (const [step = 0, ...picks] of steps) {
    const args = picks.map((n) => values[values.length - 1 - (n % values.length)]);
    values.push((all[step] as S)(...(args as never[])));
  }
  return values;
};

/** The last values and the gradients of Σ of all values. */
const asFunction = (p: Program) => (x: tf.Tensor, y: tf.Tensor, k: tf.Tensor) => {
  const ints = grown(INT_STEPS, p.intSteps, [tf.mod(k, tf.scalar(10, "int32")), k]);
  const small = tf.mul(tf.cast(tf.mod(ints.at(-1) as tf.Tensor, tf.scalar(9, "int32")), "float32"), 0.25);
  const run = (a: tf.Tensor, b: tf.Tensor): tf.Tensor[] => grown(STEPS, p.steps, [small, a, b]);
  const total = (a: tf.Tensor, b: tf.Tensor): tf.Scalar =>
    run(a, b).reduce<tf.Tensor>((sum, v, i) => tf.add(sum, tf.mul(tf.sum(v), 1 / (i + 1))), tf.scalar(0)) as tf.Scalar;
  return {
    ints: tf.add(ints.at(-1) as tf.Tensor, 0),
    last: run(x, y).at(-1) as tf.Tensor,
    grads: tf.grads(total)([x, y]),
  };
};

const engines: Record<string, Engine> = {};
beforeAll(async () => {
  for (const runtime of ["tfjs-cpu", "onnx-node", "onnx-web"] as const)
    engines[runtime] = await createEngine({ runtime });
});
afterAll(async () => {
  for (const engine of Object.values(engines)) await engine[Symbol.asyncDispose]();
});

const evaluate = async (
  engine: Engine,
  p: Program,
): Promise<{ shape: readonly number[]; data: ArrayLike<number> }[]> => {
  const f = engine.compile(asFunction(p), { name: "program" });
  const [x, y, k] = [p.x, p.y, p.k].map((data, i) => {
    const shape = p.shapes[i] as readonly [number, number];
    const used = data.slice(0, shape[0] * shape[1]);
    return engine.tensor(i === 2 ? Int32Array.from(used) : Float32Array.from(used), shape);
  }) as [EngineTensor, EngineTensor, EngineTensor];
  const out = await f(x, y, k);
  const tensors = [out.ints, out.last, ...(out.grads as unknown as EngineTensor[])];
  const values = await Promise.all(tensors.map((one) => engine.read(one)));
  engine.dispose([...tensors, x, y, k]);
  await f.dispose();
  return values;
};

const agree = (got: ArrayLike<number>, want: ArrayLike<number>): void => {
  const wanted = Array.from(want);
  const scale = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
  wanted.forEach((v, i) =>
    expect(Math.abs((got[i] as number) - v), `[${i}] ${got[i]} for ${v}`).toBeLessThanOrEqual(1e-5 * scale),
  );
};

it.each([
  ["onnx-node", 60],
  ["onnx-web", 30],
] as const)("%s computes what TensorFlow.js computes", async (runtime, numRuns) => {
  const check = fc.asyncProperty(program, async (p) => {
    const want = await evaluate(engines["tfjs-cpu"] as Engine, p);
    const got = await evaluate(engines[runtime] as Engine, p);
    expect(got.map(({ shape }) => shape)).toEqual(want.map(({ shape }) => shape));
    expect(Array.from((got[0] as { data: ArrayLike<number> }).data)).toEqual(Array.from((want[0] as { data: ArrayLike<number> }).data)); // prettier-ignore
    got.forEach(({ data }, i) => agree(data, want[i]?.data ?? []));
  });
  await fc.assert(check, { numRuns, seed: 20_26 });
});
