/** Choosing a token from scores, in the graph: no `[B, V]` tensor leaves the runtime. */
import * as tf from "@tensorflow/tfjs-core";
import { MASKED } from "../model/layers.ts";

/** The static part of the choice; one graph serves one of these. */
export interface ChoiceSettings {
  /** 0 is greedy; others lie between 1e-30 and 1e30. */
  readonly temperature: number;
  /** 0 keeps all. */
  readonly topK: number;
  /** 1 keeps all. */
  readonly topP: number;
  /** 1 is none. */
  readonly repetitionPenalty: number;
  /** How many of the likeliest tokens to tell beside the chosen one. 0 by default. */
  readonly alternatives?: number | undefined;
}

/** A choice per row. */
export interface Choice {
  /** `[B]` int32. */
  readonly token: tf.Tensor;
  /** `[B]`, nats, under the scores as they came. */
  readonly logp: tf.Tensor;
  /** `[B]`, nats, under the distribution that was drawn from. */
  readonly behaviourLogp: tf.Tensor;
  /** `[B, k]` int32, likeliest first; only when alternatives were asked for. */
  readonly topTokens?: tf.Tensor;
  /** `[B, k]`, nats, under the scores as they came. */
  readonly topLogp?: tf.Tensor;
}

const at = (rows: tf.Tensor, token: tf.Tensor): tf.Tensor =>
  tf.reshape(tf.gather(rows, tf.reshape(token, [-1, 1]) as tf.Tensor2D, 1, 1), [-1]);

const penalised = (logits: tf.Tensor, seen: tf.Tensor, penalty: number): tf.Tensor => {
  const lowered = tf.where(tf.greater(logits, 0), tf.div(logits, penalty), tf.mul(logits, penalty));
  return tf.where(tf.greater(seen, 0), lowered, logits);
};

const keepAbove = (logits: tf.Tensor, threshold: tf.Tensor): tf.Tensor =>
  tf.where(tf.greaterEqual(logits, threshold), logits, tf.fill(logits.shape, MASKED));

/** Smaller p would be 0 in float32, which nothing is below: not even the likeliest token, before which there is nothing. */
const LEAST_P = 1e-30;

/** The score of the last token that is kept: the first ones whose probabilities, before it, are below p. `[B, 1]`. */
const topPThreshold = (sorted: tf.Tensor, topP: number): tf.Tensor => {
  const before = tf.cumsum(tf.softmax(sorted), 1, true);
  return tf.min(tf.where(tf.less(before, Math.max(topP, LEAST_P)), sorted, tf.fill(sorted.shape, -MASKED)), -1, true);
};

const cut = (logits: tf.Tensor, { topK, topP }: ChoiceSettings): tf.Tensor => {
  const vocab = logits.shape[1] ?? 0;
  const k = topK > 0 && topK < vocab ? topK : vocab;
  if (k === vocab && topP >= 1) return logits;
  const sorted = tf.topk(logits, k, true).values;
  const kth = tf.slice(sorted, [0, k - 1], [-1, 1]);
  return keepAbove(logits, topP < 1 ? topPThreshold(sorted, topP) : kth);
};

/** Below this temperature the likeliest score is taken off first: quotients would pass float32, or what stands for cut tokens. */
const SHARP = 0.01;

const tempered = (scores: tf.Tensor, temperature: number): tf.Tensor =>
  tf.div(temperature < SHARP ? tf.sub(scores, tf.max(scores, -1, true)) : scores, temperature);

/** The divisor of n nearest to its square root: two short sums instead of one long one. 1 when n is prime. */
const chunkLength = (n: number): number => {
  for (let size = Math.floor(Math.sqrt(n)); size > 1; size--) if (n % size === 0) return n / size;
  return n;
};

/** How many of a row's running sums are at or below the target: the index of the first one above it. `[B]`. */
const firstAbove = (sums: tf.Tensor, target: tf.Tensor): tf.Tensor =>
  tf.cast(tf.sum(tf.cast(tf.lessEqual(sums, target), "float32"), -1), "int32");

/**
 * Draws by inverting the cumulative distribution: the first token whose sum exceeds u · total. A token of probability 0 adds
 * nothing to the sum and cannot be first. `uniforms` are multiples of 2⁻²³ below 1, so that u · total stays below total.
 * The sum runs over chunks first and then inside the chunk that was hit: running sums over 100,000 entries are slow.
 */
const draw = (probabilities: tf.Tensor, uniforms: tf.Tensor): tf.Tensor => {
  const [batch = 0, vocab = 0] = probabilities.shape;
  const size = chunkLength(vocab);
  const chunks = tf.reshape(probabilities, [batch, vocab / size, size]);
  const column = (x: tf.Tensor, index: tf.Tensor): tf.Tensor =>
    tf.gather(x, tf.reshape(index, [batch, 1]) as tf.Tensor2D, 1, 1);
  const sums = tf.cumsum(tf.sum(chunks, -1), 1);
  const last = tf.slice(sums, [0, vocab / size - 1], [batch, 1]);
  const target = tf.mul(last, tf.reshape(uniforms, [batch, 1]));
  const chunk = firstAbove(sums, target);
  const inside = tf.cumsum(tf.reshape(column(chunks, chunk), [batch, size]), 1);
  const before = tf.max(tf.where(tf.lessEqual(sums, target), sums, tf.zerosLike(sums)), -1, true);
  // The chunk's own running sum may end a rounding below what the outer sum says; stay below its end.
  const end = tf.mul(tf.slice(inside, [0, size - 1], [batch, 1]), 1 - 2 ** -23);
  const within = firstAbove(inside, tf.minimum(tf.sub(target, before), end));
  return tf.add(tf.mul(chunk, tf.scalar(size, "int32")), within);
};

/** The likeliest tokens, when they were asked for. */
const likeliest = (own: tf.Tensor, count: number): Pick<Choice, "topTokens" | "topLogp"> => {
  if (count === 0) return {};
  const { values, indices } = tf.topk(own, Math.min(count, own.shape[1] ?? 1), true);
  return { topTokens: indices, topLogp: values };
};

/**
 * Chooses a token for each row.
 *
 * @param logits `[B, V]`.
 * @param uniforms `[B]`, see `draw`.
 * @param seen `[B, V]`, above 0 where a token occurred before; only read with a repetition penalty.
 */
export const chooseToken = (
  logits: tf.Tensor,
  uniforms: tf.Tensor,
  seen: tf.Tensor | undefined,
  settings: ChoiceSettings,
): Choice => {
  const own = tf.logSoftmax(logits);
  const told = likeliest(own, settings.alternatives ?? 0);
  const scores = seen === undefined ? logits : penalised(logits, seen, settings.repetitionPenalty);
  if (settings.temperature === 0) {
    const token = tf.argMax(scores, -1);
    return { token, logp: at(own, token), behaviourLogp: tf.zeros([logits.shape[0] ?? 0]), ...told };
  }
  const untouched = seen === undefined && settings.temperature === 1;
  const kept = cut(untouched ? scores : tempered(scores, settings.temperature), settings);
  const behaviour = kept === logits ? own : tf.logSoftmax(kept);
  const token = draw(tf.exp(behaviour), uniforms);
  return { token, logp: at(own, token), behaviourLogp: at(behaviour, token), ...told };
};
