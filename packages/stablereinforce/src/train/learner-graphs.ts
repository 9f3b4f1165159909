/** The graphs of an update: whole, or cut into micro-batches whose gradients are summed before one step of the optimiser. */
import * as tf from "@tensorflow/tfjs-core";
import type { BatchTotal } from "../algorithm/index.ts";
import { registerGradients } from "../engine/index.ts";
import { accumulate, adamw, clipByGlobalNorm, mapTrees, type AdamWOptions, type AdamWState } from "../optim/index.ts";
import type { Params, Policy, PolicyOutput } from "../policy/index.ts";

/** What a minibatch is judged by, beside the policy's own inputs: all `[B, L]`. */
export type Columns<T> = Readonly<Record<string, T>>;

/** A scalar to be minimised and what there is to tell about it. */
export interface Judged {
  readonly loss: tf.Scalar;
  readonly stats: Readonly<Record<string, tf.Scalar>>;
}

/** The loss of a forward pass. Losses of micro-batches, given the totals of their minibatch, add up to the minibatch's. */
export type Objective = (output: PolicyOutput, columns: Columns<tf.Tensor2D>, total?: BatchTotal) => Judged;

/** What the graphs are made of. */
export interface GraphOptions {
  readonly policy: Pick<Policy, "logp">;
  readonly objective: Objective;
  readonly adam: AdamWOptions;
  readonly maxGradNorm: number;
  readonly nonFinite: "skip" | "apply";
}

/** Weights and moments. */
export interface State<T> {
  readonly params: Params<T>;
  readonly optimiser: AdamWState<Params<T>, T>;
}

/** A minibatch or a part of one, laid out. */
export interface LaidOut<T> {
  readonly inputs: Params<T>;
  readonly columns: Columns<T>;
  /** Of the minibatch that this is a part of. */
  readonly total?: { readonly sequences: T; readonly tokens: T };
}

/** Forward and backward. */
const differentiate = (
  { policy, objective }: GraphOptions,
  params: Params<tf.Tensor>,
  { inputs, columns, total }: LaidOut<tf.Tensor>,
) => {
  registerGradients();
  const names = Object.keys(params);
  const box: { stats: Judged["stats"]; logp: tf.Tensor | undefined } = { stats: {}, logp: undefined };
  const run = tf.valueAndGrads((...leaves: tf.Tensor[]) => {
    const output = policy.logp(Object.fromEntries(names.map((name, i) => [name, leaves[i] as tf.Tensor])), inputs);
    const judged = objective(output, columns as Columns<tf.Tensor2D>, total as BatchTotal | undefined);
    for (const value of [...Object.values(judged.stats), output.logp]) tf.keep(value);
    [box.stats, box.logp] = [judged.stats, output.logp];
    return judged.loss;
  });
  const { value, grads } = run(names.map((name) => params[name] as tf.Tensor));
  const named = Object.fromEntries(names.map((name, i) => [name, grads[i] as tf.Tensor]));
  return { loss: value, grads: named, stats: box.stats, logp: box.logp as tf.Tensor };
};

interface Step {
  readonly state: State<tf.Tensor>;
  readonly grads: Params<tf.Tensor>;
  readonly loss: tf.Tensor;
  readonly learningRate: tf.Tensor;
}

/** Clip → AdamW. A step that is not finite leaves everything as it was, unless it is to be applied all the same. */
const stepOf = (options: GraphOptions) => {
  const optimiser = adamw(options.adam);
  return ({ state, grads, loss, learningRate }: Step) => {
    const { grads: clipped, norm } = clipByGlobalNorm(grads, options.maxGradNorm);
    const moved = optimiser.update({ params: state.params, grads: clipped, state: state.optimiser, learningRate });
    const next: State<tf.Tensor> = { params: moved.params, optimiser: moved.state };
    if (options.nonFinite === "apply") return { state: next, norm };
    const good = tf.logicalAnd(tf.isFinite(loss), tf.isFinite(norm));
    const kept = mapTrees([next, state], ([fresh, old]) => tf.where(good, fresh as tf.Tensor, old as tf.Tensor));
    return { state: kept, norm };
  };
};

/** loss → gradients → clip → AdamW, as one function of tensors. */
export const updateGraph = (options: GraphOptions) => {
  const step = stepOf(options);
  return (state: State<tf.Tensor>, batch: LaidOut<tf.Tensor>, learningRate: tf.Tensor) => {
    const { grads, ...told } = differentiate(options, state.params, batch);
    return { ...told, ...step({ state, grads, loss: told.loss, learningRate }) };
  };
};

/** Adds the gradients of a micro-batch to `sums`, or begins anew when `more` is 0. */
export const gradientGraph =
  (options: GraphOptions) =>
  (params: Params<tf.Tensor>, sums: Params<tf.Tensor>, batch: LaidOut<tf.Tensor>, more: tf.Tensor) => {
    const { grads, ...told } = differentiate(options, params, batch);
    // chosen, not multiplied: what was left behind may be NaN
    const before = mapTrees([sums], ([sum]) =>
      tf.where(tf.greater(more, 0), sum as tf.Tensor, tf.zerosLike(sum as tf.Tensor)),
    );
    return { ...told, sums: accumulate(before, grads) };
  };

/** One step of the optimiser with gradients that were summed. */
export const applyGraph = (options: GraphOptions) => {
  const step = stepOf(options);
  return (state: State<tf.Tensor>, grads: Params<tf.Tensor>, loss: tf.Tensor, learningRate: tf.Tensor) =>
    step({ state, grads, loss, learningRate });
};
