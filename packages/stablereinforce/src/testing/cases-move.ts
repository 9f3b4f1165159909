/** Kernels that move elements. */
import * as tf from "@tensorflow/tfjs-core";
import { bools, floats, ints, spread, type KernelCase } from "./cases.ts";
import { exact, first, smooth, X, type Oracle } from "./cases-words.ts";
import { build, map1, permute, pick, type Grid } from "./oracle.ts";

const same: Oracle = first((x) => x);
const reshaped = (shape: number[]): Oracle => first((x) => ({ shape, data: x.data }));

/** Cases of shapes, slices, casts and fills. */
export const moveCases: readonly KernelCase[] = [
  smooth("Reshape", "with −1", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.reshape(x, [4, -1]),
    oracle: reshaped([4, 6]),
  }),
  smooth("ExpandDims", "negative axis", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.expandDims(x, -1),
    oracle: reshaped([2, 3, 4, 1]),
  }),
  smooth("Identity", "clone", { inputs: [X], run: (x: tf.Tensor) => tf.clone(x), oracle: same }),
  smooth("Transpose", "three axes", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.transpose(x, [2, 0, 1]),
    oracle: permute([2, 0, 1]),
  }),
  smooth("Concat", "middle axis", {
    inputs: [X, spread([2, 1, 4], -1, 1, 3)],
    run: (a: tf.Tensor, b: tf.Tensor) => tf.concat([a, b], 1),
    oracle: ([a, b]) =>
      build([2, 4, 4], ([i = 0, j = 0, k = 0]) =>
        j < 3 ? pick(a as Grid, [i, j, k]) : pick(b as Grid, [i, j - 3, k]),
      ),
  }),
  smooth("Slice", "inside", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.slice(x, [0, 1, 1], [-1, 2, 2]),
    oracle: first((x) => build([2, 2, 2], ([i = 0, j = 0, k = 0]) => pick(x, [i, j + 1, k + 1]))),
  }),
  smooth("SplitV", "uneven parts", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.mul(tf.split(x, [1, 3], 2)[1] as tf.Tensor, tf.split(x, [1, 3], 2)[0] as tf.Tensor),
    oracle: first((x) => build([2, 3, 3], ([i = 0, j = 0, k = 0]) => pick(x, [i, j, k + 1]) * pick(x, [i, j, 0]))),
  }),
  smooth("Pack", "new axis", {
    inputs: [spread([3]), spread([3], -1, 1, 3)],
    run: (a: tf.Tensor, b: tf.Tensor) => tf.stack([a, b], 1),
    oracle: ([a, b]) => build([3, 2], ([i = 0, j = 0]) => pick((j === 0 ? a : b) as Grid, [i])),
  }),
  smooth("Unpack", "product of rows", {
    inputs: [spread([2, 3])],
    run: (x: tf.Tensor) => {
      const [a, b] = tf.unstack(x) as [tf.Tensor, tf.Tensor];
      return tf.mul(a, b);
    },
    oracle: first((x) => build([3], ([i = 0]) => pick(x, [0, i]) * pick(x, [1, i]))),
  }),
  smooth("Tile", "both axes", {
    inputs: [spread([2, 3])],
    run: (x: tf.Tensor) => tf.tile(x, [2, 3]),
    oracle: first((x) => build([4, 9], ([i = 0, j = 0]) => pick(x, [i % 2, j % 3]))),
  }),
  smooth("Tile", "broadcastTo", {
    inputs: [spread([2, 1])],
    run: (x: tf.Tensor) => tf.broadcastTo(x, [3, 2, 4]),
    oracle: first((x) => build([3, 2, 4], (at) => pick(x, at))),
  }),
  smooth("PadV2", "with a value", {
    inputs: [spread([2, 2])],
    run: (x: tf.Tensor) =>
      tf.pad(
        x,
        [
          [1, 0],
          [0, 2],
        ],
        9,
      ),
    oracle: first((x) => build([3, 4], ([i = 0, j = 0]) => (i >= 1 && j < 2 ? pick(x, [i - 1, j]) : 9))),
  }),
  smooth("Reverse", "one axis", {
    inputs: [spread([2, 3])],
    run: (x: tf.Tensor) => tf.reverse(x, 1),
    oracle: first((x) => build([2, 3], ([i = 0, j = 0]) => pick(x, [i, 2 - j]))),
  }),
  exact("StridedSlice", "steps back and forth", {
    inputs: [spread([4, 5])],
    run: (x: tf.Tensor) => tf.stridedSlice(x, [0, 4], [4, 0], [2, -2]),
    oracle: first((x) => build([2, 2], ([i = 0, j = 0]) => pick(x, [2 * i, 4 - 2 * j]))),
  }),
  exact("Cast", "to int32 cuts towards 0", {
    inputs: [floats([1.9, -1.9, 0.5, -0.5])],
    run: (x: tf.Tensor) => tf.cast(x, "int32"),
    oracle: map1((x) => Math.trunc(x) + 0),
    dtype: "int32",
  }),
  exact("Cast", "to bool: NaN is true", {
    inputs: [floats([0, -0, 0.1, NaN])],
    run: (x: tf.Tensor) => tf.cast(x, "bool"),
    oracle: map1((x) => (x === 0 ? 0 : 1)),
    dtype: "bool",
  }),
  exact("Cast", "bool to float32", {
    inputs: [bools([0, 1])],
    run: (x: tf.Tensor) => tf.cast(x, "float32"),
    oracle: same,
  }),
  exact("OneHot", "outside is all off", {
    inputs: [ints([2, 0, 5, -1])],
    run: (x: tf.Tensor) => tf.oneHot(x as tf.Tensor1D, 3, 5, -1, "float32"),
    oracle: first((x) => build([4, 3], ([i = 0, j = 0]) => (x.data[i] === j ? 5 : -1))),
  }),
  exact("ZerosLike", "and OnesLike, Fill", {
    inputs: [spread([2, 3])],
    run: (x: tf.Tensor) => tf.add(tf.add(tf.zerosLike(x), tf.onesLike(x)), tf.fill([2, 3], 2)),
    oracle: map1(() => 3),
  }),
  exact("Range", "times LinSpace", {
    inputs: [spread([4])],
    run: (x: tf.Tensor) => tf.add(tf.mul(x, 0), tf.mul(tf.range(0, 4), tf.linspace(0, 3, 4))),
    oracle: () => ({ shape: [4], data: [0, 1, 4, 9] }),
  }),
];
