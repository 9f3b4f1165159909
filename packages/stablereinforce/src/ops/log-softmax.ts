/** log softmax in one kernel where there is one. */
import * as tf from "@tensorflow/tfjs-core";

/**
 * log softmax along the last axis, in nats. `tf.logSoftmax` is made of six kernels, each a pass over all logits; ONNX has
 * one, with a gradient of ours.
 */
export const logSoftmax = (logits: tf.Tensor): tf.Tensor =>
  tf.getKernel("LogSoftmax", tf.getBackend()) === undefined
    ? tf.logSoftmax(logits, -1)
    : (tf.engine().runKernel("LogSoftmax", { logits }, { axis: -1 }) as tf.Tensor);
