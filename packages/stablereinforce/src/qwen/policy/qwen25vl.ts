/** Qwen2.5-VL as a policy: sampled with its key/value cache, differentiated through its forward pass, pictures in every pass. */
import { add, mul, sum, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import type { EngineTensor } from "../../engine/tensor.ts";
import { ShapeError } from "../../errors.ts";
import { checkRows } from "../../policy/ids.ts";
import { streamOf } from "../../policy/stream.ts";
import { bucketLength } from "../../policy/transformer-policy.ts";
import type { Params, Policy, PolicyBatch, Sampled, SampleRequest, TokenRow } from "../../policy/types.ts";
import { decoderSampler, type Completion, type Sampler } from "../../sample/index.ts";
import type { QwenRow } from "../inputs/types.ts";
import { qwenModel, type QwenConfig, type QwenInputs, type QwenModel, type QwenParams } from "../model/index.ts";
import { qwenDecoder } from "./decoder.ts";
import { layRows, mediaOf, scoredPlaces } from "./layout.ts";
import { fullTraining } from "./trainable.ts";
import { allReader, onEngine, weightReader, weightsOf } from "./weights.ts";
import type { Qwen25VLOptions, Qwen25VLPolicy, ReplyTokenizer } from "./types.ts";

const longest = (rows: readonly TokenRow[], of: (row: TokenRow) => number): number =>
  rows.reduce((most, row) => Math.max(most, of(row)), 1);

/** Rows as `[size, L]` with each distinct picture once; only the replies' tokens are scored. */
const collateWith =
  (config: QwenConfig, frozen: () => Params<EngineTensor>) =>
  (rows: readonly TokenRow[], size: number): PolicyBatch => {
    checkRows(rows, config.text.vocabSize);
    const length = bucketLength(longest(rows, (row) => row.promptTokens.length + row.tokens.length));
    const places = size * bucketLength(longest(rows, (row) => row.tokens.length));
    const laid = rows.map((row) => ({ prompt: row.promptTokens, reply: row.tokens, media: mediaOf(row.media) }));
    const inputs = { ...layRows(laid, [size, length], config), scored: scoredPlaces(laid, length, places) };
    return { inputs: { ...frozen(), ...inputs }, length, starts: rows.map((row) => row.promptTokens.length) };
  };

/** Adds nothing, but makes the result depend on parameters that a batch without pictures does not use: their gradient is 0. */
const depending = (logp: Tensor, params: Params<Tensor>, inputs: Params<Tensor>): Tensor => {
  if (inputs["patches"] !== undefined) return logp;
  const unused = Object.keys(params).filter((name) => name.startsWith("visual."));
  return unused.reduce((total, name) => add(total, mul(sum(params[name] as Tensor), 0)), logp);
};

const logpWith =
  (model: QwenModel, frozenNames: ReadonlySet<string>, withEntropy: boolean): Policy["logp"] =>
  (params, inputs) => {
    const isWeight = ([name]: readonly [string, Tensor]): boolean => frozenNames.has(name);
    const entries = Object.entries(inputs);
    const weights = { ...Object.fromEntries(entries.filter(isWeight)), ...params };
    const given = Object.fromEntries(entries.filter((entry) => !isWeight(entry)));
    const read = given as unknown as QwenInputs<Tensor>;
    if (!withEntropy) return { logp: depending(model.logp(weights, read), params, given) as Tensor2D };
    const { logp, entropy } = model.logpAndEntropy(weights, read);
    return { logp: depending(logp, params, given) as Tensor2D, entropy: entropy as Tensor2D };
  };

/** A request with its row. */
interface Asked<Truth> {
  readonly request: SampleRequest<Truth>;
  readonly row: QwenRow;
}

/** A completion as a reply to its request. */
const replyOf = <Truth>(
  { request, row }: Asked<Truth>,
  made: Completion,
  [place, tokenizer]: readonly [readonly [number, number], ReplyTokenizer],
): Sampled<Truth> => ({
  id: `${request.prompt.id}#${place[1]}`,
  prompt: request.prompt.prompt,
  truth: request.prompt.truth,
  text: tokenizer.decode(made.tokens),
  finishReason: made.finish,
  group: request.group,
  promptTokens: row.tokens,
  tokens: made.tokens,
  logpRollout: made.logp,
  media: row,
  place,
});

const checkFits = (prompt: number, reply: number, context: number): void => {
  if (prompt + reply <= context) return;
  const expected = `at most ${context} tokens of prompt and reply`;
  throw new ShapeError("context", { expected, actual: `${prompt} + ${reply}` });
};

const sampleWith =
  <Truth>(
    { inputs, tokenizer }: Qwen25VLOptions,
    { sampler, begin }: { sampler: Sampler<QwenParams<Tensor>>; begin: () => void },
    [placed, context]: readonly [Qwen25VLPolicy["placed"], number],
  ): Policy<Truth>["sample"] =>
  (params, requests, { temperature, maxTokens, signal }) =>
    streamOf(async (push, left) => {
      const either = signal === undefined ? left : AbortSignal.any([signal, left]);
      const asked: Asked<Truth>[] = [];
      for (const request of requests) {
        const row = await inputs.encode(request.prompt.prompt, { signal: either });
        checkFits(row.tokens.length, maxTokens, context);
        asked.push({ request, row });
      }
      const prompts = asked.map(({ request, row }) => ({
        tokens: row.tokens,
        seeds: request.seeds,
        offset: row.ropeDelta,
        media: row,
      }));
      const how = { temperature, maxTokens, signal: either, stopTokens: tokenizer.stopTokens };
      begin();
      return sampler.sample(placed(params), prompts, how, (made, [n, i]) =>
        push(replyOf(asked[n] as Asked<Truth>, made, [[n, i], tokenizer])),
      );
    });

const contextOf = ({ context, config }: Qwen25VLOptions): number => {
  const { maxPositions } = config.text;
  if (context === undefined) return maxPositions;
  if (Number.isSafeInteger(context) && context > 0 && context <= maxPositions) return context;
  throw new ConfigError(`qwen25vl context: expected a whole number from 1 to ${maxPositions}, got ${context}`);
};

const checkVocabulary = ({ tokenizer, config }: Qwen25VLOptions): void => {
  if (tokenizer.vocabSize <= config.text.vocabSize) return;
  throw new ConfigError(
    `qwen25vl vocabSize: expected at least the tokenizer's ${tokenizer.vocabSize}, got ${config.text.vocabSize}`,
  );
};

/**
 * Qwen2.5-VL in training.
 *
 * @throws ConfigError on sizes that do not fit together; CheckpointError on weights that are missing or of another shape
 */
export const qwen25vl = <Truth = unknown>(options: Qwen25VLOptions): Qwen25VLPolicy<Truth> => {
  const { engine, config, tokenizer, inputs, trainable = fullTraining, checkpoint, chunkRows } = options;
  checkVocabulary(options);
  const context = contextOf(options);
  const model = qwenModel(config, { lora: trainable.lora, checkpoint, chunkRows });
  const { trained, frozen } = weightsOf(options);
  const weight = weightReader(options, frozen);
  const rest = onEngine(options, frozen);
  const decoder = qwenDecoder(engine, model);
  const sampler = decoderSampler(engine, decoder, { maxBatch: options.maxBatch });
  const seesAnew = Object.keys(trained).some((name) => name.startsWith("visual."));
  const begin = (): void => (seesAnew ? decoder.forget() : undefined); // what it saw was seen with other weights
  const placed: Qwen25VLPolicy["placed"] = (params) => ({ ...rest.get(), ...params });
  return {
    name: `qwen2.5-vl-${config.text.layers}x${config.text.hiddenSize}-${trainable.name}`,
    engine,
    config,
    tokenizer,
    trainable,
    context,
    parameters: () => trained,
    sample: sampleWith<Truth>(options, { sampler, begin }, [placed, context]),
    collate: collateWith(config, rest.get),
    logp: logpWith(model, new Set(Object.keys(frozen)), options.entropy === true),
    measure: async (prompt, how) => (await inputs.encode(prompt, how)).tokens.length,
    encode: async (prompt, reply, how) => {
      const [row, tokens] = [await inputs.encode(prompt, how), tokenizer.encodeReply(reply)];
      checkFits(row.tokens.length, tokens.length, context);
      return { promptTokens: row.tokens, tokens, media: row };
    },
    weight,
    allWeights: allReader(weight, Object.keys(frozen)),
    placed,
    [Symbol.asyncDispose]: async () => {
      await sampler[Symbol.asyncDispose]();
      await decoder[Symbol.asyncDispose]();
      rest.dispose();
    },
  };
};
