/** Kernels where libraries part ways: integers that C cannot divide, mixed dtypes, tensors of no elements, slopes of products. */
import * as tf from "@tensorflow/tfjs-core";
import { bools, floats, ints, spread, type CaseInput, type KernelCase } from "./cases.ts";
import { exact, first, smooth, total } from "./cases-words.ts";
import { along, build, map1, map2, matmul, pick, type Grid } from "./oracle.ts";

const INT_MIN = -(2 ** 31);

/** Remainder with the divisor's sign; by 0 it is 0. */
const remainder = (a: number, b: number): number => (b === 0 ? 0 : a - Math.floor(a / b) * b);

const mod = (name: string, a: CaseInput, b: CaseInput): KernelCase =>
  exact("Mod", name, {
    inputs: [a, b],
    run: (x: tf.Tensor, y: tf.Tensor) => tf.mod(x, y),
    oracle: map2(remainder),
    dtype: "int32",
  });

const integers: readonly KernelCase[] = [
  mod("int32", ints([7, -7, 7, -7, 0, 6]), ints([3, 3, -3, -3, 5, -6])),
  mod("int32 by 0 and −1", ints([7, -7, 0, INT_MIN, 5, INT_MIN]), ints([0, 0, 0, -1, -1, 0])),
  mod("int32 by one number", ints([7, -7, 0, INT_MIN]), ints([0], [])),
  exact("FloorDiv", "int32 by 0 and −1", {
    inputs: [ints([7, -7, 0, 5]), ints([0, 2, 0, -1])],
    run: (x: tf.Tensor, y: tf.Tensor) => tf.floorDiv(x, y),
    oracle: map2((a, b) => (b === 0 ? 0 : Math.floor(a / b))),
    dtype: "int32",
  }),
];

const I = ints([-3, 0, 2, 1]);

