/** A model as the stages see it. Shapes only. */
import type { Awaitable, CallOptions, Message, Winner } from "@r1reward/core";
import type { HostTensor } from "../engine/tensor.ts";
import type { Params, Policy, PolicyTokenizer, TokenRow } from "../policy/index.ts";
import type { FloatDtype } from "../safetensors/values.ts";

/** How a model is written. */
export interface SaveModelOptions extends CallOptions {
  /** Replace a folder that is there. False by default. */
  readonly overwrite?: boolean | undefined;
  /** What the numbers are stored as: F32 by default; 16 bits are rounded to nearest. */
  readonly dtype?: FloatDtype | undefined;
  /** More files by name, beside those that belong to the model. */
  readonly files?: Readonly<Record<string, string>> | undefined;
}

/** A model in the pipeline: a policy and what the stages need beside it. */
export interface PipelineModel<Truth = Winner> extends AsyncDisposable {
  readonly policy: Policy<Truth>;
  /** Most tokens of prompt and reply together. */
  readonly context: number;
  /**
   * Tokens of a prompt, everything in it read and checked.
   * @throws MediaError when a picture cannot be read, PromptError or ConfigError when the prompt cannot be written in tokens
   */
  readonly measure: (prompt: readonly Message[]) => Awaitable<number>;
  /** A prompt with the reply to be learnt. @throws as `measure` */
  readonly encode: (prompt: readonly Message[], reply: string) => Awaitable<TokenRow>;
  /** Writes the model with these weights as a Hugging Face folder, whole or not at all. @throws CheckpointError, AbortError */
  readonly save?:
    ((path: string, weights: Params<HostTensor>, options?: SaveModelOptions) => Promise<void>) | undefined;
  /** Writes the adapters alone in peft's format, where adapters are what is trained. @throws CheckpointError */
  readonly saveAdapter?: ((path: string, weights: Params<HostTensor>) => Promise<void>) | undefined;
  /** What replies of a server are read with; a model without one must sample by itself. */
  readonly tokenizer?: Pick<PolicyTokenizer, "encodeReply" | "decode" | "stopTokens"> | undefined;
}
