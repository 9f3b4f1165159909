/** What is asked of the sampler and what comes back. */

import type { HostTensor } from "../engine/tensor.ts";
import type { TransformerParams } from "../model/params.ts";

/** A prompt and the sequences wanted from it. The prompt is read once, however many there are. */
export interface SamplePrompt {
  /** Token ids, at least one. */
  readonly tokens: ArrayLike<number>;
  /**
   * One seed for each sequence, a safe integer: the same seed, prompt and settings give the same tokens, whatever else is in the batch. On
   * ONNX Runtime bit for bit when the model's sizes are multiples of 16; otherwise log-probabilities may differ by a rounding.
   */
  readonly seeds: readonly number[];
  /** Added to a new token's place to get its position for rotary embeddings. Default 0; Qwen2.5-VL's `ropeDelta`. */
  readonly offset?: number | undefined;
  /** What the decoder reads of a prompt beside its tokens (pictures); the sampler hands it on as it is. */
  readonly media?: unknown;
  /** Prompts of one key are the same, media included: they are read once. Without it every prompt is its own. */
  readonly key?: string | undefined;
  /** Most new tokens of this prompt's sequences, in place of the call's. */
  readonly maxTokens?: number | undefined;
  /** Asked after every token: is the sequence over? It then counts as stopped. Not for workers, to which no function can go. */
  readonly ended?: ((tokens: readonly number[], sequence: number) => boolean) | undefined;
}

/** How tokens are chosen, and when to stop. */
export interface SampleOptions {
  /** Most new tokens of a sequence. */
  readonly maxTokens: number;
  /** Divides the scores. Default 1; 0 takes the likeliest token. Else from 1e-30 to 1e30. */
  readonly temperature?: number | undefined;
  /** Keep the k likeliest tokens. Default: all. Tokens that tie with the k-th are kept too. */
  readonly topK?: number | undefined;
  /** Keep the fewest likeliest tokens whose probabilities reach p (arXiv 1904.09751). Default 1: all. */
  readonly topP?: number | undefined;
  /** Divides positive and multiplies negative scores of tokens seen before (arXiv 1909.05858). Default 1: none. From 1e-6 to 1e6. */
  readonly repetitionPenalty?: number | undefined;
  /** A sequence ends with any of these tokens; the token is part of the result. */
  readonly stopTokens?: readonly number[] | undefined;
  /** A sequence ends when its new tokens end with any of these; they are part of the result. */
  readonly stopSequences?: readonly (readonly number[])[] | undefined;
  /** How many of the likeliest tokens to tell at every place. Default 0. */
  readonly alternatives?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The likeliest tokens at a place, likeliest first. */
export interface Alternatives {
  readonly tokens: readonly number[];
  /** Nats, under the model itself. */
  readonly logp: readonly number[];
}

/** One sampled sequence. */
export interface Completion {
  /** New tokens; a stop token is the last of them. */
  readonly tokens: Int32Array;
  /** Log-probability in nats of each token under the model itself: temperature 1, nothing cut, no penalty. */
  readonly logp: Float32Array;
  /** Log-probability in nats of each token under the distribution it was drawn from; 0 when temperature is 0. */
  readonly behaviourLogp: Float32Array;
  /** For each token, when they were asked for. */
  readonly alternatives?: readonly Alternatives[] | undefined;
  readonly finish: "stop" | "length";
}

/** A finished sequence, and its prompt and place among its prompt's sequences. */
export type OnCompletion = (completion: Completion, place: readonly [prompt: number, sequence: number]) => void;

/** A sampler that takes weights from JavaScript's memory: workers, say, that share none with the trainer (`createSamplePool`). */
export interface HostSampler {
  /** As `Sampler.sample`. */
  readonly sample: (
    params: TransformerParams<HostTensor>,
    prompts: readonly SamplePrompt[],
    options: SampleOptions,
    onCompletion?: OnCompletion,
  ) => Promise<Completion[][]>;
}
