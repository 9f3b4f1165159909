/** The text tower: embeddings with the vision tower's rows among them, grouped-query attention with M-RoPE, SwiGLU. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import { attendWith, rotate, type Heads, type Rotary } from "../../model/layers.ts";
import { embedding } from "../../ops/embedding.ts";
import { attendCached } from "../../sample/graphs.ts";
import { block, hiding, inverseFrequencies, linear, mlp, norm, param, rotaryAt, type Scope } from "./layers.ts";
import type { QwenInputs, QwenKeysValues, QwenStep, QwenTextConfig } from "./types.ts";

const EMBEDDING = "model.embed_tokens.weight";

/** Each frequency is turned by one of time, height and width. */
const sections = (t: QwenTextConfig): number[][] => {
  const all = inverseFrequencies(t.ropeTheta, t.headSize);
  let from = 0;
  return t.mropeSection.map((n) => all.slice(from, (from += n)));
};

/** Queries, keys and values of a layer for its normed input `[…, D]`. */
const project = (scope: Scope, at: string, x: tf.Tensor, [rotary, t]: readonly [Rotary, QwenTextConfig]): Heads => {
  const heads = (name: string, count: number): tf.Tensor =>
    tf.reshape(linear(scope, `${at}.${name}_proj`, x), [...x.shape.slice(0, -1), count, t.headSize]);
  return {
    q: rotate(heads("q", t.heads), rotary),
    k: rotate(heads("k", t.kvHeads), rotary),
    v: heads("v", t.kvHeads),
  };
};

/** One block. `mix` turns heads into `[…, H·d]`. */
const layer = (
  { scope, at, rotary, t }: { scope: Scope; at: string; rotary: Rotary; t: QwenTextConfig },
  x: tf.Tensor,
  mix: (heads: Heads) => tf.Tensor,
): tf.Tensor => {
  const heads = project(scope, `${at}.self_attn`, norm(scope, `${at}.input_layernorm`, x, t.normEps), [rotary, t]);
  const mixed = tf.add(x, linear(scope, `${at}.self_attn.o_proj`, mix(heads)));
  return tf.add(mixed, mlp(scope, `${at}.mlp`, norm(scope, `${at}.post_attention_layernorm`, mixed, t.normEps)));
};

/** Embeddings of tokens, and rows of the vision tower where `imageRows` says. → `[B, L, D]`. */
const embedded = (scope: Scope, inputs: QwenInputs<tf.Tensor>, rows: tf.Tensor | undefined): tf.Tensor => {
  const words = embedding(param(scope, EMBEDDING), inputs.tokens);
  if (rows === undefined) return words;
  if (inputs.imageRows === undefined)
    throw new ConfigError("inputs: expected imageRows, which say where the images are");
  const zero = tf.scalar(0, "int32");
  const isImage = tf.expandDims(tf.greaterEqual(inputs.imageRows, zero), -1);
  return tf.where(isImage, embedding(rows, tf.maximum(inputs.imageRows, zero)), words);
};

/** Last hidden states before the norm, `[B, L, D]`; keys and values of each layer go into `cache` when it is given. */
export const textTower = (
  scope: Scope,
  t: QwenTextConfig,
  [inputs, rows]: readonly [QwenInputs<tf.Tensor>, tf.Tensor | undefined],
  cache?: QwenKeysValues<tf.Tensor>,
): tf.Tensor => {
  const [batch = 0, length = 0] = inputs.tokens.shape;
  const rotary = rotaryAt(inputs.positions, sections(t));
  const bias = inputs.keyMask === undefined ? undefined : hiding(inputs.keyMask, [batch, 1, 1, length]);
  const mix = (heads: Heads): tf.Tensor => {
    cache?.keys.push(tf.transpose(heads.k, [0, 2, 1, 3]));
    cache?.values.push(tf.transpose(heads.v, [0, 2, 1, 3]));
    return attendWith(heads, { causal: true, bias });
  };
  let x = embedded(scope, inputs, rows);
  for (let i = 0; i < t.layers; i++) {
    const at = `model.layers.${i}`;
    x = block(scope, at, x, (own, y) => layer({ scope: own, at, rotary, t }, y, mix));
  }
  return x;
};

/** The last norm. */
export const lastNorm = (scope: Scope, t: QwenTextConfig, x: tf.Tensor): tf.Tensor =>
  norm(scope, "model.norm", x, t.normEps);

/** The matrix that turns hidden states into scores, `[V, D]`. */
export const headOf = (scope: Scope, t: QwenTextConfig): tf.Tensor =>
  param(scope, t.tiedEmbeddings ? EMBEDDING : "lm_head.weight");

/** One token for each row over its cache. → hidden `[B, D]` before the norm; new keys and values, `[B, K·d]` per layer. */
export const textStep = (
  scope: Scope,
  t: QwenTextConfig,
  step: QwenStep<tf.Tensor>,
  cache: QwenKeysValues<tf.Tensor>,
): { x: tf.Tensor; keys: tf.Tensor[]; values: tf.Tensor[] } => {
  const [batch = 0] = step.tokens.shape;
  const capacity = cache.values[0]?.shape[2] ?? 0;
  const places = tf.broadcastTo(tf.reshape(step.positions, [1, batch]), [3, batch]);
  const rotary = rotaryAt(places, sections(t));
  const filled = tf.less(tf.range(0, capacity, 1, "int32"), tf.reshape(step.filled, [batch, 1]));
  const bias = hiding(filled, [batch, 1, 1, capacity]);
  const [keys, values]: [tf.Tensor[], tf.Tensor[]] = [[], []];
  let x = embedding(param(scope, EMBEDDING), step.tokens);
  for (let i = 0; i < t.layers; i++) {
    const cached = { k: cache.keys[i] as tf.Tensor, v: cache.values[i] as tf.Tensor, bias };
    x = layer({ scope, at: `model.layers.${i}`, rotary, t }, x, (heads) => {
      keys.push(tf.reshape(heads.k, [batch, t.kvHeads * t.headSize]));
      values.push(tf.reshape(heads.v, [batch, t.kvHeads * t.headSize]));
      return attendCached(heads, cached, t);
    });
  }
  return { x, keys, values };
};
