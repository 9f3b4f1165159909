/**
 * Log-probability of each target token over a large vocabulary, without one-hot vectors and without holding all logits.
 *
 * logp = log softmax(h·Wᵀ) at t. With P the softmax,
 *   dh = dy ⊙ (W[t] − P·W)            (a gather)
 *   dW = Σ_n dy_n h_n at row t_n − (dy ⊙ P)ᵀ·h   (a sum into rows)
 * Rows are done in chunks, and each chunk's logits are made again on the way back.
 */
import * as tf from "@tensorflow/tfjs-core";
import { EngineError } from "../engine/errors.ts";
import { after } from "./checkpoint.ts";
import { logSoftmax } from "./log-softmax.ts";

/** How rows are cut. */
export interface TokenLogpOptions {
  /** Rows of logits held at a time; by default as many as fit `CHUNK_ELEMENTS`. All rows at once keeps the logits instead. */
  readonly chunkRows?: number | undefined;
  /** Divides the logits, 1 by default. */
  readonly temperature?: number | undefined;
}

/** Logits held at a time by default: 2²⁷, half a gigabyte. */
export const CHUNK_ELEMENTS = 2 ** 27;

/** Rows `from … from + rows`. */
export interface Chunk {
  readonly from: number;
  readonly rows: number;
}

const chunksOf = (rows: number, each: number): Chunk[] =>
  Array.from({ length: Math.ceil(rows / each) }, (_, i) => ({ from: i * each, rows: Math.min(each, rows - i * each) }));

/** How rows are cut when nothing else is said. */
export const chunksFor = (hidden: tf.Tensor, weight: tf.Tensor, { chunkRows }: TokenLogpOptions): Chunk[] => {
  const [rows, vocabulary] = [hidden.shape[0] ?? 0, weight.shape[0] ?? 1];
  return chunksOf(rows, Math.max(1, Math.min(rows, chunkRows ?? Math.floor(CHUNK_ELEMENTS / vocabulary))));
};

/** The rows of a chunk. */
export const rowsOf = (x: tf.Tensor, { from, rows }: Chunk): tf.Tensor =>
  tf.slice(x, [from, ...x.shape.slice(1).map(() => 0)], [rows, ...x.shape.slice(1).map(() => -1)]);

/** h·Wᵀ */
export const logitsOf = (h: tf.Tensor, w: tf.Tensor): tf.Tensor => tf.matMul(h, w, false, true);

/** `[N]` → `[N, 1]` */
export const column = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [x.size, 1]);

const check = (hidden: tf.Tensor, weight: tf.Tensor, targets: tf.Tensor): void => {
  const fits = hidden.rank === 2 && weight.rank === 2 && hidden.shape[1] === weight.shape[1];
  if (fits && targets.rank === 1 && targets.shape[0] === hidden.shape[0] && targets.dtype === "int32") return;
  const got = [hidden, weight, targets].map((x) => `${x.dtype}[${x.shape.join(", ")}]`).join(", ");
  throw new EngineError(`expected hidden [N, D], weight [V, D] and int32 targets [N], got ${got}`, {
    reason: "shape",
    op: "tokenLogp",
  });
};

/** Chunks put together again. */
export const joined = (parts: tf.Tensor[]): tf.Tensor =>
  parts.length === 1 ? (parts[0] as tf.Tensor) : tf.concat(parts, 0);

interface Saved {
  readonly hidden: tf.Tensor;
  readonly weight: tf.Tensor;
  readonly targets: tf.Tensor;
  /** All log-probabilities `[N, V]`, when they are kept. */
  readonly all: tf.Tensor | undefined;
}

/** P·W and (dy ⊙ P)ᵀ·h of one chunk. */
const chunkBack = (dy: tf.Tensor, saved: Saved, chunk: Chunk): { dh: tf.Tensor; dw: tf.Tensor } => {
  const h = rowsOf(saved.hidden, chunk);
  const logp = saved.all ?? logSoftmax(logitsOf(after(h, dy), saved.weight));
  const weighted = tf.mul(tf.exp(logp), column(rowsOf(dy, chunk)));
  return { dh: tf.matMul(weighted, saved.weight), dw: tf.matMul(weighted, h, true) };
};

/** `x[n, ids[n]]`: `[N, V]` and int32 `[N]` → `[N]`. */
const atTargets = (x: tf.Tensor, ids: tf.Tensor): tf.Tensor => {
  const rows = tf.range(0, x.shape[0] ?? 0, 1, "int32");
  return tf.gatherND(x, tf.stack([rows, ids], 1));
};

const back = (dy: tf.Tensor, saved: Saved, chunks: readonly Chunk[]): tf.Tensor[] => {
  const parts = chunks.map((chunk) => chunkBack(dy, saved, chunk));
  const targets = saved.targets as tf.Tensor1D;
  const dh = tf.sub(tf.mul(column(dy), tf.gather(saved.weight, targets)), joined(parts.map((p) => p.dh)));
  const direct = tf.unsortedSegmentSum(tf.mul(column(dy), saved.hidden), targets, saved.weight.shape[0] ?? 0);
  return [dh, parts.reduce((sum, p) => tf.sub(sum, p.dw), direct as tf.Tensor)];
};

/**
 * Log-probabilities in nats of `targets` under softmax(hidden · weightᵀ / temperature).
 * `[N, D]`, `[V, D]`, int32 `[N]` → `[N]`. A target is 0 … V − 1, also where its weight is 0: pad with 0, not with −1 or −100. Others make
 * the call fail on CPUs; GPU providers do not look.
 * @throws EngineError `shape`
 */
export const tokenLogp = (
  hidden: tf.Tensor,
  weight: tf.Tensor,
  targets: tf.Tensor,
  options: TokenLogpOptions = {},
): tf.Tensor1D => {
  check(hidden, weight, targets);
  const chunks = chunksFor(hidden, weight, options);
  const temperature = options.temperature ?? 1;
  const cooled = temperature === 1 ? hidden : tf.div(hidden, temperature);
  const run = tf.customGrad((...all: unknown[]) => {
    const [h, w, save] = all as [tf.Tensor, tf.Tensor, (tensors: tf.Tensor[]) => void];
    const every = chunks.map((chunk) => logSoftmax(logitsOf(rowsOf(h, chunk), w)));
    const value = joined(every.map((logp, i) => atTargets(logp, rowsOf(targets, chunks[i] as Chunk))));
    save([h, w, targets, ...(chunks.length === 1 ? every : [])]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [hidden_, weight_, ids] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      return back(dy, { hidden: hidden_, weight: weight_, targets: ids, all: saved[3] }, chunks);
    };
    return { value, gradFunc: gradFunc as never };
  });
  return run(cooled, weight) as tf.Tensor1D;
};

/**
 * Weighted mean of −logp: Σ w·(−logp) / max(Σ w, tiny). `[N, D]`, `[V, D]`, int32 `[N]`, `[N]` → scalar, in nats.
 * @throws EngineError `shape`
 */
export const crossEntropy = (
  logits: { readonly hidden: tf.Tensor; readonly weight: tf.Tensor },
  targets: tf.Tensor,
  weights: tf.Tensor,
  options: TokenLogpOptions = {},
): tf.Scalar => {
  const logp = tokenLogp(logits.hidden, logits.weight, targets, options);
  const total = tf.maximum(tf.sum(weights), 1e-12);
  return tf.div(tf.neg(tf.sum(tf.mul(logp, weights))), total);
};
