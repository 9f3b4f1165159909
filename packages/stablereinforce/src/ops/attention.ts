/**
 * Scaled dot-product attention with grouped queries (arXiv 2305.13245) and its gradient written out.
 *
 * Causal attention is done in blocks of rows: block i sees only the keys up to its own end, so with n blocks n + 1 of the
 * 2n halves of the square are computed. The gradient uses rowsum(dO ⊙ O) in place of rowsum(dP ⊙ P) (arXiv 2205.14135,
 * equation 4), which needs `[T, d]` elements instead of `[T, S]`.
 */
import * as tf from "@tensorflow/tfjs-core";
import { EngineError } from "../engine/errors.ts";

/** How attention is masked and cut. */
export interface AttentionOptions {
  /** Position t sees positions ≤ t + (S − T). False by default. */
  readonly causal?: boolean | undefined;
  /** Factor on the scores; 1/√d by default. */
  readonly scale?: number | undefined;
  /** Added to the scores, `[B | 1, 1, T | 1, S]`; carries no gradient. */
  readonly bias?: tf.Tensor | undefined;
  /** Row blocks of causal attention; chosen from T by default. */
  readonly blocks?: number | undefined;
}

/** Added to a score that must not count. Finite, so that a row that sees nothing is uniform and no NaN. */
const MASKED = -1e9;

interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly length: number;
  readonly keys: number;
  readonly size: number;
}

/** Rows `from … to`, which see keys `0 … seen`. */
interface Block {
  readonly from: number;
  readonly to: number;
  readonly seen: number;
}

const sizesOf = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): Sizes => {
  const [batch = 0, heads = 0, length = 0, size = 0] = q.shape;
  const [kBatch = 0, kvHeads = 0, keys = 0, kSize = 0] = k.shape;
  const fits = [q, k, v].every((x) => x.rank === 4) && batch === kBatch && size === kSize;
  if (!fits || heads % kvHeads !== 0 || v.shape.join() !== k.shape.join()) {
    const got = [q, k, v].map((x) => `[${x.shape.join(", ")}]`).join(", ");
    throw new EngineError(`expected q [B, H, T, d] and k, v [B, K, S, d] with K dividing H, got ${got}`, {
      reason: "shape",
      op: "attention",
    });
  }
  return { batch, heads, kvHeads, length, keys, size };
};

const blocksOf = ({ length, keys }: Sizes, options: AttentionOptions): Block[] => {
  if (options.causal !== true) return [{ from: 0, to: length, seen: keys }];
  const count = Math.max(1, Math.min(options.blocks ?? (length >= 256 ? 4 : length >= 128 ? 2 : 1), length));
  const each = Math.ceil(length / count);
  return Array.from({ length: Math.ceil(length / each) }, (_, i) => {
    const to = Math.min(length, (i + 1) * each);
    return { from: i * each, to, seen: to + keys - length };
  });
};

/** 0 where row t sees column s, a large negative number elsewhere: `[rows, seen]`. */
const causalBias = ({ from, to, seen }: Block, { length, keys }: Sizes): tf.Tensor => {
  const rows = tf.reshape(tf.range(from + keys - length, to + keys - length, 1, "int32"), [to - from, 1]);
  const columns = tf.reshape(tf.range(0, seen, 1, "int32"), [1, seen]);
  return tf.where(tf.greaterEqual(rows, columns), tf.scalar(0), tf.scalar(MASKED));
};

const rowsOf = (x: tf.Tensor, { from, to }: Block): tf.Tensor => tf.slice(x, [0, 0, from, 0], [-1, -1, to - from, -1]);

const keysOf = (x: tf.Tensor, { seen }: Block): tf.Tensor => tf.slice(x, [0, 0, 0, 0], [-1, -1, seen, -1]);

/** The G = H/K query heads of one key head one below the other: `[B, H, t, n]` → `[B, K, G·t, n]`. */
const fold = (x: tf.Tensor, s: Sizes): tf.Tensor =>
  tf.reshape(x, [s.batch, s.kvHeads, (s.heads / s.kvHeads) * (x.shape[2] ?? 0), x.shape[3] ?? 0]);

const unfold = (x: tf.Tensor, s: Sizes, rows: number): tf.Tensor =>
  tf.reshape(x, [s.batch, s.heads, rows, x.shape[3] ?? 0]);

