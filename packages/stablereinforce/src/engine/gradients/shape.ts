/** Gradients of kernels that move, sum or multiply: shapes, reductions, gathers, matrix products. */
import * as tf from "@tensorflow/tfjs-core";
import { gate, real, saved, unbroadcast, type Back, type Gradient } from "./words.ts";

const axesOf = (b: Back, x: tf.Tensor, name = "axis"): number[] =>
  tf.util.parseAxisParam((b.attrs[name] ?? null) as never, x.shape);

/** `x` summed away along `axes` comes back with length-1 axes there. */
const kept = (x: tf.Tensor, shape: number[], axes: readonly number[]): tf.Tensor =>
  tf.reshape(
    x,
    shape.map((n, i) => (axes.includes(i) ? 1 : n)),
  );

const spread = (scale: (count: number) => number): Gradient => ({
  saves: ["x"],
  back: (b) => {
    const x = saved(b, 0);
    const axes = axesOf(b, x);
    const count = axes.reduce((n, axis) => n * (x.shape[axis] ?? 1), 1);
    const by = scale(count);
    const rows = (): tf.Tensor => kept(b.dy, x.shape, axes);
    if (x.size === 0) return { x: () => tf.zeros(x.shape) };
    return { x: () => tf.broadcastTo(by === 1 ? rows() : tf.mul(rows(), by), x.shape) };
  },
});

/** All elements equal to the extreme get the gradient, as in TensorFlow.js. */
const extreme = (name: string): Gradient => ({
  saves: ["x"],
  savesOutput: true,
  back: (b) => {
    const [x, y] = [saved(b, 0), saved(b, 1)];
    const axes = axesOf(b, x, name);
    const hit = (): tf.Tensor => tf.cast(tf.equal(x, kept(y, x.shape, axes)), "float32");
    return { x: () => tf.mul(kept(b.dy, x.shape, axes), hit()) };
  },
});

/**
 * Each element's gradient is the product of the others: y / x where no element is 0, the product of the rest where x is the only
 * 0, and 0 where another one is. (The slope of that slope is wrong where an element is 0.)
 */
const prod: Gradient = {
  saves: ["x"],
  back: (b) => {
    const x = saved(b, 0);
    const axes = axesOf(b, x);
    const others = (): tf.Tensor => {
      const value = real(x);
      const zero = tf.equal(value, 0);
      const filled = tf.where(zero, tf.onesLike(value), value);
      const zeros = tf.broadcastTo(tf.sum(tf.cast(zero, "float32"), axes, true), x.shape);
      const rest = tf.div(tf.prod(filled, axes, true), filled);
      const own = tf.cast(zero, "float32");
      return gate(tf.equal(zeros, own), rest);
    };
    return { x: () => (x.size === 0 ? tf.zeros(x.shape) : tf.mul(kept(real(b.dy), x.shape, axes), others())) };
  },
};

const reshaping = (name: string): Gradient => ({
  saves: [name],
  back: (b) => ({ [name]: () => tf.reshape(b.dy, saved(b, 0).shape) }),
});

const sizesAlong = (tensors: readonly tf.Tensor[], axis: number): number[] => tensors.map((x) => x.shape[axis] ?? 0);

const concat: Gradient = {
  savesAll: true,
  back: (b) => {
    const axis = tf.util.parseAxisParam(b.attrs["axis"] as number, saved(b, 0).shape)[0] ?? 0;
    const parts = tf.split(b.dy, sizesAlong(b.saved, axis), axis);
    return Object.fromEntries(parts.map((part, i) => [String(i), () => part]));
  },
};

const slice: Gradient = {
  saves: ["x"],
  back: (b) => {
    const x = saved(b, 0);
    const given = [b.attrs["begin"] as number[], b.attrs["size"] as number[]] as const;
    const [begin = [], size = []] = tf.slice_util.parseSliceParams(x, ...given);
    const paddings = begin.map((from, i): [number, number] => [from, (x.shape[i] ?? 0) - from - (size[i] ?? 0)]);
    return { x: () => tf.pad(b.dy, paddings) };
  },
};

