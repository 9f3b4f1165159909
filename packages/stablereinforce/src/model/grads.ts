/** Gradients with respect to every parameter, as a tree like the parameters. */
import * as tf from "@tensorflow/tfjs-core";
import { mapParams, namedParams, type TransformerParams } from "./params.ts";

/** A value and its gradients. */
export interface ValueAndParamGrads {
  /** Scalar. */
  readonly value: tf.Tensor;
  readonly grads: TransformerParams<tf.Tensor>;
}

/**
 * Evaluates a scalar function of the parameters together with its gradients. Works eagerly and while tracing. A parameter
 * that the function does not use gets zeros.
 */
export const valueAndParamGrads = (
  f: (params: TransformerParams<tf.Tensor>) => tf.Tensor,
  params: TransformerParams<tf.Tensor>,
): ValueAndParamGrads => {
  const names = [...namedParams(params).keys()];
  const rebuild = (leaves: readonly tf.Tensor[]): TransformerParams<tf.Tensor> =>
    mapParams(params, (_, name) => leaves[names.indexOf(name)] as tf.Tensor);
  const run = tf.valueAndGrads((...leaves: tf.Tensor[]) => tf.reshape(f(rebuild(leaves)), []) as tf.Scalar);
  const { value, grads } = run([...namedParams(params).values()]);
  return { value, grads: rebuild(grads) };
};
