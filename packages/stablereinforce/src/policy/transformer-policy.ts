/** The transformer as a policy: sampled with its key/value cache, differentiated through its forward pass. */
import { reshape, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import { int32Tensor, type EngineTensor, type HostTensor } from "../engine/tensor.ts";
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
import {
  createSampler,
  type Completion,
  type HostSampler,
  type OnCompletion,
  type SampleOptions,
  type SamplePrompt,
} from "../sample/index.ts";
import { checkRows } from "./ids.ts";
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
  /**
   * Samples in place of the policy's own engine: `createSamplePool(config)` of `/node` does so in a worker for each core, while the
   * main thread is left to rewards. It stays the caller's to dispose of.
   */
  readonly sampler?: HostSampler | undefined;
  /** Gives losses the entropy of every distribution too, for an entropy bonus; costs the head once more. False by default. */
  readonly entropy?: boolean | undefined;
}

/** A policy that holds compiled graphs. */
export interface TransformerPolicy<Truth = unknown> extends Policy<Truth>, AsyncDisposable {
  readonly config: TransformerConfig;
  readonly tokenizer: PolicyTokenizer;
}

/**
 * Lengths that graphs are made for: 16, 32, 48, …, 128, 160, 192, 224, 256, 320, … Four to a power of two, so that less than a fifth
 * is padding (from 64 on) and graphs stay few.
 */
export const bucketLength = (length: number): number => {
  const step = Math.max(16, 2 ** Math.floor(Math.log2(Math.max(1, length))) / 4);
  return Math.max(1, Math.ceil(length / step)) * step;
};

const longestOf = (rows: readonly TokenRow[], lengthOf: (row: TokenRow) => number): number =>
  rows.reduce((most, row) => Math.max(most, lengthOf(row)), 1);

/** Prompts and replies one after the other, and where the replies' tokens stand: columns of what `logp` returns begin with the reply. */
const collateTokens = (rows: readonly TokenRow[], size: number): PolicyBatch => {
  const whole = bucketLength(longestOf(rows, (row) => row.promptTokens.length + row.tokens.length));
  const length = bucketLength(longestOf(rows, (row) => row.tokens.length));
  const tokens = new Int32Array(size * whole);
  const targets = new Int32Array(size * length);
  const before = new Int32Array(size * length).fill(-1);
  const inverse = new Int32Array(size * whole).fill(-1);
  rows.forEach(({ promptTokens, tokens: reply }, n) => {
    tokens.set(promptTokens, n * whole);
    tokens.set(reply, n * whole + promptTokens.length);
    targets.set(reply, n * length);
    const place = n * whole + promptTokens.length - 1;
    // without a prompt nothing comes before the first token
    for (let t = promptTokens.length === 0 ? 1 : 0; t < reply.length; t++) {
      before[n * length + t] = place + t;
      inverse[place + t] = n * length + t;
    }
  });
  const inputs = {
    tokens: int32Tensor(tokens, [size, whole]),
    targets: int32Tensor(targets, [size, length]),
    before: int32Tensor(before, [size * length]),
    inverse: int32Tensor(inverse, [size * whole]),
  };
  return { inputs, length, starts: rows.map(() => 0) };
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

type SampleOf = (
  params: Params<EngineTensor>,
  ...rest: readonly [readonly SamplePrompt[], SampleOptions, OnCompletion]
) => Promise<unknown>;

type TreeOf = <T>(params: Params<T>) => TransformerParams<T>;

/** Reads weights off the engine once for each set of them, for a sampler that has another engine. */
const throughHost = (engine: Engine, sampler: HostSampler, tree: TreeOf): SampleOf => {
  const read = new WeakMap<Params<EngineTensor>, Promise<TransformerParams<HostTensor>>>();
  const copy = async (params: Params<EngineTensor>): Promise<TransformerParams<HostTensor>> => {
    const all = Object.entries(params).map(async ([name, x]) => [name, await engine.read(x)] as const);
    return tree(Object.fromEntries(await Promise.all(all)));
  };
  return async (params, ...rest) => {
    const made = read.get(params) ?? copy(params);
    read.set(params, made);
    return sampler.sample(await made, ...rest);
  };
};

const sampleFrom =
  <Truth>(sample: SampleOf, tokenizer: PolicyTokenizer) =>
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
      return sample(params, prompts, how, (made, [n, i]) => push(replyOf(asked[n] as Asked<Truth>, made, [n, i])));
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
  const own = createSampler(engine, config, { maxBatch });
  const sample: SampleOf =
    options.sampler === undefined
      ? (given, ...rest) => own.sample(tree<EngineTensor>(given), ...rest)
      : throughHost(engine, options.sampler, tree);
  return {
    name: `transformer-${config.layers}x${config.hiddenSize}`,
    engine,
    config,
    tokenizer,
    parameters: () => Object.fromEntries(namedParams(initParams(config, initSeed))),
    sample: sampleFrom<Truth>(sample, tokenizer),
    collate: (rows, size) => {
      checkRows(rows, config.vocabSize);
      return collateTokens(rows, size);
    },
    logp: (params, inputs) => {
      const { tokens, targets, before, inverse } = inputs as Record<string, Tensor>;
      const [ids, wanted] = [tokens as Tensor, targets as Tensor];
      const places = { before: before as Tensor, inverse: inverse as Tensor, targets: reshape(wanted, [-1]) };
      const laid = (x: Tensor): Tensor2D => reshape(x, wanted.shape as [number, number]);
      if (options.entropy !== true) return { logp: laid(model.scored(tree(params), ids, places)) };
      const made = model.scoredWithEntropy(tree(params), ids, places);
      return { logp: laid(made.logp), entropy: laid(made.entropy) };
    },
    [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
  };
};
