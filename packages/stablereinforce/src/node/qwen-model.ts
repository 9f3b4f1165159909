/** Qwen2.5-VL as a model of the pipeline: from a Hugging Face folder, or with fresh weights and a tokenizer of its own. */
import { join } from "node:path";
import { ConfigError, type MediaLoader, type Winner } from "@r1reward/core";
import type { HostTensor } from "../engine/tensor.ts";
import type { Engine } from "../engine/types.ts";
import { freshQwenConfig, type FreshQwenSize } from "../pipeline/fresh-qwen.ts";
import type { PipelineModel } from "../pipeline/types.ts";
import { qwenInputs, qwenTokenizer, trainBpe, type QwenTokenizer } from "../qwen/inputs/index.ts";
import { CHAT_TEMPLATE } from "../qwen/inputs/jinja.ts";
import { loraMerger, parseQwenConfig, type LoraConfig, type QwenConfig } from "../qwen/model/index.ts";
import {
  frozenVision,
  fullTraining,
  loraTraining,
  qwen25vl,
  type PlacedWeights,
  type Qwen25VLPolicy,
  type Trainable,
} from "../qwen/policy/index.ts";
import type { ProcessorOptions } from "../qwen/inputs/types.ts";
import { imageDecoder } from "./image-decoder.ts";
import { writeQwenAdapter } from "./qwen-adapter.ts";
import { mapQwenParts, processorWithin, readQwenParts } from "./qwen-parts.ts";
import { writeQwenFolder } from "./qwen-write.ts";
import { asFileSays } from "./qwen-folder.ts";
import { readJson } from "./read-json.ts";

/** How either model is made. */
export interface QwenModelSettings {
  readonly engine: Engine;
  /** Most tokens of prompt and reply together; the model's positions by default. */
  readonly context?: number | undefined;
  /** Adapters in place of all weights. */
  readonly lora?: LoraConfig | undefined;
  /** Leave the vision tower as it is. Adapters leave it anyway, unless their target names it. False by default. */
  readonly freezeVision?: boolean | undefined;
  /** Forget activations inside of blocks and make them again. */
  readonly checkpoint?: boolean | undefined;
  /** Most sequences sampled side by side. */
  readonly maxBatch?: number | undefined;
  /** Gives the trainer the entropy of every token: `entropyShare` of a recipe needs it. */
  readonly entropy?: boolean | undefined;
  /** Largest area of a picture in pixels. */
  readonly maxPixels?: number | undefined;
  /** Reads pictures that are paths or addresses; bytes and data URIs only, by default. */
  readonly media?: MediaLoader | undefined;
}

/** Qwen2.5-VL in the pipeline. */
export interface QwenPipelineModel<Truth = Winner> extends PipelineModel<Truth> {
  readonly policy: Qwen25VLPolicy<Truth>;
  readonly config: QwenConfig;
  readonly tokenizer: QwenTokenizer;
}

interface Pieces {
  readonly config: QwenConfig;
  readonly tokenizer: QwenTokenizer;
  readonly processor: ProcessorOptions;
  readonly params?: PlacedWeights | undefined;
  readonly initSeed?: number | undefined;
  /** What `save` writes beside weights and sizes. */
  readonly companions: { readonly from: string } | { readonly files: Readonly<Record<string, string>> };
  /** Closes the files that weights stay in. */
  readonly close?: (() => Promise<void>) | undefined;
}

/** What is trained. @throws ConfigError when two settings say different things */
const trainableOf = ({ lora, freezeVision = false }: QwenModelSettings): Trainable => {
  if (lora === undefined) return freezeVision ? frozenVision : fullTraining;
  if (freezeVision)
    throw new ConfigError("freezeVision: adapters alone are trained with lora; their target says where");
  return loraTraining(lora);
};

/** Writes weights one after the other, adapters added in: never all of them in memory. */
const saverOf =
  (
    { config, companions }: Pieces,
    policy: Pick<Qwen25VLPolicy, "weight">,
    lora: LoraConfig | undefined,
  ): NonNullable<PipelineModel["save"]> =>
  async (path, trained, { files, ...options } = {}) => {
    const merge = lora === undefined ? (_: string, weight: HostTensor) => weight : loraMerger(trained, lora);
    const params = async (name: string): Promise<HostTensor> => merge(name, await policy.weight(trained, name));
    const own = "files" in companions ? companions.files : {};
    await writeQwenFolder(path, { config, params, ...companions, ...options, files: { ...own, ...files } });
  };

