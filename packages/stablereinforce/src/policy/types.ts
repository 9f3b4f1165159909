/** What a model must be able to do to be trained here. Shapes only; the bandit and the transformer are two of them. */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core";
import type { CallOptions, Message } from "@r1reward/core";
import type { Rollout } from "../algorithm/types.ts";
import type { Engine } from "../engine/types.ts";
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";

/** Parameters by name: what checkpoints keep, optimisers move and `logp` is given. */
export type Params<T> = Readonly<Record<string, T>>;

/** A prompt to learn from. */
export interface TrainingPrompt<Truth = unknown> {
  readonly id: string;
  readonly prompt: readonly Message[];
  /** What rewards compare with. */
  readonly truth: Truth;
}

/** A prompt and the replies wanted. */
export interface SampleRequest<Truth = unknown> {
  readonly prompt: TrainingPrompt<Truth>;
  /** Rollouts of this request share it. */
  readonly group: string;
  /** One for each reply: the same weights, prompt, seed and settings give the same tokens. */
  readonly seeds: readonly number[];
}

/** How replies are drawn. */
export interface SampleSettings extends CallOptions {
  /** Divides the scores; 1 is the policy itself. */
  readonly temperature: number;
  /** Longest reply, the stop token included. */
  readonly maxTokens: number;
  /** Training steps that were finished; left out by those who sample outside of training. */
  readonly step?: number | undefined;
}

/** A reply as the policy hands it out: a `Rollout` but for `logpOld`, which the trainer's own forward pass makes. */
export interface Sampled<Truth = unknown> extends Omit<Rollout<Truth>, "logpOld" | "logpRollout"> {
  /**
   * `[T]` log-probability of each token at temperature 1 by the program that sampled, nats. A server may not tell it, or not of the
   * last token: what is missing counts as the trainer's own.
   */
  readonly logpRollout?: Float32Array | undefined;
  /** Index of its request and of its seed in it: replies may come in any order. */
  readonly place: readonly [request: number, seed: number];
}

/** A prompt with a reply, as the policy reads it. */
export interface TokenRow {
  /** `[P]` */
  readonly promptTokens: Int32Array;
  /** `[T]`, the stop token included. */
  readonly tokens: Int32Array;
  /** What the policy reads of the prompt beside its tokens (pictures, positions): made by the policy, read by its `collate`. */
  readonly media?: unknown;
}

/** Rows as the forward pass takes them: `[B, L]`, padded. */
export interface PolicyBatch {
  /** Arguments of `logp`, by name. Engine tensors stay the policy's: weights that are not trained, say. */
  readonly inputs: Params<HostTensor | EngineTensor>;
  /** L: columns of what `logp` returns. */
  readonly length: number;
  /** Column where the reply of each row begins; one for every row that is no padding. */
  readonly starts: readonly number[];
}

/** What a forward pass gives. */
export interface PolicyOutput {
  /** Log-probability of the token in each column, nats, `[B, L]`. Columns outside of replies may hold anything finite. */
  readonly logp: Tensor2D;
  /** Entropy of the distribution each token was drawn from, nats, `[B, L]`; for losses with an entropy bonus. */
  readonly entropy?: Tensor2D | undefined;
}

/** A model in training. Stateless: parameters are arguments of everything. */
export interface Policy<Truth = unknown> {
  readonly name: string;
  /** Where it runs. */
  readonly engine: Engine;
  /** Fresh parameters; the same on every call. */
  readonly parameters: () => Params<HostTensor>;
  /**
   * Draws replies and yields each as soon as it is written, so that rewards can be had while others are still being
   * sampled. The parameters stay the caller's.
   * @throws AbortError
   */
  readonly sample: (
    params: Params<EngineTensor>,
    requests: readonly SampleRequest<Truth>[],
    settings: SampleSettings,
  ) => AsyncIterable<Sampled<Truth>>;
  /** Pads rows to `size` rows and to one of few lengths, so that graphs stay few. */
  readonly collate: (rows: readonly TokenRow[], size: number) => PolicyBatch;
  /** Differentiable and pure: is traced once for every shape. */
  readonly logp: (params: Params<Tensor>, inputs: Params<Tensor>) => PolicyOutput;
}
