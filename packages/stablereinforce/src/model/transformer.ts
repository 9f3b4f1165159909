/**
 * A small causal transformer: RMSNorm, rotary positions (halves), grouped-query attention, SwiGLU. One text, run eagerly
 * by any TensorFlow.js backend or compiled through the tracer; the mathematics is Llama's and Qwen2's.
 */
import * as tf from "@tensorflow/tfjs-core";
import { fullConfig, type FullConfig, type TransformerConfig } from "./config.ts";
import { embedding } from "../ops/embedding.ts";
import { moveRows } from "../ops/rows.ts";
import { rmsNorm } from "../ops/rms-norm.ts";
import { tokenEntropy } from "../ops/token-entropy.ts";
import { tokenLogp } from "../ops/token-logp.ts";
import { attend, MASKED, rotaryTables, splitHeads, swiglu, type Heads, type Rotary } from "./layers.ts";
import type { LayerParams, TransformerParams } from "./params.ts";

/** What besides the tokens goes into a forward pass. */
export interface ForwardOptions {
  /** `[B, T]`, 1 where a token may be seen, 0 for padding. Right padding needs none: nothing before it sees it. */
  readonly keyMask?: tf.Tensor | undefined;
  /** `[B, T]` int32 positions for RoPE, below `maxPositions`. Default 0 … T−1. */
  readonly positions?: tf.Tensor | undefined;
  /** Rows of the rotary table when `positions` are given. Default T. */
  readonly maxPositions?: number | undefined;
}

/** Hides padded keys from every query: `[B, T]` → `[B, 1, T, T]`. */
const paddingBias = (length: number, keyMask: tf.Tensor | undefined): tf.Tensor | undefined => {
  if (keyMask === undefined) return undefined;
  const hidden = tf.mul(tf.sub(1, tf.cast(keyMask, "float32")), MASKED);
  return tf.broadcastTo(tf.reshape(hidden, [-1, 1, 1, length]), [keyMask.shape[0] ?? 0, 1, length, length]);
};

const rotaryOf = (c: FullConfig, length: number, options: ForwardOptions): Rotary => {
  const rows = options.maxPositions ?? length;
  const tables = rotaryTables(c, rows);
  const pick = (data: Float32Array): tf.Tensor => {
    const table = tf.tensor(data, [rows, c.headSize / 2]);
    if (options.positions === undefined) return tf.reshape(tf.slice(table, [0, 0], [length, -1]), [length, 1, -1]);
    const rowsAt = tf.gather(table, options.positions as tf.Tensor2D);
    return tf.reshape(rowsAt, [-1, length, 1, c.headSize / 2]);
  };
  return { cos: pick(tables.cos), sin: pick(tables.sin) };
};

/** Queries, keys and values of a layer for its input `[…, D]`. */
export const project = (x: tf.Tensor, layer: LayerParams<tf.Tensor>, rotary: Rotary, c: FullConfig): Heads => {
  const joint = tf.matMul(rmsNorm(x, layer.attentionNorm, c.normEps), layer.qkv);
  return splitHeads(layer.qkvBias === undefined ? joint : tf.add(joint, layer.qkvBias), rotary, c);
};

/** The second half of a layer: attention's result into the residual stream, then SwiGLU. */
export const finishLayer = (
  x: tf.Tensor,
  mixed: tf.Tensor,
  layer: LayerParams<tf.Tensor>,
  c: FullConfig,
): tf.Tensor => {
  const attended = tf.add(x, tf.matMul(mixed, layer.attentionOut));
  return tf.add(attended, swiglu(rmsNorm(attended, layer.mlpNorm, c.normEps), layer.gateUp, layer.down));
};

/** The matrix that turns hidden states into scores, `[V, D]`. */
const headOf = (params: TransformerParams<tf.Tensor>): tf.Tensor => params.head ?? params.embedding;

/** Scores of every next token from the last layer's output. `[…, D]` → `[…, V]`. */
export const unembed = (x: tf.Tensor, params: TransformerParams<tf.Tensor>, c: FullConfig): tf.Tensor => {
  const rows = tf.reshape(rmsNorm(x, params.norm, c.normEps), [-1, c.hiddenSize]);
  return tf.reshape(tf.matMul(rows, headOf(params), false, true), [...x.shape.slice(0, -1), c.vocabSize]);
};

/** Tokens whose log-probability is wanted, S of them, wherever they stand in a batch `[B, T]`. All int32. */
export interface ScoredTokens {
  /** `[S]` place b·T + t of the token *before* each one, −1 for none. No place occurs twice. */
  readonly before: tf.Tensor;
  /** `[B·T]` which of the S each place comes before, −1 for none. */
  readonly inverse: tf.Tensor;
  /** `[S]` their ids. */
  readonly targets: tf.Tensor;
}

