/** Sizes of a configured run: those of its model, its data and its steps. */
import { ConfigError, messageOf, readImageHeader, smartResize, type Message, type Part } from "@r1reward/core";
import { nodeMedia } from "@r1reward/core/node";
import {
  freshQwenConfig,
  promptsOf,
  rlSteps,
  sftSteps,
  type LoraConfig,
  type ModelFacts,
  type PairData,
  type QwenConfig,
  type StageFacts,
} from "@r1reward/stablereinforce";
import { hasWeights, qwenFacts, readQwenConfig } from "@r1reward/stablereinforce/node";
import { modelFolder } from "../bundled-models.ts";
import type { RunConfig } from "./config/schema.ts";
import { openData, type RunData } from "./data.ts";
import { protocolOf, trainedOf } from "./parts.ts";
import type { StageName } from "./run-state.ts";

/** A Qwen2.5-VL model, whose needs are worked out from its own sizes. */
export interface QwenPlan {
  readonly config: QwenConfig;
  readonly lora: LoraConfig | undefined;
}

/** Everything that needs depend on. */
export interface RunFacts {
  readonly qwen: QwenPlan | null;
  readonly model: ModelFacts;
  /** Can the model be opened? Fresh ones always can. */
  readonly weightsThere: boolean;
  /** Pairs to learn from; `null` when the data cannot be read. */
  readonly pairs: number | null;
  readonly heldOut: number;
  readonly promptTokens: number;
  /** Those of them that stand for pictures. */
  readonly imageTokens: number;
  readonly promptFrom: string;
  readonly stages: readonly StageFacts[];
}

const textFacts = (size: Omit<ModelFacts, "parameters" | "trained" | "headSize">): ModelFacts => {
  const headSize = size.hiddenSize / size.heads;
  const attention = size.hiddenSize * headSize * (2 * size.heads + 2 * size.kvHeads);
  const block = attention + 3 * size.hiddenSize * size.intermediateSize + 2 * size.hiddenSize;
  const parameters = size.vocabSize * size.hiddenSize + size.layers * block + size.hiddenSize;
  return { ...size, headSize, parameters, trained: parameters };
};

/** Characters of most alphabets, and then some. */
const TEXT_VOCABULARY = 96;

/** A fresh model's sizes; which ids its markup will have does not matter here. @throws ConfigError naming the setting */
const freshConfig = (model: Extract<RunConfig["model"], { kind: "qwen25vl-fresh" }>): QwenConfig => {
  const { vocabSize, seed: _seed, pixels: _pixels, ...size } = model.size;
  try {
    return freshQwenConfig({ ...size, context: model.context }, { vocabSize, specialId: () => 0 });
  } catch (cause) {
    throw new ConfigError(`model.${messageOf(cause)}`, { cause });
  }
};

const modelFacts = async ({ model, engine }: RunConfig): Promise<Pick<RunFacts, "model" | "qwen" | "weightsThere">> => {
  if (model.kind === "text") {
    const facts = textFacts({ ...model.size, vocabSize: TEXT_VOCABULARY });
    return { model: facts, qwen: null, weightsThere: true };
  }
  if (model.kind === "qwen25vl-fresh") {
    const config = freshConfig(model);
    return { model: qwenFacts(config), qwen: { config, lora: undefined }, weightsThere: true };
  }
  const config = await readQwenConfig(modelFolder(model.path));
  const trained = trainedOf(model);
  const facts = qwenFacts(config, { ...trained, mapWeights: engine.mapWeights });
  return {
    model: facts,
    qwen: { config, lora: trained.lora },
    weightsThere: await hasWeights(modelFolder(model.path)),
  };
};

const SOME = 16;

/** Tokens of the chat's own markup and system message. */
const MARKUP = 32;

/** Characters in a token of English text, about. */
const CHARACTERS = 4;

const partTokens = async (part: Part, config: RunConfig, media: ReturnType<typeof nodeMedia>): Promise<number> => {
  if (config.model.kind === "text") return part.type === "text" ? part.text.length : 0; // pictures are left out
  if (part.type === "text") return part.text.length / CHARACTERS;
  const tokensOf = (size: { readonly width: number; readonly height: number }): number => {
    const { width, height } = smartResize(size.width, size.height, { maxPixels: config.data.maxPixels });
    return (width * height) / 784;
  };
  if (part.type === "image")
    return tokensOf("bytes" in part.image ? readImageHeader(part.image.bytes) : await media.image(part.image)); // paths and data URIs
  const { frames } = await media.video(part.video);
  const [first] = frames;
  return first === undefined ? 0 : Math.ceil(frames.length / 2) * tokensOf(first); // two frames share their patches
};

