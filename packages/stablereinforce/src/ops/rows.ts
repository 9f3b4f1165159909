/** Rows moved to other places, with a gradient that moves them back: gathers both ways, where autodiff would scatter. */
import * as tf from "@tensorflow/tfjs-core";

const taken = (x: tf.Tensor, index: tf.Tensor, whole: boolean): tf.Tensor => {
  const rows = tf.gather(x, tf.maximum(index, tf.scalar(0, "int32")) as tf.Tensor1D);
  if (whole) return rows;
  const filled = tf.reshape(tf.greaterEqual(index, tf.scalar(0, "int32")), [index.size, 1]);
  return tf.where(filled, rows, tf.zerosLike(rows));
};

/**
 * `y[i] = x[index[i]]`, 0 where the index is −1. `[n, D]`, int32 `[m]` → `[m, D]`.
 *
 * @param inverse int32 `[n]`: where each row went, −1 for nowhere. No row goes to two places.
 * @param whole Says that neither list has a −1, which saves a pass over the rows.
 */
export const moveRows = (x: tf.Tensor, index: tf.Tensor, inverse: tf.Tensor, whole = false): tf.Tensor => {
  const run = tf.customGrad((...all: unknown[]) => {
    const [rows, save] = all as [tf.Tensor, (tensors: tf.Tensor[]) => void];
    save([inverse]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => [taken(dy, saved[0] as tf.Tensor, whole)];
    return { value: taken(rows, index, whole), gradFunc: gradFunc as never };
  });
  return run(x);
};

/** Where each of n rows stands in `index`, −1 for nowhere. int32 `[m]` with −1 for none → int32 `[n]`. Exact below 2²⁴ rows. */
export const inverseOf = (index: tf.Tensor, n: number): tf.Tensor => {
  const m = index.size;
  const none = tf.less(index, tf.scalar(0, "int32"));
  const places = tf.reshape(tf.where(none, tf.fill([m], n, "int32"), index), [m, 1]); // row n takes what has no place
  const counted = tf.scatterND(places as tf.Tensor2D, tf.range(1, m + 1, 1, "float32"), [n + 1]);
  return tf.sub(tf.cast(tf.slice(counted, [0], [n]), "int32"), tf.scalar(1, "int32"));
};
