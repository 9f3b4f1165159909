/** Arithmetic on trees of tensors: clipping and accumulating gradients. */
import * as tf from "@tensorflow/tfjs-core";
import { EngineError } from "../engine/errors.ts";
import { flatten, pathOf, rebuild } from "../engine/tree.ts";

/**
 * Applies `f` to the leaves of equal trees, position by position. Paths are like `layers.0.wq`.
 * @throws EngineError `tree` when the structures differ
 */
export const mapTrees = <P>(
  trees: readonly [P, ...P[]],
  f: (leaves: readonly tf.Tensor[], path: string) => tf.Tensor,
): P => {
  const flats = trees.map((tree) => flatten<tf.Tensor>(tree, ""));
  const [first] = flats;
  const template = JSON.stringify(first?.template);
  if (first === undefined || flats.some((flat) => JSON.stringify(flat.template) !== template)) {
    throw new EngineError("trees of different structure", { reason: "tree" });
  }
  const made = first.leaves.map((_, i) => {
    const leaves = flats.map((flat) => flat.leaves[i] as tf.Tensor);
    return f(leaves, pathOf(first, i).slice(1));
  });
  return rebuild(first.template, made) as P;
};

/**
 * √Σ‖g‖² over all tensors of a tree: a scalar. Summed in the order the tensors were made, so that a graph can be done with the last
 * layer's gradient, the first to be made, before it begins the one below: see engine/onnx/schedule.ts.
 */
export const globalNorm = (tree: unknown): tf.Scalar => {
  const made = [...flatten<tf.Tensor>(tree).leaves].sort((a, b) => a.id - b.id);
  const squares = made.map((g) => tf.sum(tf.square(g)));
  return tf.sqrt(squares.reduce<tf.Tensor>((sum, one) => tf.add(sum, one), tf.scalar(0))) as tf.Scalar;
};

/**
 * Scales a tree so that its global norm is at most `most` (arXiv 1211.5063): factor min(1, most/(norm + 1e-6)), as in
 * PyTorch. A norm of NaN or Inf gives NaN, which the caller sees in `norm`.
 */
export const clipByGlobalNorm = <P>(grads: P, most: number): { grads: P; norm: tf.Scalar } => {
  const norm = globalNorm(grads);
  const factor = tf.minimum(1, tf.div(most, tf.add(norm, 1e-6)));
  return { grads: mapTrees([grads], ([g]) => tf.mul(g as tf.Tensor, factor)), norm };
};

/** Zeros in the shape of a tree: where accumulation begins. */
export const zerosLikeTree = <P>(tree: P): P => mapTrees([tree], ([x]) => tf.zerosLike(x as tf.Tensor));

/** `sum + weight·grads`, leaf by leaf: gradient accumulation over micro-batches. */
export const accumulate = <P>(sum: P, grads: P, weight: tf.Tensor | number = 1): P =>
  mapTrees([sum, grads], ([a, g]) =>
    tf.add(a as tf.Tensor, weight === 1 ? (g as tf.Tensor) : tf.mul(g as tf.Tensor, weight)),
  );