const dtypes: readonly KernelCase[] = [
  exact("Exp", "int32 is float32", { inputs: [I], run: (x: tf.Tensor) => tf.exp(x), oracle: map1(Math.exp) }),
  exact("Round", "int32 stays", {
    inputs: [I],
    run: (x: tf.Tensor) => tf.round(x),
    oracle: map1((x) => x),
    dtype: "int32",
  }),
  exact("IsNan", "int32", { inputs: [I], run: (x: tf.Tensor) => tf.isNaN(x), oracle: map1(() => 0), dtype: "bool" }),
  exact("IsInf", "int32", { inputs: [I], run: (x: tf.Tensor) => tf.isInf(x), oracle: map1(() => 0), dtype: "bool" }),
  exact("IsFinite", "bool", {
    inputs: [bools([0, 1])],
    run: (x: tf.Tensor) => tf.isFinite(x),
    oracle: map1(() => 1),
    dtype: "bool",
  }),
  exact("LeakyRelu", "int32 is float32", {
    inputs: [I],
    run: (x: tf.Tensor) => tf.leakyRelu(x, 0.5),
    oracle: map1((x) => (x < 0 ? 0.5 * x : x)),
  }),
  exact("Select", "int32 and float32", {
    inputs: [bools([1, 0, 0, 1]), I, floats([0.5, 1.5, 2.5, 3.5])],
    run: (c: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.where(c, a, b),
    oracle: ([c, a, b]) => build([4], (at) => pick((pick(c as Grid, at) === 1 ? a : b) as Grid, at)),
  }),
  exact("SearchSorted", "float32 in int32", {
    inputs: [ints([1, 3, 5], [1, 3]), floats([3.5, 0.5], [1, 2])],
    run: (s: tf.Tensor, v: tf.Tensor) => tf.searchSorted(s, v, "left"),
    oracle: () => ({ shape: [1, 2], data: [2, 0] }),
    dtype: "int32",
  }),
];

const none = (...shape: number[]): CaseInput => ({ dtype: "float32", shape, data: [] });
/** A case of no elements, from one shape to another. */
const empty = (
  kernel: string,
  name: string,
  [from, to]: readonly [number[], number[]],
  run: (x: tf.Tensor) => tf.Tensor,
): KernelCase => exact(kernel, name, { inputs: [none(...from)], run, oracle: () => ({ shape: to, data: [] }) });

const nothing: readonly KernelCase[] = [
  empty(
    "Reshape",
    "no elements, a longer axis",
    [
      [2, 0],
      [0, 7],
    ],
    (x) => tf.reshape(x, [0, 7]),
  ),
  empty(
    "Reshape",
    "no elements, one length left open",
    [
      [2, 0],
      [0, 2],
    ],
    (x) => tf.reshape(x, [-1, 2]),
  ),
  empty(
    "Transpose",
    "no elements",
    [
      [2, 0],
      [0, 2],
    ],
    (x) => tf.transpose(x),
  ),
  empty(
    "TopK",
    "no rows",
    [
      [0, 3],
      [0, 2],
    ],
    (x) => tf.topk(x, 2).values,
  ),
  exact("Sum", "of no elements", {
    inputs: [none(2, 0)],
    run: (x: tf.Tensor) => tf.sum(x, 1),
    oracle: () => ({ shape: [2], data: [0, 0] }),
  }),
  exact("Any", "of no elements", {
    inputs: [{ dtype: "bool", shape: [2, 0], data: [] }],
    run: (x: tf.Tensor) => tf.any(x, 1),
    oracle: () => ({ shape: [2], data: [0, 0] }),
    dtype: "bool",
  }),
  smooth("BatchMatMul", "sums of nothing", {
    inputs: [none(2, 3, 0), none(0, 2)],
    run: (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b),
    oracle: matmul,
  }),
  smooth("BatchMatMul", "no rows", {
    inputs: [none(0, 3), spread([3, 2])],
    run: (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b),
    oracle: matmul,
  }),
];

const product = (xs: number[]): number => xs.reduce((p, x) => p * x, 1);

const slopes: readonly KernelCase[] = [
  smooth("Prod", "with zeros", {
    inputs: [floats([1, 2, 3, 0, 5, 6, 0, 0, 2], [3, 3])],
    run: (x: tf.Tensor) => tf.prod(x, 1),
    oracle: along([1], product),
  }),
  smooth("Prod", "all", {
    inputs: [spread([2, 3])],
    run: (x: tf.Tensor) => tf.prod(x),
    oracle: along([0, 1], product),
  }),
  smooth("Unpack", "one part", {
    inputs: [spread([3, 1])],
    run: (x: tf.Tensor) => tf.unstack(x, 1)[0] as tf.Tensor,
    oracle: first((x) => ({ shape: [3], data: x.data })),
  }),
  smooth("SplitV", "one part", {
    inputs: [spread([3, 2])],
    run: (x: tf.Tensor) => tf.split(x, 1, 1)[0] as tf.Tensor,
    oracle: map1((x) => x),
  }),
  smooth("Prelu", "slopes spread", {
    inputs: [spread([2, 3, 4]), spread([4], 0.1, 0.5)],
    run: (x: tf.Tensor, a: tf.Tensor) => tf.prelu(x, a),
    oracle: map2((x, a) => (x < 0 ? a * x : x)),
  }),
  smooth("Prelu", "x spread too", {
    inputs: [spread([3, 1, 2]), spread([4, 1], 0.1, 0.5)],
    run: (x: tf.Tensor, a: tf.Tensor) => tf.prelu(x, a),
    oracle: map2((x, a) => (x < 0 ? a * x : x)),
  }),
  smooth("BatchMatMul", "one row and one column, something added", {
    inputs: [spread([1, 3]), spread([1, 3], -2, 2, 3), spread([5, 4])],
    run: (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) => tf.add(tf.matMul(x, w, false, true), b),
    oracle: ([x, w, b]) => {
      const dot = total((x as Grid).data.map((v, i) => v * ((w as Grid).data[i] ?? 0)));
      return first((grid) => build(grid.shape, (at) => dot + pick(grid, at)))([b as Grid]);
    },
  }),
];

/** Cases at the edges. */
export const edgeCases: readonly KernelCase[] = [...integers, ...dtypes, ...nothing, ...slopes];
