/** Sampling with a key/value cache: prompts are read once, rows join and leave a running batch. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import type { Engine, Given } from "../engine/types.ts";
import { fullConfig, type TransformerConfig } from "../model/config.ts";
import type { TransformerParams } from "../model/params.ts";
import { compileGraphs } from "./compiled.ts";
import type { Decoder } from "./decoder.ts";
import { transformerDecoder } from "./graphs.ts";
import { runJob } from "./run.ts";
import { planOf, sequencesOf } from "./sequence.ts";
import type { Completion, SampleOptions, SamplePrompt } from "./types.ts";

/** Samples from a model. One call runs at a time per sampler; graphs are kept between calls. P is the tree of its parameters. */
export interface Sampler<P = TransformerParams<Tensor>> extends AsyncDisposable {
  /**
   * Samples every sequence of every prompt. → `[prompt][sequence]`, in the order asked.
   *
   * @param onCompletion Is told of each sequence as soon as it is finished, while others are still being sampled.
   * @throws ConfigError on options or prompts that cannot be, AbortError, EngineError (`not-finite` when scores hold NaN).
   */
  readonly sample: (
    params: Given<P>,
    prompts: readonly SamplePrompt[],
    options: SampleOptions,
    onCompletion?: OnCompletion,
  ) => Promise<Completion[][]>;
  /**
   * Samples prompts as they come: new ones join while others are under way. Ends when all are finished and none came.
   *
   * @throws ConfigError on options or prompts that cannot be, AbortError, EngineError (`not-finite` when scores hold NaN).
   */
  readonly serve: (params: Given<P>, source: SampleSource, options: SampleOptions) => Promise<void>;
}

/** A finished sequence, and its prompt and place among its prompt's sequences. */
export type OnCompletion = (completion: Completion, place: readonly [prompt: number, sequence: number]) => void;

/** Where prompts come from while others are being sampled, and where replies go. */
export interface SampleSource {
  /** Prompts with at most about `room` sequences in all; none when there are none now. Asked before every step. */
  readonly next: (room: number) => readonly SamplePrompt[];
  readonly onCompletion: (completion: Completion, prompt: SamplePrompt, sequence: number) => void;
}

/** Limits of a sampler. */
export interface SamplerOptions {
  /** Most sequences decoded side by side. Default 64. The cache takes `2 · layers · kvHeads · headSize · 4` bytes a token. */
  readonly maxBatch?: number | undefined;
}

/**
 * A sampler for any model that can be decoded, on one engine. Parameters are arguments of every call, so a policy in
 * training is sampled with its newest weights and no graph is built again.
 *
 * @throws ConfigError on limits that cannot be.
 */
export const decoderSampler = <P>(engine: Engine, decoder: Decoder<P>, options: SamplerOptions = {}): Sampler<P> => {
  const maxBatch = options.maxBatch ?? 64;
  if (!Number.isSafeInteger(maxBatch) || maxBatch < 1) {
    throw new ConfigError(`sampler maxBatch: expected a positive whole number, got ${maxBatch}`);
  }
  const graphs = compileGraphs(engine, decoder);
  const machine = { decoder, graphs, spare: [] };
  const vocab = decoder.vocabSize;
  return {
    sample: async (params, prompts, how, onCompletion) => {
      const plan = planOf(how, vocab);
      const waiting = sequencesOf(prompts, plan, vocab);
      const results = prompts.map((): Completion[] => []);
      await runJob(machine, {
        params,
        maxBatch,
        plan,
        signal: how.signal,
        more: () => waiting.splice(0),
        done: ({ prompt, sample }, completion) => {
          (results[prompt] as Completion[])[sample] = completion;
          onCompletion?.(completion, [prompt, sample]);
        },
      });
      return results;
    },
    serve: async (params, source, how) => {
      const plan = planOf(how, vocab);
      await runJob(machine, {
        params,
        maxBatch,
        plan,
        signal: how.signal,
        more: (room) => sequencesOf(source.next(room), plan, vocab),
        done: (sequence, completion) => source.onCompletion(completion, sequence.source, sequence.sample),
      });
    },
    [Symbol.asyncDispose]: graphs.dispose,
  };
};

/**
 * A sampler for the small transformer.
 *
 * @throws ConfigError on sizes that do not fit together.
 */
export const createSampler = (engine: Engine, config: TransformerConfig, options: SamplerOptions = {}): Sampler =>
  decoderSampler(engine, transformerDecoder(fullConfig(config)), options);