const tile: Gradient = {
  saves: ["x"],
  back: (b) => {
    const x = saved(b, 0);
    const reps = b.attrs["reps"] as number[];
    const split = x.shape.flatMap((n, i) => [reps[i] ?? 1, n]);
    return {
      x: () =>
        tf.sum(
          tf.reshape(b.dy, split),
          x.shape.map((_, i) => 2 * i),
        ),
    };
  },
};

const rowsOf = (x: tf.Tensor): tf.Tensor2D =>
  tf.reshape(x, [tf.util.sizeFromShape(x.shape.slice(0, -1)), x.shape.at(-1) ?? 1]);

/** C = A·B: dA = dC·Bᵀ, dB = Aᵀ·dC; a stack of A against one B sums over the stack inside one product. */
const matMul: Gradient = {
  saves: ["a", "b"],
  back: (back) => {
    const [a, b, dy] = [real(saved(back, 0)), real(saved(back, 1)), back.dy];
    const [ta, tb] = [back.attrs["transposeA"] === true, back.attrs["transposeB"] === true];
    const da = (): tf.Tensor => (ta ? tf.matMul(b, dy, tb, true) : tf.matMul(dy, b, false, !tb));
    const db = (): tf.Tensor => {
      if (b.rank === 2 && a.rank > 2 && !ta) {
        return tb ? tf.matMul(rowsOf(dy), rowsOf(a), true) : tf.matMul(rowsOf(a), rowsOf(dy), true);
      }
      return tb ? tf.matMul(dy, a, true, ta) : tf.matMul(a, dy, !ta);
    };
    return { a: () => unbroadcast(da(), a.shape), b: () => unbroadcast(db(), b.shape) };
  },
};

/** Rows come back by summing into their places; axes are turned so that the gathered one is first. */
const gather: Gradient = {
  saves: ["x", "indices"],
  back: (b) => {
    const [x, indices] = [saved(b, 0), saved(b, 1)];
    const axis = tf.util.parseAxisParam(b.attrs["axis"] as number, x.shape)[0] ?? 0;
    const batch = Number(b.attrs["batchDims"] ?? 0);
    const byPlace = (): tf.Tensor => {
      const inner = x.shape.filter((_, i) => i !== axis);
      const moved = indices.shape.map((_, i) => axis + i);
      const rest = b.dy.shape.map((_, i) => i).filter((i) => !moved.includes(i));
      const rows = tf.reshape(tf.transpose(b.dy, [...moved, ...rest]), [
        indices.size,
        inner.reduce((p, n) => p * n, 1),
      ]);
      const ids = tf.cast(tf.reshape(indices, [indices.size]), "int32") as tf.Tensor1D;
      const summed = tf.reshape(tf.unsortedSegmentSum(rows, ids, x.shape[axis] ?? 0), [x.shape[axis] ?? 0, ...inner]);
      const back = x.shape.map((_, i) => (i === axis ? 0 : i < axis ? i + 1 : i));
      return tf.transpose(summed, back);
    };
    return {
      x: () => (batch === 0 ? byPlace() : batched(b.dy, x, indices, batch)),
      indices: () => tf.zeros(indices.shape),
    };
  },
};

/** axis = batchDims: batch and place become one index. */
const batched = (dy: tf.Tensor, x: tf.Tensor, indices: tf.Tensor, batch: number): tf.Tensor => {
  const outer = x.shape.slice(0, batch).reduce((p, n) => p * n, 1);
  const [length, each] = [x.shape[batch] ?? 0, indices.size / Math.max(1, outer)];
  const offsets = tf.mul(tf.reshape(tf.range(0, outer, 1, "int32"), [outer, 1]), tf.scalar(length, "int32"));
  const ids = tf.reshape(tf.add(tf.reshape(tf.cast(indices, "int32"), [outer, each]), offsets), [indices.size]);
  const rows = tf.reshape(dy, [indices.size, dy.size / Math.max(1, indices.size)]);
  return tf.reshape(tf.unsortedSegmentSum(rows, ids as tf.Tensor1D, outer * length), x.shape);
};

