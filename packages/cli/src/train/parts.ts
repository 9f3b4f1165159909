/** From names in a configuration to the values they stand for: the only place of `train` that knows names. */
import {
  createR1Protocol,
  openaiCompatible,
  r1Protocol,
  r1Reward,
  type ChatModel,
  type DefinedReward,
  type JudgeProtocol,
  type Part,
  type Winner,
} from "@r1reward/core";
import { nodeMedia } from "@r1reward/core/node";
import { shapesProtocol } from "@r1reward/core/shapes";
import {
  characterTokenizer,
  corrections,
  createEngine,
  promptsOf,
  recipeOf,
  textModel,
  type Engine,
  type PairData,
  type PipelineModel,
  type Recipe,
} from "@r1reward/stablereinforce";
import { freshQwen, openQwen } from "@r1reward/stablereinforce/node";
import { modelFolder } from "../bundled-models.ts";
import { ConfigError } from "@r1reward/core";
import { apiKeyFrom } from "../options.ts";
import type { RunConfig } from "./config/schema.ts";

const PROTOCOLS: Readonly<Record<RunConfig["protocol"], () => JudgeProtocol>> = {
  r1: () => r1Protocol,
  "r1-train": () => createR1Protocol({ preset: "train" }),
  shapes: () => shapesProtocol,
};

/** The protocol of a run. */
export const protocolOf = (config: RunConfig): JudgeProtocol => PROTOCOLS[config.protocol]();

/** The engine of a run. @throws EngineError when there is no such runtime */
export const openEngine = ({ engine }: RunConfig): Promise<Engine> => {
  const { runtime, provider, precision, threads, arena } = engine;
  return createEngine({ runtime, provider, precision, arena, threads: threads ?? undefined });
};

/** Everything a policy may read or write about these pairs. */
function* textsOf(config: RunConfig, data: PairData): Generator<string> {
  const text = (part: Part): string => (part.type === "text" ? part.text : "");
  for (const { prompt } of promptsOf(data.pairs, { protocol: protocolOf(config), order: "both" }))
    for (const { content } of prompt) for (const part of content) yield text(part);
  for (const pair of data.pairs)
    for (const swapped of [false, true]) {
      const critique = data.critique?.(pair, swapped) ?? null;
      if (critique !== null) yield critique;
    }
  yield "system user assistant\nYou are a helpful assistant.\n<think></think><answer>1</answer><answer>2</answer>";
}

/** Pictures are not text: a text model does not see them. */
export const withoutPictures = (model: PipelineModel): PipelineModel => {
  const plain = (prompt: Parameters<PipelineModel["measure"]>[0]) =>
    prompt.map((message) => ({ ...message, content: message.content.filter(({ type }) => type === "text") }));
  const { policy } = model;
  return {
    ...model,
    policy: {
      ...policy,
      sample: (params, requests, settings) =>
        policy.sample(
          params,
          requests.map((request) => ({
            ...request,
            prompt: { ...request.prompt, prompt: plain(request.prompt.prompt) },
          })),
          settings,
        ),
    },
    measure: (prompt) => model.measure(plain(prompt)),
    encode: (prompt, reply) => model.encode(plain(prompt), reply),
  };
};

/** Does the recipe look at entropies? They cost the head once more. */
const needsEntropy = ({ rl }: RunConfig): boolean => (rl?.entropyShare ?? null) !== null;

const openText = (config: RunConfig, engine: Engine, data: PairData): PipelineModel => {
  const { model } = config;
  if (model.kind !== "text") throw new ConfigError("model: expected a text model");
  const alphabet = [...new Set([...textsOf(config, data)].join(""))].sort().join("");
  const tokenizer = characterTokenizer(alphabet);
  const { seed, ...size } = model.size;
  const vocabSize = Math.ceil(tokenizer.vocabSize / 16) * 16;
  const sizes = { ...size, vocabSize, tiedEmbeddings: true };
  const { context } = model;
  const { maxBatch } = config.engine;
  const entropy = needsEntropy(config);
  const made = { engine, config: sizes, tokenizer, context, initSeed: seed, maxBatch, entropy };
  return withoutPictures(textModel<Winner>(made));
};

/** Reads pictures from the folder that those of the data are in. */
export const mediaOf = ({ data }: RunConfig) => {
  const root = data.source.kind === "file" ? data.source.imageRoot : undefined;
  return nodeMedia(root === undefined ? {} : { root });
};

