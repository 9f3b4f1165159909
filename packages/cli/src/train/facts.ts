/** Sizes of a configured run: those of its model, its data and its steps. */
import { readImageHeader, smartResize, type Message, type Part } from "@r1reward/core";
import { nodeMedia } from "@r1reward/core/node";
import {
  promptsOf,
  rlSteps,
  sftSteps,
  type ModelFacts,
  type PairData,
  type StageFacts,
} from "@r1reward/stablereinforce";
import { hasWeights, qwenFacts, readQwenConfig } from "@r1reward/stablereinforce/node";
import type { RunConfig } from "./config/schema.ts";
import { openData, type RunData } from "./data.ts";
import { loraOf, protocolOf } from "./parts.ts";
import type { StageName } from "./run.ts";

/** Everything that needs depend on. */
export interface RunFacts {
  readonly model: ModelFacts;
  /** Can the model be opened? Fresh ones always can. */
  readonly weightsThere: boolean;
  /** Pairs to learn from; `null` when the data cannot be read. */
  readonly pairs: number | null;
  readonly heldOut: number;
  readonly promptTokens: number;
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

/** The vision tower of fresh sizes: blocks of attention and SwiGLU, the patch embedding, the merger. */
const visionParameters = (size: Extract<RunConfig["model"], { kind: "qwen25vl-fresh" }>["size"]): number => {
  const d = size.visionHiddenSize;
  const block = 4 * d * d + 4 * d + 3 * d * size.visionIntermediateSize + 2 * size.visionIntermediateSize + d + 2 * d;
  const merged = 4 * d;
  return size.visionDepth * block + 1176 * d + d + merged * merged + merged + size.hiddenSize * (merged + 1);
};

/** Characters of most alphabets, and then some. */
const TEXT_VOCABULARY = 96;

const modelFacts = async ({ model }: RunConfig): Promise<Pick<RunFacts, "model" | "weightsThere">> => {
  if (model.kind === "qwen25vl") {
    const config = await readQwenConfig(model.path);
    return { model: qwenFacts(config, loraOf(model.lora)), weightsThere: await hasWeights(model.path) };
  }
  if (model.kind === "text")
    return { model: textFacts({ ...model.size, vocabSize: TEXT_VOCABULARY }), weightsThere: true };
  const text = textFacts(model.size);
  const parameters = text.parameters + visionParameters(model.size);
  return { model: { ...text, parameters, trained: parameters }, weightsThere: true };
};

const SOME = 16;

/** Characters in a token of English text, about. */
const CHARACTERS = 4;

const partTokens = async (part: Part, config: RunConfig, media: ReturnType<typeof nodeMedia>): Promise<number> => {
  if (part.type === "text") return part.text.length / CHARACTERS;
  if (part.type === "video") return 0;
  const size = "bytes" in part.image ? readImageHeader(part.image.bytes) : await media.image(part.image); // paths and data URIs
  const { width, height } = smartResize(size.width, size.height, { maxPixels: config.data.maxPixels });
  return (width * height) / 784;
};

const promptLength = async (config: RunConfig, data: PairData): Promise<number> => {
  const root = config.data.source.kind === "file" ? config.data.source.imageRoot : undefined;
  await using media = nodeMedia(root === undefined ? {} : { root });
  const prompts = promptsOf(data.pairs.slice(0, SOME), { protocol: protocolOf(config), order: "as-stored" });
  const lengthOf = async (prompt: readonly Message[]): Promise<number> => {
    const parts = prompt.flatMap(({ content }) => content);
    const tokens = await Promise.all(parts.map((part) => partTokens(part, config, media)));
    return 32 + tokens.reduce((sum, n) => sum + n, 0);
  };
  const lengths = await Promise.all(prompts.map(({ prompt }) => lengthOf(prompt)));
  return Math.ceil(Math.max(...lengths));
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

/**
 * The sizes of a run. Data that cannot be read is noted, and the rest told without it.
 * @throws ConfigError, CheckpointError when the model's sizes cannot be known
 */
export const factsOf = async (
  config: RunConfig,
  stages: readonly StageName[],
  how: { readonly note: (error: unknown) => void; readonly signal: AbortSignal },
): Promise<RunFacts> => {
  const model = await modelFacts(config);
  const read: { data: RunData | null; promptTokens: number; promptFrom: string } = {
    data: null,
    promptTokens: Math.max(1, (config.model.context ?? 0) - (config.rl?.maxTokens ?? 0)),
    promptFrom: "all that the context leaves",
  };
  try {
    read.data = await openData(config, how.signal);
    read.promptTokens = await promptLength(config, read.data.train);
    read.promptFrom = `the longest of the first ${Math.min(SOME, read.data.train.pairs.length)}, four characters a token and 784 pixels`;
  } catch (error) {
    how.note(error);
  }
  const { data, promptTokens, promptFrom } = read;
  const planned = stagesOf(config, data, promptTokens).filter(({ stage }) => stages.includes(stage));
  const counts = { pairs: data?.train.pairs.length ?? null, heldOut: data?.held?.pairs.length ?? 0 };
  return { ...model, ...counts, promptTokens, promptFrom, stages: planned };
};
