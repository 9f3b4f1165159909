/**
 * Entropy of the distribution over a large vocabulary at each row, in chunks as `tokenLogp` does it.
 *
 * H = −Σ_j p_j·log p_j,  ∂H/∂z_j = −p_j·(log p_j + H)
 */
import * as tf from "@tensorflow/tfjs-core";
import { EngineError } from "../engine/errors.ts";
import { after } from "./checkpoint.ts";
import { logSoftmax } from "./log-softmax.ts";
import { chunksFor, column, joined, logitsOf, rowsOf, type TokenLogpOptions } from "./token-logp.ts";

const entropyOf = (logp: tf.Tensor): tf.Tensor => tf.neg(tf.sum(tf.mul(tf.exp(logp), logp), -1));

/**
 * Entropies in nats of softmax(hidden · weightᵀ). `[N, D]`, `[V, D]` → `[N]`.
 * @throws EngineError `shape`
 */
export const tokenEntropy = (
  hidden: tf.Tensor,
  weight: tf.Tensor,
  options: Pick<TokenLogpOptions, "chunkRows"> = {},
): tf.Tensor1D => {
  if (hidden.rank !== 2 || weight.rank !== 2 || hidden.shape[1] !== weight.shape[1]) {
    const got = [hidden, weight].map((x) => `[${x.shape.join(", ")}]`).join(", ");
    throw new EngineError(`expected hidden [N, D] and weight [V, D], got ${got}`, {
      reason: "shape",
      op: "tokenEntropy",
    });
  }
  const chunks = chunksFor(hidden, weight, options);
  const run = tf.customGrad((...all: unknown[]) => {
    const [h, w, save] = all as [tf.Tensor, tf.Tensor, (tensors: tf.Tensor[]) => void];
    save([h, w]);
    const value = joined(chunks.map((chunk) => entropyOf(logSoftmax(logitsOf(rowsOf(h, chunk), w)))));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [rows, head] = saved as [tf.Tensor, tf.Tensor];
      const parts = chunks.map((chunk) => {
        const x = rowsOf(rows, chunk);
        const logp = logSoftmax(logitsOf(after(x, dy), head)); // made again: see `after`
        const slope = tf.neg(tf.mul(tf.exp(logp), tf.add(logp, column(entropyOf(logp)))));
        const dz = tf.mul(slope, column(rowsOf(dy, chunk)));
        return { dh: tf.matMul(dz, head), dw: tf.matMul(dz, x, true) };
      });
      const dw = parts.map((part) => part.dw).reduce((sum, part) => tf.add(sum, part));
      return [joined(parts.map((part) => part.dh)), dw];
    };
    return { value, gradFunc: gradFunc as never };
  });
  return run(hidden, weight) as tf.Tensor1D;
};
