/** Shapes of the chat model that runs in this process. */
import type { ChatModel } from "@r1reward/core";
import type { Engine } from "../../engine/types.ts";
import type { EngineTensor, HostTensor } from "../../engine/tensor.ts";
import type { Params } from "../../policy/types.ts";
import type { LoraConfig, QwenConfig } from "../model/types.ts";
import type { QwenTokenizer } from "../inputs/tokenizer.ts";
import type { PlacedWeights, RowEncoder } from "../policy/types.ts";

/** How the chat model is made. */
export interface LocalChatOptions {
  /** Stable name: part of cache keys and reports. */
  readonly name: string;
  /** Of the weights: part of cache keys. */
  readonly revision?: string | undefined;
  /** What else changes replies (pixel limits): part of cache keys. */
  readonly fingerprint?: string | undefined;
  readonly engine: Engine;
  readonly config: QwenConfig;
  readonly tokenizer: Pick<QwenTokenizer, "decode" | "stopTokens" | "vocabSize">;
  /** `qwenInputs({ tokenizer, processor, config })`. */
  readonly inputs: RowEncoder;
  /**
   * Weights by their names on disk: arrays, which are put on the engine and freed with the model, or what a policy in training has
   * there (`policy.placed(step.params())`), which stays the caller's.
   */
  readonly weights: Params<HostTensor> | Params<EngineTensor> | PlacedWeights;
  /** Of the adapters among the weights, when there are some. */
  readonly lora?: LoraConfig | undefined;
  /** Most sequences decoded side by side; 64 by default. */
  readonly maxBatch?: number | undefined;
  /** Most tokens of prompt and reply together; the model's positions by default. */
  readonly context?: number | undefined;
  /** Milliseconds that the first request waits for others to come; 5 by default. Later ones join a batch under way. */
  readonly windowMs?: number | undefined;
}

/** What has been done so far. */
export interface LocalChatStats {
  readonly completions: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Most sequences that were under way at once. */
  readonly mostAtOnce: number;
}

/**
 * Qwen2.5-VL in this process. Calls that come together are decoded together; calls that come later join. Prompts that are equal are
 * read once, and every picture goes through the vision tower once.
 */
export interface LocalChatModel extends ChatModel, AsyncDisposable {
  readonly completeMany: NonNullable<ChatModel["completeMany"]>;
  readonly stats: () => LocalChatStats;
}
