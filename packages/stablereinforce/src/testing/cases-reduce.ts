/** Kernels along axes. */
import * as tf from "@tensorflow/tfjs-core";
import { bools, floats, spread, type KernelCase } from "./cases.ts";
import { exact, first, smooth, total, X } from "./cases-words.ts";
import { along, build, pick, positions, rows } from "./oracle.ts";

const top = (xs: number[]): number => (xs.some(Number.isNaN) ? Number.NaN : Math.max(...xs));
const bottom = (xs: number[]): number => (xs.some(Number.isNaN) ? Number.NaN : Math.min(...xs));

const softmaxRow = (row: number[]): number[] => {
  const high = Math.max(...row);
  const e = row.map((x) => Math.exp(x - high));
  return e.map((x) => x / total(e));
};

/** Cases of sums, extremes, scans and softmax. */
export const reductionCases: readonly KernelCase[] = [
  smooth("Sum", "one axis", { inputs: [X], run: (x: tf.Tensor) => tf.sum(x, 1), oracle: along([1], total) }),
  smooth("Sum", "two axes, kept", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.sum(x, [0, 2], true),
    oracle: along([0, 2], total, true),
  }),
  smooth("Sum", "all", { inputs: [X], run: (x: tf.Tensor) => tf.sum(x), oracle: along([0, 1, 2], total) }),
  smooth("Mean", "last axis", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.mean(x, -1),
    oracle: along([2], (xs) => total(xs) / xs.length),
  }),
  smooth("Max", "axis", { inputs: [X], run: (x: tf.Tensor) => tf.max(x, 1), oracle: along([1], top) }),
  smooth("Min", "axis, kept", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.min(x, 2, true),
    oracle: along([2], bottom, true),
  }),
  exact("Max", "NaN anywhere", {
    inputs: [floats([1, NaN, 3, NaN, 2, 1, 3, 2, NaN], [3, 3])],
    run: (x: tf.Tensor) => tf.max(x, 1),
    oracle: along([1], top),
  }),
  exact("Min", "NaN anywhere", {
    inputs: [floats([1, NaN, 3, NaN, 2, 1, 3, 2, NaN], [3, 3])],
    run: (x: tf.Tensor) => tf.min(x, 1),
    oracle: along([1], bottom),
  }),
  exact("Max", "all −Inf", {
    inputs: [floats([-Infinity, -Infinity])],
    run: (x: tf.Tensor) => tf.max(x),
    oracle: along([0], top),
  }),
  smooth("Prod", "axis", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.prod(x, 1),
    oracle: along([1], (xs) => xs.reduce((p, x) => p * x, 1)),
  }),
  exact("Sum", "bool counts", {
    inputs: [bools([1, 0, 1, 1], [2, 2])],
    run: (x: tf.Tensor) => tf.sum(x, 1),
    oracle: along([1], total),
    dtype: "int32",
  }),
  exact("All", "axis", {
    inputs: [bools([1, 1, 0, 1], [2, 2])],
    run: (x: tf.Tensor) => tf.all(x, 1),
    oracle: along([1], bottom),
    dtype: "bool",
  }),
  exact("Any", "axis", {
    inputs: [bools([1, 0, 0, 0], [2, 2])],
    run: (x: tf.Tensor) => tf.any(x, 1),
    oracle: along([1], top),
    dtype: "bool",
  }),
  exact("ArgMax", "first of equals", {
    inputs: [floats([1, 3, 3, 0, -1, -1], [2, 3])],
    run: (x: tf.Tensor) => tf.argMax(x, 1),
    oracle: along([1], (xs) => xs.indexOf(top(xs))),
    dtype: "int32",
  }),
  exact("ArgMin", "first of equals", {
    inputs: [floats([1, 0, 0, 0, -1, -1], [2, 3])],
    run: (x: tf.Tensor) => tf.argMin(x, 1),
    oracle: along([1], (xs) => xs.indexOf(bottom(xs))),
    dtype: "int32",
  }),
  smooth("Softmax", "rows", { inputs: [X], run: (x: tf.Tensor) => tf.softmax(x), oracle: rows(softmaxRow) }),
  exact("Softmax", "large and −Inf", {
    inputs: [floats([1000, 999, -Infinity, 0, 0, 0], [2, 3])],
    run: (x: tf.Tensor) => tf.softmax(x),
    oracle: rows(softmaxRow),
  }),
  smooth("LogSoftmax", "rows", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.logSoftmax(x),
    oracle: rows((row) => softmaxRow(row).map(Math.log)),
  }),
  smooth("Cumsum", "rows", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.cumsum(x, 2),
    oracle: rows((row) => row.map((_, i) => total(row.slice(0, i + 1)))),
  }),
  smooth("Cumsum", "first axis, exclusive, reverse", {
    inputs: [spread([3])],
    run: (x: tf.Tensor) => tf.cumsum(x, 0, true, true),
    oracle: rows((row) => row.map((_, i) => total(row.slice(i + 1)))),
  }),
  smooth("Cumsum", "axis 0 of a matrix", {
    inputs: [spread([3, 2])],
    run: (x: tf.Tensor) => tf.cumsum(x, 0),
    oracle: first((x) =>
      build(x.shape, ([i = 0, j = 0]) => total(Array.from({ length: i + 1 }, (_, k) => pick(x, [k, j])))),
    ),
  }),
  exact("TopK", "values, sorted", {
    inputs: [X],
    run: (x: tf.Tensor) => tf.topk(x, 2).values,
    oracle: first((x) => ({
      shape: [2, 3, 2],
      data: positions([2, 3]).flatMap((at) =>
        [0, 1, 2, 3]
          .map((k) => pick(x, [...at, k]))
          .sort((a, b) => b - a)
          .slice(0, 2),
      ),
    })),
  }),
  exact("TopK", "indices", {
    inputs: [floats([1, 5, 3, 9, 0, 4], [2, 3])],
    run: (x: tf.Tensor) => tf.topk(x, 2).indices,
    oracle: () => ({ shape: [2, 2], data: [1, 2, 0, 2] }),
    dtype: "int32",
  }),
  exact("SearchSorted", "left", {
    inputs: [floats([0.1, 0.5, 0.9, 0.2, 0.3, 1], [2, 3]), floats([0.5, 0.25], [2, 1])],
    run: (s: tf.Tensor, v: tf.Tensor) => tf.searchSorted(s, v, "left"),
    oracle: () => ({ shape: [2, 1], data: [1, 1] }),
    dtype: "int32",
  }),
];
