/** Qwen2.5-VL as functions of parameters and inputs (arXiv 2502.13923). */
import * as tf from "@tensorflow/tfjs-core";
import { inverseOf, moveRows } from "../../ops/rows.ts";
import { tokenEntropy } from "../../ops/token-entropy.ts";
import { tokenLogp } from "../../ops/token-logp.ts";
import type { Scope } from "./layers.ts";
import { headOf, lastNorm, textStep, textTower } from "./text.ts";
import type {
  QwenConfig,
  QwenInputs,
  QwenKeysValues,
  QwenModel,
  QwenModelOptions,
  QwenParams,
  VisionInputs,
} from "./types.ts";
import { visionTower } from "./vision.ts";

type Params = QwenParams<tf.Tensor>;
type Inputs = QwenInputs<tf.Tensor>;

/** The vision tower's rows of a batch: given, made from patches, or undefined without images. */
const rowsOf = (scope: Scope, config: QwenConfig, inputs: Inputs): tf.Tensor | undefined => {
  if (inputs.visionRows !== undefined) return inputs.visionRows;
  return inputs.patches === undefined
    ? undefined
    : visionTower(scope, config.vision, inputs as VisionInputs<tf.Tensor>);
};

/** One number for each row of hidden states `[N, D]` and the token that came after it, `[N]`. */
type Score = (rows: tf.Tensor, targets: tf.Tensor) => tf.Tensor;

/** Scores of all tokens but the first of each row, `[B, L]`. */
const scoresOfAll = (x: tf.Tensor, tokens: tf.Tensor, score: Score) => {
  const [batch = 0, length = 0, size = 0] = x.shape;
  const before = tf.reshape(tf.slice(x, [0, 0, 0], [batch, length - 1, size]), [-1, size]);
  const targets = tf.reshape(tf.slice(tokens, [0, 1], [batch, length - 1]), [-1]);
  return tf.concat([tf.zeros([batch, 1]), tf.reshape(score(before, targets), [batch, length - 1])], 1);
};

/** Scores of the tokens at some places, 0 elsewhere. `scored` `[S]` → `[B, L]`. */
const scoresAt = (x: tf.Tensor, [tokens, scored]: readonly [tf.Tensor, tf.Tensor], score: Score) => {
  const [batch = 0, length = 0, size = 0] = x.shape;
  const all = batch * length;
  const [zero, one] = [tf.scalar(0, "int32"), tf.scalar(1, "int32")];
  const before = tf.maximum(tf.sub(scored, one), tf.scalar(-1, "int32"));
  const rows = moveRows(tf.reshape(x, [all, size]), before, inverseOf(before, all));
  const targets = tf.gather(tf.reshape(tokens, [all]), tf.maximum(scored, zero) as tf.Tensor1D);
  const made = tf.reshape(score(rows, targets), [scored.size, 1]);
  return tf.reshape(moveRows(made, inverseOf(scored, all), scored), [batch, length]);
};

const scored = ({ tokens, scored: places }: Inputs, x: tf.Tensor, score: Score): tf.Tensor =>
  places === undefined ? scoresOfAll(x, tokens, score) : scoresAt(x, [tokens, places], score);

/** Makes a model's functions. */
export const qwenModel = (config: QwenConfig, options: QwenModelOptions = {}): QwenModel => {
  const t = config.text;
  const scopeOf = (params: Params): Scope => ({ params, options });
  const last = (scope: Scope, inputs: Inputs, cache?: QwenKeysValues<tf.Tensor>): tf.Tensor =>
    lastNorm(scope, t, textTower(scope, t, [inputs, rowsOf(scope, config, inputs)], cache));
  const scores = (scope: Scope, x: tf.Tensor): tf.Tensor => {
    const flat = tf.matMul(tf.reshape(x, [-1, t.hiddenSize]), headOf(scope, t), false, true);
    return tf.reshape(flat, [...x.shape.slice(0, -1), t.vocabSize]);
  };
  const logpWith =
    (scope: Scope): Score =>
    (rows, targets) =>
      tokenLogp(rows, headOf(scope, t), targets, { chunkRows: options.chunkRows });
  return {
    config,
    vision: (params, inputs) => visionTower(scopeOf(params), config.vision, inputs),
    hidden: (params, inputs) => last(scopeOf(params), inputs),
    logits: (params, inputs) => scores(scopeOf(params), last(scopeOf(params), inputs)),
    logp: (params, inputs) => scored(inputs, last(scopeOf(params), inputs), logpWith(scopeOf(params))),
    logpAndEntropy: (params, inputs) => {
      const scope = scopeOf(params);
      const x = last(scope, inputs);
      const entropy: Score = (rows) => tokenEntropy(rows, headOf(scope, t), { chunkRows: options.chunkRows });
      return { logp: scored(inputs, x, logpWith(scope)), entropy: scored(inputs, x, entropy) };
    },
    prefill: (params, inputs) => {
      const cache: QwenKeysValues<tf.Tensor> = { keys: [], values: [] };
      const hidden = last({ params, options: { ...options, checkpoint: false } }, inputs, cache);
      return { ...cache, hidden };
    },
    decode: (params, step, cache) => {
      const scope = scopeOf(params);
      const { x, keys, values } = textStep(scope, t, step, cache);
      return { logits: scores(scope, lastNorm(scope, t, x)), newKeys: tf.stack(keys), newValues: tf.stack(values) };
    },
  };
};
