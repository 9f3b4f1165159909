/** The transformer as a policy: sampled with its key/value cache, differentiated through its forward pass. */
import { onesLike, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Engine } from "../engine/types.ts";
import {
  initParams,
  mapParams,
  namedParams,
  parameterShapes,
  transformer,
  type TransformerConfig,
  type TransformerParams,
} from "../model/index.ts";
import { createSampler, type Completion, type Sampler } from "../sample/index.ts";
import type { PolicyTokenizer } from "./tokenizer.ts";
import { streamOf } from "./stream.ts";
import type { Params, Policy, PolicyBatch, Sampled, SampleRequest, TokenRow } from "./types.ts";

/** How the policy is made. */
export interface TransformerPolicyOptions {
  readonly engine: Engine;
  readonly config: TransformerConfig;
  readonly tokenizer: PolicyTokenizer;
  /** Seed of fresh parameters, 0 by default. */
  readonly initSeed?: number | undefined;
  /** Most sequences sampled side by side; 64 by default. */
  readonly maxBatch?: number | undefined;
}

/** A policy that holds compiled graphs. */
export interface TransformerPolicy<Truth = unknown> extends Policy<Truth>, AsyncDisposable {
  readonly config: TransformerConfig;
  readonly tokenizer: PolicyTokenizer;
}

/** Lengths that graphs are made for: 16, 24, 32, 48, 64, 96, … */
export const bucketLength = (length: number): number => {
  const power = Math.max(16, 2 ** Math.ceil(Math.log2(Math.max(1, length))));
  return power > 16 && length <= (power / 4) * 3 ? (power / 4) * 3 : power;
};

const collateTokens = (rows: readonly TokenRow[], size: number): PolicyBatch => {
  const longest = rows.reduce((most, row) => Math.max(most, row.promptTokens.length + row.tokens.length), 2);
  const length = bucketLength(longest);
  const data = new Int32Array(size * length);
  rows.forEach(({ promptTokens, tokens }, n) => {
    data.set(promptTokens, n * length);
    data.set(tokens, n * length + promptTokens.length);
  });
  const tokens: HostTensor = { data, shape: [size, length], dtype: "int32" };
  return { inputs: { tokens }, length, starts: rows.map((row) => row.promptTokens.length) };
};

/** A completion as a reply to its request. */
const replyOf = <Truth>(
  { request, promptTokens, decode }: Asked<Truth>,
  made: Completion,
  place: readonly [number, number],
): Sampled<Truth> => ({
  id: `${request.prompt.id}#${place[1]}`,
  prompt: request.prompt.prompt,
  truth: request.prompt.truth,
  text: decode(made.tokens),
  finishReason: made.finish,
  group: request.group,
  promptTokens,
  tokens: made.tokens,
  logpRollout: made.logp,
  place,
});

/** A request with its tokens. */
interface Asked<Truth> {
  readonly request: SampleRequest<Truth>;
  readonly promptTokens: Int32Array;
  readonly decode: PolicyTokenizer["decode"];
}

const sampleFrom =
  <Truth>(sampler: Sampler, tokenizer: PolicyTokenizer, tree: <T>(params: Params<T>) => TransformerParams<T>) =>
  (...[params, requests, settings]: Parameters<Policy<Truth>["sample"]>): AsyncIterable<Sampled<Truth>> => {
    const asked = requests.map((request): Asked<Truth> => {
      const promptTokens = tokenizer.encodePrompt(request.prompt.prompt);
      return { request, promptTokens, decode: tokenizer.decode };
    });
    const prompts = asked.map(({ request, promptTokens }) => ({ tokens: promptTokens, seeds: request.seeds }));
    const { temperature, maxTokens, signal } = settings;
    return streamOf((push, left) => {
      const either = signal === undefined ? left : AbortSignal.any([signal, left]);
      const how = { temperature, maxTokens, signal: either, stopTokens: tokenizer.stopTokens };
      return sampler.sample(tree<EngineTensor>(params), prompts, how, (made, [n, i]) =>
        push(replyOf(asked[n] as Asked<Truth>, made, [n, i])),
      );
    });
  };

/**
 * A policy that writes text with the small transformer.
 * @throws ConfigError on sizes that do not fit together, or a vocabulary that differs from the tokenizer's
 */
export const transformerPolicy = <Truth = unknown>(options: TransformerPolicyOptions): TransformerPolicy<Truth> => {
  const { engine, config, tokenizer, initSeed = 0, maxBatch } = options;
  if (tokenizer.vocabSize > config.vocabSize) {
    throw new ConfigError(
      `transformer policy vocabSize: expected at least the tokenizer's ${tokenizer.vocabSize}, got ${config.vocabSize}`,
    );
  }
  const model = transformer(config);
  const shapes = parameterShapes(config);
  const tree = <T>(params: Params<T>): TransformerParams<T> => mapParams(shapes, (_, name) => params[name] as T);
  const sampler = createSampler(engine, config, { maxBatch });
  return {
    name: `transformer-${config.layers}x${config.hiddenSize}`,
    engine,
    config,
    tokenizer,
    parameters: () => Object.fromEntries(namedParams(initParams(config, initSeed))),
    sample: sampleFrom<Truth>(sampler, tokenizer, tree),
    collate: collateTokens,
    logp: (params, { tokens }) => {
      const ids = tokens as Tensor;
      return { logp: model.logp(tree(params), ids, onesLike(ids)) as Tensor2D };
    },
    [Symbol.asyncDispose]: () => sampler[Symbol.asyncDispose](),
  };
};
