/** Parts that both towers are made of. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import { MASKED, type Rotary } from "../../model/layers.ts";
import { checkpoint } from "../../ops/checkpoint.ts";
import { rmsNorm } from "../../ops/rms-norm.ts";
import { swigluGate } from "../../ops/swiglu.ts";
import { loraScale } from "./lora.ts";
import type { QwenModelOptions, QwenParams } from "./types.ts";

/** Parameters and how they are used. */
export interface Scope {
  readonly params: QwenParams<tf.Tensor>;
  readonly options: QwenModelOptions;
}

/** A parameter by its name. @throws ConfigError when it is missing */
export const param = ({ params }: Scope, name: string): tf.Tensor => {
  const tensor = params[name];
  if (tensor !== undefined) return tensor;
  throw new ConfigError(`parameters: expected ${name}, which is missing`);
};

/** B·(A·x) times alpha / rank; undefined for a module without adapter. */
const adapted = (scope: Scope, name: string, x: tf.Tensor): tf.Tensor | undefined => {
  const a = scope.params[`${name}.lora_A.weight`];
  if (a === undefined) return undefined;
  if (scope.options.lora === undefined) {
    throw new ConfigError(`parameters: ${name} has an adapter, but the model was made without the lora option`);
  }
  const inner = tf.mul(tf.matMul(x, a, false, true), loraScale(scope.options.lora));
  return tf.matMul(inner, param(scope, `${name}.lora_B.weight`), false, true);
};

/** `x·Wᵀ + b`, and the adapter's part. Whether there is a bias or an adapter, the parameters say. `[…, in]` → `[…, out]`. */
export const linear = (scope: Scope, name: string, x: tf.Tensor): tf.Tensor => {
  const stored = param(scope, `${name}.weight`);
  const weight = tf.reshape(stored, [stored.shape[0] ?? 0, -1]); // the patch embedding is a convolution [out, c, t, y, x]
  const product = tf.matMul(x, weight, false, true);
  const bias = scope.params[`${name}.bias`];
  const whole = bias === undefined ? product : tf.add(product, bias);
  const extra = adapted(scope, name, x);
  return extra === undefined ? whole : tf.add(whole, extra);
};

/** RMSNorm with a scale by name. */
export const norm = (scope: Scope, name: string, x: tf.Tensor, eps: number): tf.Tensor =>
  rmsNorm(x, param(scope, `${name}.weight`), eps);

/** `down(silu(gate(x)) · up(x))`. */
export const mlp = (scope: Scope, at: string, x: tf.Tensor): tf.Tensor =>
  linear(scope, `${at}.down_proj`, swigluGate(linear(scope, `${at}.gate_proj`, x), linear(scope, `${at}.up_proj`, x)));

/** Runs a block; with the option `checkpoint`, its activations are forgotten and made again on the way back. */
export const block = (
  { params, options }: Scope,
  at: string,
  x: tf.Tensor,
  body: (scope: Scope, y: tf.Tensor) => tf.Tensor,
): tf.Tensor => {
  if (options.checkpoint !== true) return body({ params, options }, x);
  const names = Object.keys(params).filter((name) => name.startsWith(`${at}.`));
  const run = checkpoint((y, ...leaves) => {
    const own = Object.fromEntries(names.map((name, i) => [name, leaves[i] as tf.Tensor]));
    return body({ params: own, options }, y as tf.Tensor);
  });
  return run(x, ...names.map((name) => params[name] as tf.Tensor));
};

/** base^(−2i/size) for i below size/2, rounded to float32 where the reference rounds. */
export const inverseFrequencies = (base: number, size: number): number[] =>
  Array.from({ length: size / 2 }, (_, i) => Math.fround(1 / Math.fround(base ** Math.fround((2 * i) / size))));

/**
 * Cosines and sines for positions along several axes, each of which turns its own section of the frequencies.
 *
 * @param positions int32 `[axes, …]`.
 * @param sections For each axis the frequencies it turns; they lie one after another.
 * @returns `[…, 1, frequencies]`, which broadcasts over heads.
 */
export const rotaryAt = (positions: tf.Tensor, sections: readonly (readonly number[])[]): Rotary => {
  const [axes = 0, ...rest] = positions.shape;
  const total = sections.reduce((sum, section) => sum + section.length, 0);
  const rows = tf.split(tf.reshape(tf.cast(positions, "float32"), [axes, ...rest, 1, 1]), axes, 0);
  let from = 0;
  const angles = sections.map((section, i) => {
    const frequencies = new Float32Array(total);
    frequencies.set(section, from);
    from += section.length;
    return tf.mul(tf.reshape(rows[i] as tf.Tensor, [...rest, 1, 1]), tf.tensor(frequencies, [total]));
  });
  const angle = angles.reduce((sum, one) => tf.add(sum, one));
  return { cos: tf.cos(angle), sin: tf.sin(angle) };
};

/** 0 where `seen` is 1 and a large negative number where it is 0. */
export const hiding = (seen: tf.Tensor, shape: number[]): tf.Tensor =>
  tf.reshape(tf.mul(tf.sub(1, tf.cast(seen, "float32")), MASKED), shape);
