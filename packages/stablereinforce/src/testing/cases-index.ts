/** Kernels with indices, and matrix products. */
import * as tf from "@tensorflow/tfjs-core";
import { ints, spread, type KernelCase } from "./cases.ts";
import { exact, first, smooth, total } from "./cases-words.ts";
import { build, matmul, permute, pick, type Grid } from "./oracle.ts";

const IDS = ints([2, 0, 2, 2], [2, 2]);
const table = spread([3, 4]);

/** Cases of gathers and scatters. */
export const indexCases: readonly KernelCase[] = [
  smooth("GatherV2", "rows, repeated", {
    inputs: [table],
    run: (x: tf.Tensor) =>
      tf.gather(
        x,
        tf.tensor2d(
          [
            [2, 0],
            [2, 2],
          ],
          [2, 2],
          "int32",
        ) as unknown as tf.Tensor1D,
      ),
    oracle: first((x) => build([2, 2, 4], ([i = 0, j = 0, k = 0]) => pick(x, [pick(IDS, [i, j]), k]))),
  }),
  smooth("GatherV2", "columns", {
    inputs: [table],
    run: (x: tf.Tensor) => tf.gather(x, tf.tensor1d([3, 1, 3], "int32"), 1),
    oracle: first((x) => build([3, 3], ([i = 0, j = 0]) => pick(x, [i, [3, 1, 3][j] ?? 0]))),
  }),
  smooth("GatherV2", "batched", {
    inputs: [spread([2, 3, 2])],
    run: (x: tf.Tensor) =>
      tf.gather(
        x,
        tf.tensor2d(
          [
            [2, 0],
            [1, 1],
          ],
          [2, 2],
          "int32",
        ) as unknown as tf.Tensor1D,
        1,
        1,
      ),
    oracle: first((x) =>
      build([2, 2, 2], ([b = 0, i = 0, k = 0]) =>
        pick(x, [
          b,
          [
            [2, 0],
            [1, 1],
          ][b]?.[i] ?? 0,
          k,
        ]),
      ),
    ),
  }),
  smooth("GatherNd", "places", {
    inputs: [table],
    run: (x: tf.Tensor) =>
      tf.gatherND(
        x,
        tf.tensor2d(
          [
            [0, 1],
            [2, 3],
            [0, 1],
          ],
          [3, 2],
          "int32",
        ),
      ),
    oracle: first((x) => ({ shape: [3], data: [pick(x, [0, 1]), pick(x, [2, 3]), pick(x, [0, 1])] })),
  }),
  smooth("ScatterNd", "repeated places add up", {
    inputs: [spread([3])],
    run: (x: tf.Tensor) => tf.scatterND(tf.tensor2d([[1], [3], [1]], [3, 1], "int32"), x, [4]),
    oracle: first((x) => ({ shape: [4], data: [0, pick(x, [0]) + pick(x, [2]), 0, pick(x, [1])] })),
  }),
  exact("TensorScatterUpdate", "places", {
    inputs: [spread([2, 3]), spread([2], 5, 6)],
    run: (x: tf.Tensor, u: tf.Tensor) =>
      tf.tensorScatterUpdate(
        x,
        tf.tensor2d(
          [
            [0, 1],
            [1, 2],
          ],
          [2, 2],
          "int32",
        ),
        u,
      ),
    oracle: ([x, u]) =>
      build([2, 3], ([i = 0, j = 0]) =>
        i === 0 && j === 1 ? pick(u as Grid, [0]) : i === 1 && j === 2 ? pick(u as Grid, [1]) : pick(x as Grid, [i, j]),
      ),
  }),
  smooth("UnsortedSegmentSum", "repeated, missing and outside ids", {
    inputs: [spread([4, 2])],
    run: (x: tf.Tensor) => tf.unsortedSegmentSum(x, tf.tensor1d([1, 1, -1, 0], "int32"), 3),
    oracle: first((x) =>
      build([3, 2], ([r = 0, c = 0]) => total([1, 1, -1, 0].map((id, i) => (id === r ? pick(x, [i, c]) : 0)))),
    ),
  }),
];

const swapped = (xs: readonly Grid[], a: boolean, b: boolean): Grid[] =>
  xs.map((x, i) => {
    const axes = x.shape.map((_, axis) => axis);
    return (i === 0 ? a : b) ? permute([...axes.slice(0, -2), axes.length - 1, axes.length - 2])([x]) : x;
  });

const product = (
  name: string,
  a: number[],
  b: number[],
  [ta, tb]: readonly [boolean, boolean] = [false, false],
): KernelCase =>
  smooth("BatchMatMul", name, {
    inputs: [spread(a), spread(b, -2, 2, 3)],
    run: (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y, ta, tb),
    oracle: (xs) => matmul(swapped(xs, ta, tb)),
  });

/** Cases of matrix products. */
export const productCases: readonly KernelCase[] = [
  product("plain", [3, 4], [4, 2]),
  product("A transposed", [4, 3], [4, 2], [true, false]),
  product("B transposed", [3, 4], [2, 4], [false, true]),
  product("both transposed", [4, 3], [2, 4], [true, true]),
  product("stacked", [2, 3, 4], [2, 4, 2]),
  product("stack times one matrix", [2, 3, 4], [4, 2]),
  product("stack times one transposed", [2, 3, 4], [2, 4], [false, true]),
  product("stack with transposed stack", [2, 2, 4, 3], [2, 2, 4, 2], [true, false]),
  product("broadcast stack", [2, 1, 3, 4], [3, 4, 2]),
  exact("Einsum", "bij,jk->bik", {
    inputs: [spread([2, 2, 3]), spread([3, 4], -2, 2, 3)],
    run: (a: tf.Tensor, b: tf.Tensor) => tf.einsum("bij,jk->bik", a, b),
    oracle: matmul,
  }),
];