/** The longest of some prompts, and the most tokens of pictures in one. */
const promptLength = async (config: RunConfig, data: PairData) => {
  const root = config.data.source.kind === "file" ? config.data.source.imageRoot : undefined;
  await using media = nodeMedia(root === undefined ? {} : { root });
  const prompts = promptsOf(data.pairs.slice(0, SOME), { protocol: protocolOf(config), order: "as-stored" });
  const lengthOf = async (prompt: readonly Message[], wanted: (part: Part) => boolean): Promise<number> => {
    const parts = prompt.flatMap(({ content }) => content).filter(wanted);
    const tokens = await Promise.all(parts.map((part) => partTokens(part, config, media)));
    return tokens.reduce((sum, n) => sum + n, 0);
  };
  const longest = async (wanted: (part: Part) => boolean): Promise<number> =>
    Math.ceil(Math.max(...(await Promise.all(prompts.map(({ prompt }) => lengthOf(prompt, wanted))))));
  const imageTokens = await longest(({ type }) => type !== "text");
  return { imageTokens, promptTokens: MARKUP + (await longest(() => true)) };
};

const shown = (config: RunConfig, pairs: number): number => (config.data.order === "both" ? 2 * pairs : pairs);

const stagesOf = (config: RunConfig, data: RunData | null, promptTokens: number): readonly StageFacts[] => {
  const { sft, rl, model, engine } = config;
  const checkpoint = model.kind !== "text" && model.checkpoint;
  const common = { promptTokens, checkpoint, maxBatch: engine.maxBatch };
  const [train, hard] = [data?.train.pairs.length ?? 0, data?.hard.pairs.length ?? 0].map((n) => shown(config, n)) as [
    number,
    number,
  ];
  const cold: StageFacts[] =
    sft === null
      ? []
      : [
          {
            ...common,
            stage: "sft",
            steps: sft.steps ?? sftSteps(train, sft),
            rows: sft.microBatch ?? sft.batch,
            rowsPerStep: sft.batch,
            replies: 0,
            replyTokens: rl?.maxTokens ?? config.evaluation?.maxTokens ?? 512,
            reference: false,
          },
        ];
  if (rl === null) return cold;
  const replies = rl.rolloutBatch * rl.samplesPerPrompt;
  const rows = Math.min(rl.microBatch ?? rl.trainBatch, replies);
  const sizes = {
    rows,
    rowsPerStep: replies * rl.passes,
    replies,
    replyTokens: rl.maxTokens,
    reference: rl.klCoef > 0,
  };
  return [...cold, { ...common, ...sizes, stage: "rl", steps: rl.steps ?? rlSteps(hard, rl) }];
};

interface Prompts {
  readonly promptTokens: number;
  readonly imageTokens: number;
  readonly promptFrom: string;
}

/** What is assumed of prompts that nobody can look at. */
const unknownPrompts = ({ model, rl }: RunConfig): Prompts => ({
  imageTokens: 0,
  promptTokens: Math.max(1, (model.context ?? 0) - (rl?.maxTokens ?? 0)),
  promptFrom: "all that the context leaves",
});

const promptsIn = async (config: RunConfig, data: PairData): Promise<Prompts> => ({
  ...(await promptLength(config, data)),
  promptFrom:
    config.model.kind === "text"
      ? `the longest of the first ${Math.min(SOME, data.pairs.length)}, a character a token`
      : `the longest of the first ${Math.min(SOME, data.pairs.length)}, four characters a token and 784 pixels`,
});

/** How sizes are found. */
export interface FactsOptions {
  /** Told of what cannot be read; the rest is told without it. */
  readonly note: (error: unknown) => void;
  readonly signal: AbortSignal;
  /** The data, where they are open already. */
  readonly data?: RunData | undefined;
}

/**
 * The sizes of a run. Data that cannot be read is noted, and the rest told without it.
 * @throws ConfigError, CheckpointError when the model's sizes cannot be known
 */
export const factsOf = async (
  config: RunConfig,
  stages: readonly StageName[],
  how: FactsOptions,
): Promise<RunFacts> => {
  const model = await modelFacts(config);
  const read: { data: RunData | null; prompts: Prompts } = { data: how.data ?? null, prompts: unknownPrompts(config) };
  try {
    read.data ??= await openData(config, how.signal);
    read.prompts = await promptsIn(config, read.data.train);
  } catch (error) {
    how.note(error);
  }
  const { data, prompts } = read;
  const planned = stagesOf(config, data, prompts.promptTokens).filter(({ stage }) => stages.includes(stage));
  const counts = { pairs: data?.train.pairs.length ?? null, heldOut: data?.held?.pairs.length ?? 0 };
  return { ...model, ...counts, ...prompts, stages: planned };
};
