/**
 * Activation checkpointing (arXiv 1604.06174): keep a function's inputs, forget what it made on the way, make it again when
 * the gradient comes.
 */
import * as tf from "@tensorflow/tfjs-core";

/**
 * `x` itself, but not before `other` is there. In a graph, a second computation on the same inputs would be merged with the
 * first (by us and by ONNX Runtime alike), which would keep alive exactly what checkpointing gives up.
 */
export const after = (x: tf.Tensor, other: tf.Tensor): tf.Tensor => {
  const first = tf.reshape(tf.slice(tf.reshape(other, [other.size]), [0], [1]), []);
  return tf.where(tf.isNaN(first), x, x);
};

interface Tape {
  readonly state: { activeTape: unknown };
}

/** `work` may itself take gradients: TensorFlow.js drops the outer tape then, which it still wants to clear afterwards. */
const keepingTape = <T>(work: () => T): T => {
  const { state } = tf.engine() as unknown as Tape;
  const tape = state.activeTape;
  try {
    return work();
  } finally {
    state.activeTape = tape;
  }
};

/**
 * `fn` with its inner activations forgotten. All tensors that need gradients must be arguments; the first one is the
 * activations. Gradients are exactly those of `fn`; it runs twice.
 */
export const checkpoint =
  (fn: (...inputs: tf.Tensor[]) => tf.Tensor) =>
  (...inputs: tf.Tensor[]): tf.Tensor => {
    const run = tf.customGrad((...all: unknown[]) => {
      const given = all.slice(0, -1) as tf.Tensor[];
      const save = all.at(-1) as (tensors: tf.Tensor[]) => void;
      save(given);
      const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
        const [first, ...rest] = saved as [tf.Tensor, ...tf.Tensor[]];
        return keepingTape(() => tf.grads(fn)([after(first, dy), ...rest], dy));
      };
      return { value: fn(...given), gradFunc: gradFunc as never };
    });
    return run(...inputs);
  };
