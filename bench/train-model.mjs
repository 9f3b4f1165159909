/**
 * The transformer that the training benchmark steps: pre-norm decoder, RMSNorm, RoPE (halves), multi-head attention without
 * bias, SwiGLU, tied head, masked cross-entropy, AdamW. bench/train_torch.py has the same in PyTorch.
 */
import * as tf from "@tensorflow/tfjs-core";
import { adamw, attention, checkpoint, crossEntropy, embedding, rmsNorm, swigluGate } from "@r1reward/stablereinforce";

/** Sizes by name. */
export const CONFIGS = {
  A: { d: 128, layers: 4, heads: 4, ffn: 352, vocab: 512, length: 128, batch: 16 },
  B: { d: 256, layers: 6, heads: 8, ffn: 704, vocab: 4096, length: 256, batch: 16 },
  C: { d: 512, layers: 8, heads: 8, ffn: 1376, vocab: 32768, length: 512, batch: 4 },
};

/** Parameter names and shapes, in the order of the weight file. */
export const shapesOf = (c) => [
  ["embed", [c.vocab, c.d]],
  ...Array.from({ length: c.layers }, (_, i) => [
    [`${i}.norm1`, [c.d]],
    [`${i}.qkv`, [c.d, 3 * c.d]],
    [`${i}.out`, [c.d, c.d]],
    [`${i}.norm2`, [c.d]],
    [`${i}.gateUp`, [c.d, 2 * c.ffn]],
    [`${i}.down`, [c.ffn, c.d]],
  ]).flat(),
  ["norm", [c.d]],
];

/** 6·P·T for the matrices plus 12·L·d·S·T for attention: floating-point operations of one step (no causal discount). */
export const flopsPerStep = (c) => {
  const params = shapesOf(c).reduce((sum, [, shape]) => sum + shape.reduce((p, n) => p * n, 1), 0);
  const tokens = c.batch * c.length;
  return 6 * params * tokens + 12 * c.layers * c.d * c.length * tokens;
};

/** Uniform numbers of a 32-bit generator (mulberry32), the same everywhere. */
const uniform = (seed) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Weights as one Float32Array in the order of `shapesOf`, and tokens `[batch, length + 1]`. */
export const makeData = (c) => {
  const random = uniform(7);
  const weights = shapesOf(c).map(([name, shape]) => {
    const size = shape.reduce((p, n) => p * n, 1);
    if (name.includes("norm")) return new Float32Array(size).fill(1);
    return Float32Array.from({ length: size }, () => (random() * 2 - 1) * 0.035);
  });
  const tokens = Int32Array.from({ length: c.batch * (c.length + 1) }, () => Math.floor(random() * c.vocab));
  return { weights, tokens };
};

const rotary = (c) => {
  const half = c.d / c.heads / 2;
  const table = (f) => {
    const values = new Float32Array(c.length * half);
    for (let t = 0; t < c.length; t++) {
      for (let i = 0; i < half; i++) values[t * half + i] = f(t * 10000 ** (-i / half));
    }
    return tf.tensor(values, [c.length, half]);
  };
  return { cos: table(Math.cos), sin: table(Math.sin) };
};

const rotate = (x, { cos, sin }) => {
  const [a, b] = tf.split(x, 2, -1);
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], -1);
};

const block = (x, p, i, { c, table }) => {
  const h = rmsNorm(x, p[`${i}.norm1`]);
  const heads = tf.reshape(tf.matMul(h, p[`${i}.qkv`]), [c.batch, c.length, 3 * c.heads, c.d / c.heads]);
  // Heads go to the front before they are turned: tables then repeat over whole [length, half] planes, not over short rows.
  const [qk, v] = tf.split(tf.transpose(heads, [0, 2, 1, 3]), [2 * c.heads, c.heads], 1);
  const [q, k] = tf.split(rotate(qk, table), 2, 1);
  const mixed = attention(q, k, v, { causal: true });
  const y = tf.add(x, tf.matMul(tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, c.d]), p[`${i}.out`]));
  const [gate, up] = tf.split(tf.matMul(rmsNorm(y, p[`${i}.norm2`]), p[`${i}.gateUp`]), 2, -1);
  return tf.add(y, tf.matMul(swigluGate(gate, up), p[`${i}.down`]));
};

const PARTS = ["norm1", "qkv", "out", "norm2", "gateUp", "down"];

/** A block whose inner activations are forgotten and made again for the gradient. */
const forgetful = (x, p, i, context) => {
  const names = PARTS.map((part) => `${i}.${part}`);
  const inner = (y, ...leaves) => block(y, Object.fromEntries(names.map((name, k) => [name, leaves[k]])), i, context);
  return checkpoint(inner)(x, ...names.map((name) => p[name]));
};

/** Mean negative log-likelihood of the next tokens. */
const lossOf = (p, tokens, { c, forget }) => {
  const rows = c.batch * c.length;
  const ids = tf.slice(tokens, [0, 0], [c.batch, c.length]);
  const next = tf.reshape(tf.slice(tokens, [0, 1], [c.batch, c.length]), [rows]);
  const context = { c, table: rotary(c) };
  let x = tf.reshape(embedding(p.embed, ids), [rows, c.d]);
  for (let i = 0; i < c.layers; i++) x = (forget ? forgetful : block)(x, p, i, context);
  return crossEntropy({ hidden: rmsNorm(x, p.norm), weight: p.embed }, next, tf.ones([rows]));
};

const optimiser = adamw({ weightDecay: 0 });

/** One training step: state and tokens to new state and loss. With `checkpoint`, blocks keep their inputs only. */
export const makeStep =
  (c, options = {}) =>
  (state, tokens) => {
    const names = Object.keys(state.params).sort();
    const how = { c, forget: options.checkpoint === true };
    const f = (...leaves) => lossOf(Object.fromEntries(names.map((name, i) => [name, leaves[i]])), tokens, how);
    const { value, grads } = tf.valueAndGrads(f)(names.map((name) => state.params[name]));
    const tree = Object.fromEntries(names.map((name, i) => [name, grads[i]]));
    const learningRate = tf.scalar(1e-3);
    const next = optimiser.update({ params: state.params, grads: tree, state: state.opt, learningRate });
    return { state: { params: next.params, opt: next.state }, loss: value };
  };
