/** Parts of a transformer in plain functional TensorFlow.js, so that every backend and the tracer run the same text. */
import * as tf from "@tensorflow/tfjs-core";
import { attention, type AttentionOptions } from "../ops/attention.ts";
import type { FullConfig } from "./config.ts";

/** Added to the score of a position that must not be seen. Finite, so that a fully masked row is no NaN. */
export const MASKED = -1e9;

/** Cosine and sine of rotary angles, `[positions, d/2]` each (arXiv 2104.09864). Computed in float64. */
export const rotaryTables = (c: FullConfig, positions: number): { cos: Float32Array; sin: Float32Array } => {
  const half = c.headSize / 2;
  const [cos, sin] = [new Float32Array(positions * half), new Float32Array(positions * half)];
  for (let t = 0; t < positions; t++) {
    for (let i = 0; i < half; i++) {
      const angle = t * c.ropeTheta ** (-(2 * i) / c.headSize);
      cos[t * half + i] = Math.cos(angle);
      sin[t * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
};

/** Tables that broadcast against the halves of `[…, heads, d]`. */
export interface Rotary {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
}

/**
 * Turns the halves of each head by its position's angles: (a, b) → (a·cos − b·sin, b·cos + a·sin). Written over whole heads: the doubled
 * tables are the same in every layer, and so one node each in a graph.
 */
export const rotate = (x: tf.Tensor, { cos, sin }: Rotary): tf.Tensor => {
  const [a, b] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
  const turned = tf.mul(tf.concat([b, a], -1), tf.concat([tf.neg(sin), sin], -1));
  return tf.add(tf.mul(x, tf.concat([cos, cos], -1)), turned);
};

/** Queries, keys and values of one layer. */
export interface Heads {
  /** `[…, H, d]`, turned. */
  readonly q: tf.Tensor;
  /** `[…, K, d]`, turned. */
  readonly k: tf.Tensor;
  /** `[…, K, d]`. */
  readonly v: tf.Tensor;
}

/** How many heads there are, and their size. */
export type HeadSizes = Pick<FullConfig, "heads" | "kvHeads" | "headSize">;

/** Splits the joint projection `[…, (H + 2K)·d]` into heads and turns queries and keys. */
export const splitHeads = (joint: tf.Tensor, rotary: Rotary, c: HeadSizes): Heads => {
  const heads = tf.reshape(joint, [...joint.shape.slice(0, -1), c.heads + 2 * c.kvHeads, c.headSize]);
  const axis = heads.rank - 2;
  const [turning, v] = tf.split(heads, [c.heads + c.kvHeads, c.kvHeads], axis) as [tf.Tensor, tf.Tensor];
  const [q, k] = tf.split(rotate(turning, rotary), [c.heads, c.kvHeads], axis) as [tf.Tensor, tf.Tensor];
  return { q, k, v };
};

const byHead = (x: tf.Tensor): tf.Tensor => tf.transpose(x, [0, 2, 1, 3]);

/** Attention over whole sequences. Heads `[B, T, H or K, d]` → `[B, T, H·d]`. */
export const attendWith = ({ q, k, v }: Heads, options: AttentionOptions): tf.Tensor => {
  const [batch = 0, length = 0, heads = 0, size = 0] = q.shape;
  const mixed = attention(byHead(q), byHead(k), byHead(v), options);
  return tf.reshape(byHead(mixed), [batch, length, heads * size]);
};

/**
 * Causal attention over whole sequences. Heads `[B, T, H or K, d]`.
 *
 * @param bias Added to the scores, `[B, 1, T, T]`: what hides padding.
 * @returns `[B, T, H·d]`.
 */
export const attend = (heads: Heads, bias: tf.Tensor | undefined, _c: FullConfig): tf.Tensor =>
  attendWith(heads, { causal: true, bias });

/** `down(silu(gate(x)) · up(x))` (arXiv 2002.05202). `[…, D]` → `[…, D]`. */
export const swiglu = (x: tf.Tensor, gateUp: tf.Tensor, down: tf.Tensor): tf.Tensor => {
  const [gate, up] = tf.split(tf.matMul(x, gateUp), 2, -1) as [tf.Tensor, tf.Tensor];
  return tf.matMul(tf.mul(tf.mul(gate, tf.sigmoid(gate)), up), down);
};