const segmentSum: Gradient = {
  saves: ["segmentIds"],
  back: (b) => {
    const ids = saved(b, 0) as tf.Tensor1D;
    const inside = tf.greaterEqual(ids, tf.scalar(0, "int32"));
    const rows = (): tf.Tensor => {
      const taken = tf.gather(b.dy, tf.maximum(ids, tf.scalar(0, "int32")) as tf.Tensor1D);
      const mask = tf.reshape(inside, [ids.size, ...taken.shape.slice(1).map(() => 1)]);
      return tf.where(mask, taken, tf.zerosLike(taken));
    };
    return { x: rows, segmentIds: () => tf.zeros(ids.shape) };
  },
};

const cumsum: Gradient = {
  saves: ["x"],
  back: (b) => {
    const axis = axesOf(b, saved(b, 0))[0] ?? 0;
    return { x: () => tf.cumsum(b.dy, axis, b.attrs["exclusive"] === true, b.attrs["reverse"] !== true) };
  },
};

const alongLast = (x: tf.Tensor): tf.Tensor => tf.sum(x, -1, true);

/** Gradients by kernel name. */
export const shapeGradients: Readonly<Record<string, Gradient>> = {
  Identity: { back: (b) => ({ x: () => real(b.dy) }) },
  Cast: { back: (b) => ({ x: () => real(b.dy) }) },
  Reshape: reshaping("x"),
  ExpandDims: reshaping("input"),
  Transpose: {
    back: (b) => ({ x: () => tf.transpose(b.dy, tf.backend_util.getUndoAxesPermutation(b.attrs["perm"] as number[])) }),
  },
  Concat: concat,
  Slice: slice,
  Tile: tile,
  BroadcastTo: { saves: ["x"], back: (b) => ({ x: () => unbroadcast(b.dy, saved(b, 0).shape) }) },
  PadV2: {
    saves: ["x"],
    back: (b) => {
      const begin = (b.attrs["paddings"] as [number, number][]).map(([before]) => before);
      return { x: () => tf.slice(b.dy, begin, saved(b, 0).shape) };
    },
  },
  Reverse: { back: (b) => ({ x: () => tf.reverse(b.dy, b.attrs["dims"] as number[]) }) },
  Sum: spread(() => 1),
  Mean: spread((count) => 1 / count),
  Prod: prod,
  Max: extreme("reductionIndices"),
  Min: extreme("axis"),
  Cumsum: cumsum,
  BatchMatMul: matMul,
  GatherV2: gather,
  UnsortedSegmentSum: segmentSum,
  GatherNd: {
    saves: ["params", "indices"],
    back: (b) => ({
      params: () => tf.scatterND(saved(b, 1), b.dy, saved(b, 0).shape),
      indices: () => tf.zeros(saved(b, 1).shape),
    }),
  },
  ScatterNd: {
    saves: ["indices"],
    back: (b) => ({ updates: () => tf.gatherND(b.dy, saved(b, 0)), indices: () => tf.zeros(saved(b, 0).shape) }),
  },
  OneHot: { saves: ["indices"], back: (b) => ({ indices: () => tf.zeros(saved(b, 0).shape) }) },
  Softmax: {
    savesOutput: true,
    back: (b) => ({
      logits: () => {
        const weighted = tf.mul(b.dy, saved(b, 0));
        return tf.sub(weighted, tf.mul(alongLast(weighted), saved(b, 0)));
      },
    }),
  },
  LogSoftmax: {
    savesOutput: true,
    back: (b) => ({ logits: () => tf.sub(b.dy, tf.mul(alongLast(b.dy), tf.exp(saved(b, 0)))) }),
  },
};
