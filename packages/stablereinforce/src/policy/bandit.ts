/** The smallest thing that must learn: a table of scores, one row per context; a reply is one arm. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigError, throwIfAborted, type Message } from "@r1reward/core";
import { int32Tensor } from "../engine/tensor.ts";
import type { Engine } from "../engine/types.ts";
import { uniformStream } from "../sample/random.ts";
import type { Policy, SampleRequest, Sampled, TokenRow } from "./types.ts";

/** Sizes of a bandit. */
export interface BanditOptions {
  readonly engine: Engine;
  /** Choices; a reply's text is the arm's number. */
  readonly arms: number;
  /** Rows of the table; 1 by default. */
  readonly contexts?: number | undefined;
  /** Which row a prompt speaks of. By default: the number its text ends with, or 0 when there is one row. */
  readonly contextOf?: ((prompt: readonly Message[]) => number) | undefined;
}

const lastNumber = (prompt: readonly Message[]): number => {
  const text = prompt
    .flatMap(({ content }) => content.map((part) => (part.type === "text" ? part.text : "")))
    .join(" ");
  return Number(/(\d+)\s*$/.exec(text)?.[1] ?? NaN);
};

const logSoftmax = (scores: Float32Array, temperature: number): Float64Array => {
  const scaled = Float64Array.from(scores, (x) => x / temperature);
  const top = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = scaled.reduce((sum, x) => sum + Math.exp(x - top), 0);
  return scaled.map((x) => x - top - Math.log(total));
};

/** The first arm whose running probability passes u; the likeliest at temperature 0. */
const drawArm = (scores: Float32Array, temperature: number, u: number): number => {
  if (temperature === 0) return scores.indexOf(scores.reduce((a, b) => Math.max(a, b), -Infinity));
  let sum = 0;
  const logp = logSoftmax(scores, temperature);
  for (let arm = 0; arm < logp.length; arm++) {
    sum += Math.exp(logp[arm] as number);
    if (u < sum) return arm;
  }
  return logp.length - 1;
};

const checkSizes = (arms: number, contexts: number): void => {
  for (const [name, value] of Object.entries({ arms, contexts })) {
    if (Number.isSafeInteger(value) && value > 0) continue;
    throw new ConfigError(`bandit ${name}: expected a positive whole number, got ${value}`);
  }
};

/** One reply: an arm drawn from a row of the table. */
const pull = <Truth>(
  request: SampleRequest<Truth>,
  place: readonly [number, number],
  draw: { readonly context: number; readonly scores: Float32Array; readonly temperature: number },
): Sampled<Truth> => {
  const { prompt, group, seeds } = request;
  const arm = drawArm(draw.scores, draw.temperature, uniformStream(seeds[place[1]] as number)());
  return {
    id: `${prompt.id}#${place[1]}`,
    prompt: prompt.prompt,
    truth: prompt.truth,
    text: String(arm),
    finishReason: "stop",
    group,
    promptTokens: Int32Array.of(draw.context),
    tokens: Int32Array.of(arm),
    logpRollout: Float32Array.of(logSoftmax(draw.scores, 1)[arm] as number),
    place,
  };
};

const collateArms = (rows: readonly TokenRow[], size: number) => {
  const column = (pick: (row: TokenRow) => Int32Array) => {
    const data = new Int32Array(size);
    rows.forEach((row, n) => void (data[n] = pick(row)[0] as number));
    return int32Tensor(data, [size]);
  };
  const inputs = { contexts: column((row) => row.promptTokens), arms: column((row) => row.tokens) };
  return { inputs, length: 1, starts: rows.map(() => 0) };
};

/** 1 where the column is the row's index: `[B]` int32 → `[B, n]`. `oneHot` takes no n of 1. */
const indicator = (indices: tf.Tensor, n: number): tf.Tensor2D => {
  const columns = tf.tensor2d(
    Int32Array.from({ length: n }, (_, i) => i),
    [1, n],
    "int32",
  );
  return tf.cast(tf.equal(tf.reshape(indices, [-1, 1]), columns), "float32") as tf.Tensor2D;
};

/**
 * A bandit with a table of scores `[contexts, arms]`, all 0 at first.
 * @throws ConfigError on sizes that are no positive whole numbers, or a prompt whose context is not in the table
 */
export const banditPolicy = <Truth = unknown>(options: BanditOptions): Policy<Truth> => {
  const { engine, arms, contexts = 1 } = options;
  checkSizes(arms, contexts);
  const contextOf = options.contextOf ?? (contexts === 1 ? () => 0 : lastNumber);
  const contextFor = ({ id, prompt }: { readonly id: string; readonly prompt: readonly Message[] }): number => {
    const context = contextOf(prompt);
    if (Number.isInteger(context) && context >= 0 && context < contexts) return context;
    throw new ConfigError(`bandit prompt ${id}: expected a context below ${contexts}, got ${context}`);
  };
  return {
    name: `bandit-${contexts}x${arms}`,
    engine,
    parameters: () => ({
      scores: { data: new Float32Array(contexts * arms), shape: [contexts, arms], dtype: "float32" },
    }),
    async *sample(params, requests, { temperature, signal }) {
      const table = (await engine.read(params.scores as NonNullable<typeof params.scores>)).data as Float32Array;
      for (const [n, request] of requests.entries()) {
        throwIfAborted(signal);
        const context = contextFor(request.prompt);
        const scores = table.subarray(context * arms, (context + 1) * arms);
        for (const i of request.seeds.keys()) yield pull(request, [n, i], { context, scores, temperature });
      }
    },
    collate: collateArms,
    logp: (params, inputs) => {
      // Products with indicators in place of gathers: their gradients are exact on every runtime.
      const rows = tf.matMul(indicator(inputs.contexts as tf.Tensor, contexts), params.scores as tf.Tensor2D);
      const logp = tf.logSoftmax(rows);
      const chosen = tf.mul(logp, indicator(inputs.arms as tf.Tensor, arms));
      const entropy = tf.neg(tf.sum(tf.mul(tf.exp(logp), logp), 1));
      return { logp: tf.reshape(tf.sum(chosen, 1), [-1, 1]), entropy: tf.reshape(entropy, [-1, 1]) };
    },
  };
};