const biased = (scores: tf.Tensor, block: Block, [s, options]: readonly [Sizes, AttentionOptions]): tf.Tensor => {
  const seen = options.causal === true ? tf.add(scores, causalBias(block, s)) : scores;
  if (options.bias === undefined) return seen;
  const rows = options.bias.shape[2] === 1 ? { from: 0, to: 1 } : block;
  const bias = tf.slice(options.bias, [0, 0, rows.from, 0], [-1, -1, rows.to - rows.from, block.seen]);
  return tf.add(seen, bias);
};

/** Weights `[B, H, t, seen]` and output `[B, H, t, d]` of one block. */
const forward = (qkv: readonly tf.Tensor[], block: Block, context: readonly [Sizes, AttentionOptions]) => {
  const [q, k, v] = qkv as [tf.Tensor, tf.Tensor, tf.Tensor];
  const [s] = context;
  const rows = block.to - block.from;
  const scores = tf.matMul(fold(rowsOf(q, block), s), keysOf(k, block), false, true);
  const weights = tf.softmax(biased(unfold(scores, s, rows), block, context));
  const out = unfold(tf.matMul(fold(weights, s), keysOf(v, block)), s, rows);
  return { weights, out };
};

interface BlockSaved {
  readonly block: Block;
  readonly weights: tf.Tensor;
}

/** dS = P ⊙ (dO·Vᵀ − rowsum(dO ⊙ O)); dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dO. */
const backward = (
  dy: tf.Tensor,
  out: tf.Tensor,
  qkv: readonly tf.Tensor[],
  [saved, s]: readonly [BlockSaved, Sizes],
) => {
  const [q, k, v] = qkv as [tf.Tensor, tf.Tensor, tf.Tensor];
  const { block, weights } = saved;
  const rows = block.to - block.from;
  const dOut = rowsOf(dy, block);
  const inner = tf.sum(tf.mul(dOut, rowsOf(out, block)), -1, true);
  const dWeights = unfold(tf.matMul(fold(dOut, s), keysOf(v, block), false, true), s, rows);
  const dScores = fold(tf.mul(weights, tf.sub(dWeights, inner)), s);
  const dq = unfold(tf.matMul(dScores, keysOf(k, block)), s, rows);
  const dk = tf.matMul(dScores, fold(rowsOf(q, block), s), true);
  const dv = tf.matMul(fold(weights, s), fold(dOut, s), true);
  return { dq, dk, dv };
};

/** Sums gradients of key prefixes of different lengths. */
const sumPrefixes = (parts: readonly tf.Tensor[], keys: number): tf.Tensor => {
  const padded = parts.map((part) => {
    const missing = keys - (part.shape[2] ?? 0);
    return missing === 0 ? part : tf.pad(part, [[0, 0], [0, 0], [0, missing], [0, 0]]); // prettier-ignore
  });
  return padded.reduce((sum, part) => tf.add(sum, part));
};

const joinRows = (parts: tf.Tensor[]): tf.Tensor =>
  parts.length === 1 ? (parts[0] as tf.Tensor) : tf.concat(parts, 2);

/**
 * softmax(scale · Q·Kᵀ + bias)·V. `[B, H, T, d]`, `[B, K, S, d]`, `[B, K, S, d]` → `[B, H, T, d]`.
 * @throws EngineError `shape`
 */
export const attention = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, options: AttentionOptions = {}): tf.Tensor => {
  const sizes = sizesOf(q, k, v);
  const blocks = blocksOf(sizes, options);
  const scaled = tf.mul(q, options.scale ?? sizes.size ** -0.5);
  const run = tf.customGrad((...all: unknown[]) => {
    const save = all[3] as (tensors: tf.Tensor[]) => void;
    const qkv = all.slice(0, 3) as tf.Tensor[];
    const done = blocks.map((block) => forward(qkv, block, [sizes, options]));
    const value = joinRows(done.map((one) => one.out));
    save([...qkv, value, ...done.map((one) => one.weights)]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const out = saved[3] as tf.Tensor;
      const parts = blocks.map((block, i) => {
        const kept = { block, weights: saved[4 + i] as tf.Tensor };
        return backward(dy, out, saved.slice(0, 3), [kept, sizes]);
      });
      const [dk, dv] = (["dk", "dv"] as const).map((name) =>
        sumPrefixes(
          parts.map((p) => p[name]),
          sizes.keys,
        ),
      );
      return [joinRows(parts.map((p) => p.dq)), dk as tf.Tensor, dv as tf.Tensor];
    };
    return { value, gradFunc: gradFunc as never };
  });
  return run(scaled, k, v);
};
