/** Shapes of the Qwen2.5-VL policy. */
import type { CallOptions, Message } from "@r1reward/core";
import type { Engine } from "../../engine/types.ts";
import type { EngineTensor, HostTensor } from "../../engine/tensor.ts";
import type { Params, Policy, PolicyTokenizer, TokenRow } from "../../policy/index.ts";
import type { ChatMessage } from "../inputs/chat-template.ts";
import type { QwenRow } from "../inputs/types.ts";
import type { QwenConfig, QwenModelOptions, QwenParams } from "../model/index.ts";
import type { Trainable } from "./trainable.ts";

/** Messages to rows. What `qwenInputs` makes is one. */
export interface RowEncoder {
  /** @throws ShapeError of `maxTokens`, MediaError, ConfigError, AbortError */
  readonly encode: (messages: readonly ChatMessage[], options?: CallOptions) => Promise<QwenRow>;
}

/** What the policy needs of a tokenizer. What `qwenTokenizer` makes is one. */
export type ReplyTokenizer = Pick<PolicyTokenizer, "vocabSize" | "encodeReply" | "decode" | "stopTokens">;

/** Weights by their names on disk: arrays, or what an engine keeps (`mapQwenFolder` of `/node` leaves them in their files). */
export type PlacedWeights = QwenParams<HostTensor | EngineTensor>;

/** How the policy is made. */
export interface Qwen25VLOptions extends Pick<QwenModelOptions, "checkpoint" | "chunkRows"> {
  readonly engine: Engine;
  readonly config: QwenConfig;
  readonly tokenizer: ReplyTokenizer;
  /** Template, token ids, positions and patches: `qwenInputs({ tokenizer, processor, config })`. */
  readonly inputs: RowEncoder;
  /**
   * All weights by their names on disk (`readQwenFolder(…).params`); fresh ones by default. They are not copied and not changed. Those
   * that are trained must be arrays.
   */
  readonly weights?: PlacedWeights | undefined;
  /** Seed of fresh weights and adapters, 0 by default. */
  readonly initSeed?: number | undefined;
  /** What is trained: `fullTraining` by default, `frozenVision`, `loraTraining({ rank, alpha })`. */
  readonly trainable?: Trainable | undefined;
  /** Most sequences sampled side by side; 64 by default. */
  readonly maxBatch?: number | undefined;
  /** Most tokens of prompt and reply together; the model's positions by default. */
  readonly context?: number | undefined;
  /** Gives the entropy of every distribution too, for an entropy bonus or `entropyShare`; costs the head once more. False by default. */
  readonly entropy?: boolean | undefined;
}

/** Qwen2.5-VL as a policy. It holds compiled graphs and the weights that are not trained. */
export interface Qwen25VLPolicy<Truth = unknown> extends Policy<Truth>, AsyncDisposable {
  readonly config: QwenConfig;
  readonly tokenizer: ReplyTokenizer;
  readonly trainable: Trainable;
  /** Most tokens of prompt and reply together. */
  readonly context: number;
  /**
   * Tokens of a prompt, everything in it read and checked.
   * @throws as `RowEncoder.encode`
   */
  readonly measure: (prompt: readonly Message[], options?: CallOptions) => Promise<number>;
  /**
   * A prompt with the reply to be learnt: what `trainSft` takes.
   * @throws as `RowEncoder.encode`; ShapeError when both together are longer than `context`
   */
  readonly encode: (prompt: readonly Message[], reply: string, options?: CallOptions) => Promise<TokenRow>;
  /**
   * One weight by its name on disk: the trained one given, or one that is not trained, from wherever it is kept.
   * @throws CheckpointError `missing-tensor`
   */
  readonly weight: (params: Params<HostTensor>, name: string) => Promise<HostTensor>;
  /** All weights by their names on disk: the trained ones given, and those that are not trained. */
  readonly allWeights: (params: Params<HostTensor>) => Promise<QwenParams<HostTensor>>;
  /** The same where they are: what a sampler of the model takes. */
  readonly placed: (params: Params<EngineTensor>) => Params<EngineTensor>;
}