/** A model's functions. They are pure: parameters in, tensors out. */
export interface Transformer {
  readonly config: FullConfig;
  /** Scores of the next token at every position. Tokens `[B, T]` int32 → `[B, T, V]`. */
  readonly logits: (params: TransformerParams<tf.Tensor>, tokens: tf.Tensor, options?: ForwardOptions) => tf.Tensor;
  /**
   * Log-probability in nats of each token given those before it, times `mask`. Column 0 has nothing before it and is 0.
   * Tokens and mask `[B, T]` → `[B, T]`.
   */
  readonly logp: (
    params: TransformerParams<tf.Tensor>,
    tokens: tf.Tensor,
    mask: tf.Tensor,
    options?: ForwardOptions,
  ) => tf.Tensor;
  /**
   * Log-probability in nats of some tokens given those before them; the head sees no others. 0 where
   * `before` is −1. Tokens `[B, T]` → `[S]`.
   */
  readonly scored: (
    params: TransformerParams<tf.Tensor>,
    tokens: tf.Tensor,
    wanted: ScoredTokens,
    options?: ForwardOptions,
  ) => tf.Tensor;
  /** As `scored`, with the entropy of the distribution that each token was drawn from, in nats: `[S]` each. */
  readonly scoredWithEntropy: (...args: Parameters<Transformer["scored"]>) => {
    readonly logp: tf.Tensor;
    readonly entropy: tf.Tensor;
  };
  /** Mean negative log-probability over the masked tokens; 0 when the mask is empty. → scalar. */
  readonly loss: (
    params: TransformerParams<tf.Tensor>,
    tokens: tf.Tensor,
    mask: tf.Tensor,
    options?: ForwardOptions,
  ) => tf.Tensor;
}

const hidden = (c: FullConfig, params: TransformerParams<tf.Tensor>, tokens: tf.Tensor, options: ForwardOptions) => {
  const length = tokens.shape[1] ?? 0;
  const [rotary, bias] = [rotaryOf(c, length, options), paddingBias(length, options.keyMask)];
  let x = embedding(params.embedding, tokens);
  for (const layer of params.layers) x = finishLayer(x, attend(project(x, layer, rotary, c), bias, c), layer, c);
  return x;
};

/** Makes a model's functions. Throws `ConfigError` on sizes that do not fit together. */
export const transformer = (config: TransformerConfig): Transformer => {
  const c = fullConfig(config);
  const logits: Transformer["logits"] = (params, tokens, options = {}) =>
    unembed(hidden(c, params, tokens, options), params, c);
  const logp: Transformer["logp"] = (params, tokens, mask, options = {}) => {
    const [batch = 0, length = 0] = tokens.shape;
    const before = tf.slice(hidden(c, params, tokens, options), [0, 0, 0], [batch, length - 1, c.hiddenSize]);
    const rows = tf.reshape(rmsNorm(before, params.norm, c.normEps), [-1, c.hiddenSize]);
    const targets = tf.reshape(tf.slice(tokens, [0, 1], [batch, length - 1]), [-1]);
    const given = tf.reshape(tokenLogp(rows, headOf(params), targets), [batch, length - 1]);
    const padded = tf.concat([tf.zeros([batch, 1]), given], 1);
    return tf.mul(padded, tf.cast(mask, "float32"));
  };
  const rowsBefore = (...[params, tokens, { before, inverse }, options = {}]: Parameters<Transformer["scored"]>) => {
    const all = tf.reshape(hidden(c, params, tokens, options), [-1, c.hiddenSize]);
    const rows = rmsNorm(moveRows(all, before, inverse), params.norm, c.normEps);
    const orZero = (x: tf.Tensor): tf.Tensor =>
      tf.where(tf.greaterEqual(before, tf.scalar(0, "int32")), x, tf.zerosLike(x));
    return { rows, orZero };
  };
  const scored: Transformer["scored"] = (...args) => {
    const { rows, orZero } = rowsBefore(...args);
    return orZero(tokenLogp(rows, headOf(args[0]), args[2].targets));
  };
  const scoredWithEntropy: Transformer["scoredWithEntropy"] = (...args) => {
    const { rows, orZero } = rowsBefore(...args);
    const head = headOf(args[0]);
    return { logp: orZero(tokenLogp(rows, head, args[2].targets)), entropy: orZero(tokenEntropy(rows, head)) };
  };
  const loss: Transformer["loss"] = (params, tokens, mask, options = {}) => {
    const [batch = 0, length = 0] = tokens.shape;
    const scored = tf.slice(tf.cast(mask, "float32"), [0, 1], [batch, length - 1]); // column 0 is never predicted
    return tf.div(tf.neg(tf.sum(logp(params, tokens, mask, options))), tf.maximum(tf.sum(scored), 1));
  };
  return { config: c, logits, logp, scored, scoredWithEntropy, loss };
};
