/** AdamW (arXiv 1711.05101, algorithm 2) as a pure function of tensors: eager, or one piece of a compiled step. */
import * as tf from "@tensorflow/tfjs-core";
import { EngineError } from "../engine/errors.ts";
import { mapTrees } from "./trees.ts";

/** Constants of AdamW; the defaults are PyTorch's. */
export interface AdamWOptions {
  readonly beta1?: number | undefined;
  readonly beta2?: number | undefined;
  readonly epsilon?: number | undefined;
  /** 0.01 by default. */
  readonly weightDecay?: number | undefined;
  /** Which parameters decay; those of two and more axes by default (not norms and biases). */
  readonly decays?: ((path: string, shape: readonly number[]) => boolean) | undefined;
}

/** Moments, in the shape of the parameters, and the number of steps made. */
export interface AdamWState<P, T = tf.Tensor> {
  readonly m: P;
  readonly v: P;
  /** float32 scalar: exact up to 2²⁴ steps. */
  readonly step: T;
}

/** What one update needs. */
export interface AdamWInput<P> {
  readonly params: P;
  readonly grads: P;
  readonly state: AdamWState<P>;
  /** Learning rate: a scalar tensor, so that a schedule needs no second graph. */
  readonly learningRate: tf.Tensor;
}

/** An optimiser as two pure functions. */
export interface AdamW {
  readonly init: <P>(params: P) => AdamWState<P>;
  readonly update: <P>(input: AdamWInput<P>) => { params: P; state: AdamWState<P> };
}

type Constants = { readonly [K in keyof AdamWOptions]-?: NonNullable<AdamWOptions[K]> };

interface Rates {
  /** lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ) */
  readonly step: tf.Tensor;
  /** ε·√(1 − β₂ᵗ) */
  readonly epsilon: tf.Tensor;
  /** 1 − lr·λ */
  readonly keep: tf.Tensor;
}

// m̂/(√v̂ + ε) = (√c₂/c₁)·m/(√v + ε√c₂) with cᵢ = 1 − βᵢᵗ: the corrections become three scalars per step.
// 1 − βᵗ = −tanh(x/2)·(exp(x) + 1) with x = t·log β: no digits are lost while t is small.
const ratesOf = (t: tf.Tensor, lr: tf.Tensor, o: Constants): Rates => {
  const correction = (beta: number): tf.Tensor => {
    const x = tf.mul(t, Math.log(beta));
    return tf.neg(tf.mul(tf.tanh(tf.mul(x, 0.5)), tf.add(tf.exp(x), 1)));
  };
  const root = tf.sqrt(correction(o.beta2));
  return {
    step: tf.div(tf.mul(lr, root), correction(o.beta1)),
    epsilon: tf.mul(root, o.epsilon),
    keep: tf.sub(1, tf.mul(lr, o.weightDecay)),
  };
};

const complete = (options: AdamWOptions): Constants => {
  const full = {
    beta1: options.beta1 ?? 0.9,
    beta2: options.beta2 ?? 0.999,
    epsilon: options.epsilon ?? 1e-8,
    weightDecay: options.weightDecay ?? 0.01,
    decays: options.decays ?? ((_path: string, shape: readonly number[]) => shape.length >= 2),
  };
  const betas = [full.beta1, full.beta2].every((beta) => beta > 0 && beta < 1);
  if (!betas || !(full.epsilon > 0) || !(full.weightDecay >= 0)) {
    const { beta1, beta2, epsilon, weightDecay } = full;
    const got = JSON.stringify({ beta1, beta2, epsilon, weightDecay });
    throw new EngineError(`adamw: expected betas in (0, 1), epsilon > 0 and weightDecay ≥ 0, got ${got}`, {
      reason: "attribute",
    });
  }
  return full;
};

/**
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w(1 − lr·λ) − lr·m̂/(√v̂ + ε).
 * @throws EngineError `attribute` for constants outside their ranges; `tree` when trees differ
 */
export const adamw = (options: AdamWOptions = {}): AdamW => {
  const o = complete(options);
  return {
    init: (params) => ({
      m: mapTrees([params], ([p]) => tf.zerosLike(p as tf.Tensor)),
      v: mapTrees([params], ([p]) => tf.zerosLike(p as tf.Tensor)),
      step: tf.scalar(0),
    }),
    update: ({ params, grads, state, learningRate }) => {
      const step = tf.add(state.step, 1);
      const rates = ratesOf(step, learningRate, o);
      const m = mapTrees([state.m, grads], ([a, g]) => blend(a as tf.Tensor, g as tf.Tensor, o.beta1));
      const v = mapTrees([state.v, grads], ([a, g]) => blend(a as tf.Tensor, tf.square(g as tf.Tensor), o.beta2));
      const moved = mapTrees([params, m, v], ([w, mw, vw], path) => {
        const weight = w as tf.Tensor;
        const kept = o.weightDecay > 0 && o.decays(path, weight.shape) ? tf.mul(weight, rates.keep) : weight;
        const by = tf.div(mw as tf.Tensor, tf.add(tf.sqrt(vw as tf.Tensor), rates.epsilon));
        return tf.sub(kept, tf.mul(by, rates.step));
      });
      return { params: moved, state: { m, v, step } };
    },
  };
};

const blend = (old: tf.Tensor, fresh: tf.Tensor, beta: number): tf.Tensor =>
  tf.add(tf.mul(old, beta), tf.mul(fresh, 1 - beta));
