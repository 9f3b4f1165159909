/** Gradients with respect to named parameters, some of which a batch may not use. */
import * as tf from "@tensorflow/tfjs-core";

type Named = Readonly<Record<string, tf.Tensor>>;

/**
 * A scalar function's value and its gradients by name. Works eagerly and while tracing. A parameter that the function does not
 * use (the vision tower's, in a batch without images) gets zeros, where `tf.valueAndGrads` throws.
 */
export const valueAndNamedGrads = (
  f: (params: Named) => tf.Tensor,
  params: Named,
): { value: tf.Tensor; grads: Named } => {
  const names = Object.keys(params);
  const leaves = names.map((name) => params[name] as tf.Tensor);
  const { value, grads } = tf.engine().gradients(() => tf.reshape(f(params), []), leaves, undefined, true);
  const made = grads as (tf.Tensor | null | undefined)[];
  return {
    value,
    grads: Object.fromEntries(names.map((name, i) => [name, made[i] ?? tf.zerosLike(leaves[i] as tf.Tensor)])),
  };
};
