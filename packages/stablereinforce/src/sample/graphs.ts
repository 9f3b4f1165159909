/** The small transformer as the sampler sees it: reading a prompt into the cache, and one new token for every row. */
import * as tf from "@tensorflow/tfjs-core";
import { embedding } from "../ops/embedding.ts";
import type { FullConfig } from "../model/config.ts";
import { attend, MASKED, rotaryTables, type Heads, type Rotary } from "../model/layers.ts";
import type { TransformerParams } from "../model/params.ts";
import { finishLayer, project, unembed } from "../model/transformer.ts";
import { promptTokens, type Decoder, type DecodeOutputs, type DecodeStep, type KeysValues } from "./decoder.ts";

const tables = (c: FullConfig, rows: number): Rotary => {
  const { cos, sin } = rotaryTables(c, rows);
  const shape = [rows, c.headSize / 2];
  return { cos: tf.tensor(cos, shape), sin: tf.tensor(sin, shape) };
};

/**
 * Reads prompts: their keys and values, nothing else, since the first new token comes from decoding the last prompt token.
 * Tokens `[P, T]` → keys and values `[P, K, T, d]` per layer.
 */
const prefillGraph =
  (c: FullConfig) =>
  (params: TransformerParams<tf.Tensor>, tokens: tf.Tensor): KeysValues => {
    const length = tokens.shape[1] ?? 0;
    const { cos, sin } = tables(c, length);
    const column = [length, 1, c.headSize / 2];
    const rotary = { cos: tf.reshape(cos, column), sin: tf.reshape(sin, column) };
    const out: KeysValues = { keys: [], values: [] };
    let x = embedding(params.embedding, tokens);
    params.layers.forEach((layer, i) => {
      const heads = project(x, layer, rotary, c);
      out.keys.push(tf.transpose(heads.k, [0, 2, 1, 3]));
      out.values.push(tf.transpose(heads.v, [0, 2, 1, 3]));
      if (i < c.layers - 1) x = finishLayer(x, attend(heads, undefined, c), layer, c); // the last layer's output is not needed
    });
    return out;
  };

/** One token's attention over its row's cache and itself. Heads `[B, H or K, d]` → `[B, H·d]`. */
export const attendCached = (
  heads: Heads,
  cached: { k: tf.Tensor; v: tf.Tensor; bias: tf.Tensor },
  c: Pick<FullConfig, "heads" | "kvHeads" | "headSize">,
): tf.Tensor => {
  const batch = heads.q.shape[0] ?? 0;
  const [group, length] = [c.heads / c.kvHeads, cached.v.shape[2] ?? 0];
  const q = tf.reshape(tf.mul(heads.q, c.headSize ** -0.5), [batch, c.kvHeads, group, c.headSize]);
  const own = tf.sum(tf.mul(q, tf.expandDims(heads.k, 2)), -1, true);
  const scores = tf.concat([tf.add(tf.matMul(q, cached.k, false, true), cached.bias), own], -1);
  const [past, self] = tf.split(tf.softmax(scores), [length, 1], -1) as [tf.Tensor, tf.Tensor];
  const mixed = tf.add(tf.matMul(past, cached.v), tf.mul(self, tf.expandDims(heads.v, 2)));
  return tf.reshape(mixed, [batch, c.heads * c.headSize]);
};

/** One step: scores for every row. The cache is only read; the new rows are written by the caller. */
const decodeGraph =
  (c: FullConfig) =>
  (params: TransformerParams<tf.Tensor>, step: DecodeStep, cache: KeysValues): DecodeOutputs => {
    const batch = step.tokens.shape[0] ?? 0;
    const length = cache.values[0]?.shape[2] ?? 0;
    const table = tables(c, length + 1);
    const row = (x: tf.Tensor): tf.Tensor =>
      tf.reshape(tf.gather(x, step.positions as tf.Tensor1D), [batch, 1, c.headSize / 2]);
    const rotary = { cos: row(table.cos), sin: row(table.sin) };
    const filled = tf.less(tf.range(0, length, 1, "int32"), tf.reshape(step.filled, [batch, 1]));
    const bias = tf.reshape(tf.mul(tf.sub(1, tf.cast(filled, "float32")), MASKED), [batch, 1, 1, length]);
    let x = embedding(params.embedding, step.tokens);
    const rows: { k: tf.Tensor[]; v: tf.Tensor[] } = { k: [], v: [] };
    params.layers.forEach((layer, i) => {
      const heads = project(x, layer, rotary, c);
      rows.k.push(tf.reshape(heads.k, [batch, c.kvHeads * c.headSize]));
      rows.v.push(tf.reshape(heads.v, [batch, c.kvHeads * c.headSize]));
      const cached = { k: cache.keys[i] as tf.Tensor, v: cache.values[i] as tf.Tensor, bias };
      x = finishLayer(x, attendCached(heads, cached, c), layer, c);
    });
    return { logits: unembed(x, params, c), newKeys: tf.stack(rows.k), newValues: tf.stack(rows.v) };
  };

/** The small transformer as the sampler sees it. Prompts have no media and no offset. */
export const transformerDecoder = (c: FullConfig): Decoder<TransformerParams<tf.Tensor>> => {
  const prefill = prefillGraph(c);
  return {
    vocabSize: c.vocabSize,
    cache: { layers: c.layers, kvHeads: c.kvHeads, headSize: c.headSize },
    layPrompts: (prompts, shape) => ({ tokens: promptTokens(prompts, shape) }),
    prefill: (params, { tokens }) => prefill(params, tokens as tf.Tensor),
    decode: decodeGraph(c),
  };
};
