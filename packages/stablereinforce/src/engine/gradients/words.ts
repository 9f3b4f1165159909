/** Words that the gradients are written with. */
import * as tf from "@tensorflow/tfjs-core";

/** The pieces of a gradient: the upstream gradient, what was saved, the kernel's attributes. */
export interface Back {
  readonly dy: tf.Tensor;
  readonly saved: readonly tf.Tensor[];
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** Kernel name → what to save and how to go back. */
export interface Gradient {
  readonly saves?: readonly string[];
  readonly savesAll?: true;
  readonly savesOutput?: true;
  readonly back: (b: Back) => Record<string, () => tf.Tensor>;
}

/** Saved tensor `i`: inputs in the order of `saves`, then the output. */
export const saved = (b: Back, i: number): tf.Tensor => {
  const tensor = b.saved[i];
  if (tensor === undefined) throw new Error(`gradient: saved tensor ${i} is missing`);
  return tensor;
};

/** Sums a gradient over the axes along which its input of `shape` was repeated. */
export const unbroadcast = (grad: tf.Tensor, shape: number[]): tf.Tensor => {
  const axes = tf.broadcast_util.getReductionAxes(shape, grad.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(grad, axes) : grad, shape);
};

/** `x` as float32: gradients of integer operands are float. */
export const real = (x: tf.Tensor): tf.Tensor => (x.dtype === "float32" ? x : tf.cast(x, "float32"));

/** One where the condition holds, times `dy`; a NaN in `dy` elsewhere is dropped. */
export const gate = (condition: tf.Tensor, dy: tf.Tensor): tf.Tensor => tf.where(condition, dy, tf.zerosLike(dy));