const assemble = <Truth>(pieces: Pieces, settings: QwenModelSettings): QwenPipelineModel<Truth> => {
  const { config, tokenizer, params, initSeed } = pieces;
  const { engine, lora, media, checkpoint, maxBatch, entropy } = settings;
  const context = Math.min(settings.context ?? Infinity, config.text.maxPositions);
  const processor = processorWithin(pieces.processor, settings.maxPixels);
  const inputs = qwenInputs({ tokenizer, processor, config, media, decode: imageDecoder() });
  const trainable = trainableOf(settings);
  const weights = params;
  const made = {
    engine,
    config,
    tokenizer,
    inputs,
    weights,
    initSeed,
    trainable,
    checkpoint,
    maxBatch,
    context,
    entropy,
  };
  const policy = qwen25vl<Truth>(made);
  return {
    policy,
    config,
    tokenizer,
    context: policy.context,
    measure: (prompt) => policy.measure(prompt),
    encode: (prompt, reply) => policy.encode(prompt, reply),
    save: saverOf(pieces, policy, lora),
    ...(lora === undefined
      ? {}
      : { saveAdapter: (path, trained) => writeQwenAdapter(path, { lora, params: trained }) }),
    [Symbol.asyncDispose]: async () => {
      await policy[Symbol.asyncDispose]();
      await pieces.close?.();
    },
  };
};

/** How a folder is opened. */
export interface OpenQwenSettings extends QwenModelSettings {
  /**
   * Leave weights that are not trained in their files (see `mapQwenFolder`): a fraction of the memory, and nothing is loaded. The files must
   * not change meanwhile. False by default.
   */
  readonly mapWeights?: boolean | undefined;
}

/**
 * Opens a Hugging Face folder for training and measuring.
 *
 * @throws ConfigError naming the field, CheckpointError naming file and tensor
 */
export const openQwen = async <Truth = Winner>(
  path: string,
  settings: OpenQwenSettings,
): Promise<QwenPipelineModel<Truth>> => {
  const companions = { from: path };
  const { trains } = trainableOf(settings);
  if (settings.mapWeights !== true) return assemble<Truth>({ ...(await readQwenParts(path)), companions }, settings);
  const stays = (name: string): boolean => !trains(name);
  const { close, ...parts } = await mapQwenParts(path, { engine: settings.engine, stays });
  try {
    return assemble<Truth>({ ...parts, companions, close }, settings);
  } catch (error) {
    await close();
    throw error;
  }
};

/** Sizes of a model whose weights need not be there: `config.json` alone. @throws ConfigError, CheckpointError */
export const readQwenConfig = async (path: string): Promise<QwenConfig> => {
  const file = join(path, "config.json");
  const json = await readJson(file);
  return asFileSays(file, () => parseQwenConfig(json, { tied: false }));
};

/** A fresh model. */
export interface FreshQwenOptions extends QwenModelSettings {
  readonly size: FreshQwenSize;
  /** What the vocabulary is learnt from. */
  readonly texts: Iterable<string>;
  /** Most tokens of the vocabulary. */
  readonly vocabSize: number;
  readonly initSeed?: number | undefined;
  /**
   * Mean and deviation that pixels are normalised with; those of CLIP by default. Drawings on one background learn far sooner with
   * that background as the mean: patches then hold what differs from it.
   */
  readonly pixels?: Required<Pick<ProcessorOptions, "mean" | "std">> | undefined;
}

/** As published. */
const CLIP = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;

/**
 * The architecture of Qwen2.5-VL with fresh weights and a tokenizer learnt from texts. `save` writes a whole folder, which `openQwen`
 * opens.
 *
 * @throws ConfigError on sizes that do not fit together
 */
export const freshQwen = <Truth = Winner>(options: FreshQwenOptions): QwenPipelineModel<Truth> => {
  const { size, texts, vocabSize, initSeed, pixels = CLIP, ...settings } = options;
  if (settings.lora !== undefined) throw new ConfigError("lora: fresh weights are trained as a whole, got adapters");
  const json = trainBpe(texts, { vocabSize });
  const tokenizer = qwenTokenizer(json);
  const config = freshQwenConfig(size, tokenizer);
  const files = {
    "tokenizer.json": JSON.stringify(json),
    "tokenizer_config.json": JSON.stringify({
      tokenizer_class: "Qwen2Tokenizer",
      eos_token: "<|im_end|>",
      pad_token: "<|endoftext|>",
      model_max_length: size.context,
      chat_template: CHAT_TEMPLATE,
    }),
    "preprocessor_config.json": JSON.stringify({
      image_processor_type: "Qwen2VLImageProcessor",
      processor_class: "Qwen2_5_VLProcessor",
      patch_size: 14,
      temporal_patch_size: 2,
      merge_size: 2,
      min_pixels: 784,
      max_pixels: settings.maxPixels ?? 12_845_056,
      image_mean: pixels.mean,
      image_std: pixels.std,
    }),
  };
  const processor = { minPixels: 784, ...pixels };
  return assemble<Truth>({ config, tokenizer, processor, initSeed, companions: { files } }, settings);
};
