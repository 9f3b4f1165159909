/** What a model must be able to do to be sampled with a key/value cache. The small transformer and Qwen2.5-VL are two of them. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Awaitable } from "@r1reward/core";
import { int32Tensor, type HostTensor } from "../engine/tensor.ts";
import type { Given } from "../engine/types.ts";
import type { SamplePrompt } from "./types.ts";

/** Keys and values of all layers; L layers, K key/value heads, d head size, C positions. */
export interface KeysValues {
  /** One per layer, `[B, K, C, d]`. */
  readonly keys: Tensor[];
  /** One per layer, `[B, K, C, d]`. */
  readonly values: Tensor[];
}

/** What a step reads. */
export interface DecodeStep {
  /** The last token of each row, `[B]` int32. */
  readonly tokens: Tensor;
  /** How many places of the cache each row has filled, `[B]` int32. */
  readonly filled: Tensor;
  /** The token's position for rotary embeddings: `filled` plus the prompt's `offset`, `[B]` int32. */
  readonly positions: Tensor;
}

/** What a step gives. */
export interface DecodeOutputs {
  /** Scores of the next token, `[B, V]`. */
  readonly logits: Tensor;
  /** The rows to write into the cache, `[L, B, K·d]`. */
  readonly newKeys: Tensor;
  readonly newValues: Tensor;
}

/** What `prefill` reads, by name. */
export type PromptInputs = Readonly<Record<string, HostTensor>>;

/** A model as the sampler sees it. P is the tree of its parameters, with tensors for leaves. */
export interface Decoder<P> {
  readonly vocabSize: number;
  /** Sizes of its cache. */
  readonly cache: CacheShape;
  /**
   * What `prefill` reads for some prompts, by name: every prompt but its last token, which is the first to be decoded. Shapes
   * should be few, since each makes a graph. Rows beyond the prompts may hold anything finite.
   */
  readonly layPrompts: (
    prompts: readonly SamplePrompt[],
    shape: readonly [rows: number, length: number],
    params: Given<P>,
  ) => Awaitable<PromptInputs>;
  /** Reads prompts. Pure and traceable. → keys and values `[rows, K, length, d]` per layer. */
  readonly prefill: (params: P, inputs: Readonly<Record<string, Tensor>>) => KeysValues;
  /** One step: scores of a new token for every row. Pure and traceable; the cache is only read. */
  readonly decode: (params: P, step: DecodeStep, cache: KeysValues) => DecodeOutputs;
}

/** Sizes of a cache. */
export interface CacheShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** Tokens of prompts without their last ones, padded with token 0: `[rows, length]` int32. */
export const promptTokens = (
  prompts: readonly SamplePrompt[],
  [rows, length]: readonly [number, number],
): HostTensor => {
  const data = new Int32Array(rows * length);
  prompts.forEach(({ tokens }, row) => {
    for (let i = 0; i < tokens.length - 1; i++) data[row * length + i] = tokens[i] as number;
  });
  return int32Tensor(data, [rows, length]);
};