/** The model of a run. @throws ConfigError, CheckpointError */
export const openModel = async (config: RunConfig, engine: Engine, data: PairData): Promise<PipelineModel> => {
  const { model, engine: how } = config;
  if (model.kind === "text") return openText(config, engine, data);
  const media = mediaOf(config);
  const { context, checkpoint } = model;
  const { maxPixels } = config.data;
  const entropy = needsEntropy(config);
  const settings = { engine, media, context, checkpoint, maxBatch: how.maxBatch, maxPixels, entropy };
  const opened = await (model.kind === "qwen25vl"
    ? openQwen(modelFolder(model.path), { ...settings, ...trainedOf(model), mapWeights: how.mapWeights })
    : Promise.resolve(freshQwenOf(config, settings, data)));
  return {
    ...opened,
    [Symbol.asyncDispose]: async () => {
      await opened[Symbol.asyncDispose]();
      await media[Symbol.asyncDispose]();
    },
  };
};

type FreshSettings = Omit<Parameters<typeof freshQwen>[0], "size" | "texts" | "vocabSize" | "initSeed">;

const freshQwenOf = (config: RunConfig, settings: FreshSettings, data: PairData) => {
  const { model } = config;
  if (model.kind !== "qwen25vl-fresh") throw new ConfigError("model: expected fresh sizes");
  const { vocabSize, seed, pixels, ...size } = model.size;
  const sizes = { ...size, context: model.context };
  const made = { size: sizes, vocabSize, initSeed: seed, texts: textsOf(config, data), pixels: pixels ?? undefined };
  return freshQwen<Winner>({ ...settings, ...made });
};

type FolderModel = Extract<RunConfig["model"], { kind: "qwen25vl" }>;

/** Adapters as the model takes them. @throws ConfigError when the pattern is none */
const loraOf = (lora: FolderModel["lora"]) => {
  if (lora === null) return undefined;
  const { rank, alpha, target } = lora;
  try {
    return { rank, alpha, ...(target === undefined ? {} : { target: new RegExp(target) }) };
  } catch (cause) {
    throw new ConfigError(`model.lora.target: expected a regular expression, got ${JSON.stringify(target)}`, { cause });
  }
};

/** What is trained of a model in a folder. @throws ConfigError */
export const trainedOf = ({ lora, freezeVision }: Pick<FolderModel, "lora" | "freezeVision">) => {
  if (lora !== null && freezeVision)
    throw new ConfigError("model.freezeVision: with model.lora adapters alone are trained; leave one of the two out");
  return { lora: loraOf(lora), freezeVision };
};

/** The referee of a run, when it is a model. */
const refereeOf = ({ reward }: RunConfig): (ChatModel & AsyncDisposable) | undefined => {
  if (reward.referee === "rule") return undefined;
  const { url, model } = reward.referee;
  return openaiCompatible({ baseURL: url, model, apiKey: apiKeyFrom(), concurrency: { max: reward.concurrency } });
};

/** A reward and what it holds open. */
export interface OpenReward extends AsyncDisposable {
  readonly reward: DefinedReward<Winner>;
}

/** The reward of a run: result · (1 + w · consistency) + w · format (paper, section 3). */
export const openReward = (config: RunConfig): OpenReward => {
  const { formatWeight, consistencyWeight, inconsistent, undecided } = config.reward;
  const referee = refereeOf(config);
  const weights = { formatWeight, consistencyWeight, inconsistent, undecided };
  return {
    reward: r1Reward({ ...weights, protocol: protocolOf(config), referee }),
    [Symbol.asyncDispose]: async () => referee?.[Symbol.asyncDispose](),
  };
};

/** The recipe of a run. @throws ConfigError */
export const recipeOfRun = (rl: NonNullable<RunConfig["rl"]>): Recipe => {
  const { algorithm, epsilon, preClip, filterSigmas, klCoef, klTarget, maxTokens, rollouts } = rl;
  const cap = rollouts?.server.truncate ?? null;
  if (cap !== null && algorithm === "reference")
    throw new ConfigError(
      "rl.rollouts.server.truncate: the loss of rl.algorithm reference takes no correction; null trains without",
    );
  return recipeOf(algorithm, {
    corrections: cap === null ? [] : [corrections.truncated({ cap })],
    epsilon,
    preClip: preClip ?? false,
    filter: filterSigmas ?? false,
    klCoef,
    klTarget: klTarget ?? undefined,
    entropyShare: rl.entropyShare ?? undefined,
    maxTokens,
  });
};
