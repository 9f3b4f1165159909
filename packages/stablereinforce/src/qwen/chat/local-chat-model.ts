/** Qwen2.5-VL as a `ChatModel` in this process. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { ConfigError, throwIfAborted, type Completion, type SampleOptions } from "@r1reward/core";
import type { Given } from "../../engine/types.ts";
import { ShapeError } from "../../errors.ts";
import { decoderSampler } from "../../sample/index.ts";
import type { ChatMessage } from "../inputs/chat-template.ts";
import { qwenModel, type QwenParams } from "../model/index.ts";
import { qwenDecoder } from "../policy/decoder.ts";
import type { PlacedWeights } from "../policy/types.ts";
import { onEngine } from "../policy/weights.ts";
import { requestQueue, type Queue } from "./queue.ts";
import { replyOf, stopsAt } from "./reply.ts";
import { seedsOf, settingsOf } from "./settings.ts";
import type { LocalChatModel, LocalChatOptions } from "./types.ts";

/** Room for a reply: what was asked for, as far as the model's context reaches. @throws ShapeError when there is none */
const roomFor = (prompt: number, maxTokens: number | undefined, context: number): number => {
  const room = context - prompt;
  if (room >= 1) return Math.min(room, maxTokens ?? room);
  throw new ShapeError("prompt", { expected: `at most ${context - 1} tokens`, actual: `${prompt}` });
};

const contextOf = ({ context, config }: LocalChatOptions): number => {
  const { maxPositions } = config.text;
  if (context === undefined) return maxPositions;
  if (Number.isSafeInteger(context) && context > 1 && context <= maxPositions) return context;
  throw new ConfigError(`localChatModel context: expected a whole number from 2 to ${maxPositions}, got ${context}`);
};

const completer = (options: LocalChatOptions, queue: Queue, context: number) => {
  const { inputs, tokenizer } = options;
  return async (messages: readonly ChatMessage[], n: number, call: SampleOptions): Promise<readonly Completion[]> => {
    const began = performance.now();
    throwIfAborted(call.signal);
    if (!Number.isSafeInteger(n) || n < 1) throw new ConfigError(`n: expected a positive whole number, got ${n}`);
    const settings = settingsOf(call);
    const { signal, stop = [] } = call;
    const row = await inputs.encode(messages, { signal });
    const promptTokens = row.tokens.length;
    const maxTokens = roomFor(promptTokens, call.maxTokens, context);
    const ended = stopsAt(tokenizer, stop);
    const made = await queue.ask({ row, seeds: seedsOf(call, n), maxTokens, settings, ended, signal });
    const asked = { tokenizer, stop, logps: call.logprobs !== undefined, promptTokens, began };
    return made.map((one) => replyOf(one, asked));
  };
};

/**
 * A chat model that runs in this process.
 *
 * @throws ConfigError on limits that cannot be
 */
export const localChatModel = (options: LocalChatOptions): LocalChatModel => {
  const { name, revision, fingerprint, engine, config, tokenizer, lora, maxBatch, windowMs = 5 } = options;
  const context = contextOf(options);
  const decoder = qwenDecoder(engine, qwenModel(config, { lora }));
  const sampler = decoderSampler(engine, decoder, { maxBatch });
  const weights = onEngine(options, options.weights as PlacedWeights);
  const params = weights.get() as Given<QwenParams<Tensor>>;
  const { stopTokens } = tokenizer;
  const queue = requestQueue(
    name,
    (settings, source, signal) =>
      sampler.serve(params, source, { ...settings, maxTokens: context, stopTokens, signal }),
    windowMs,
  );
  const complete = completer(options, queue, context);
  const counted = { completions: 0, promptTokens: 0, completionTokens: 0 };
  const completeMany: LocalChatModel["completeMany"] = async (messages, n, call = {}) => {
    const made = await complete(messages, n, call);
    counted.completions += made.length;
    counted.promptTokens += made[0]?.usage.promptTokens ?? 0;
    counted.completionTokens += made.reduce((sum, { usage }) => sum + (usage.completionTokens ?? 0), 0);
    return made;
  };
  return {
    name,
    revision,
    fingerprint,
    complete: async (messages, call) => (await completeMany(messages, 1, call))[0] as Completion,
    completeMany,
    stats: () => ({ ...counted, mostAtOnce: queue.mostAtOnce() }),
    [Symbol.asyncDispose]: async () => {
      await queue.close();
      await sampler[Symbol.asyncDispose]();
      await decoder[Symbol.asyncDispose]();
      weights.dispose();
    },
  };
};
