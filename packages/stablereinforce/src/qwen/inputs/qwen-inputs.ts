/** Messages to rows: everything about Qwen2.5-VL's input that happens outside of the model. */
import { ConfigError, inlineMedia, throwIfAborted, type CallOptions, type MediaLoader } from "@r1reward/core";
import { ShapeError } from "../../errors.ts";
import { chatPieces, type ChatMessage, type ChatOptions } from "./chat-template.ts";
import { findMedia, readMedia, type FoundMedia } from "./media-input.ts";
import { portableDecoder } from "./portable-decoder.ts";
import { mediaTokenCount } from "./processor.ts";
import { rememberMedia } from "./remembered.ts";
import { getRopeIndex, type RopeRule } from "./rope-index.ts";
import type { QwenTokenizer } from "./tokenizer.ts";
import type { ImageDecoder, QwenProcessor, QwenRow, VisualInput } from "./types.ts";

/** What must be known of the model. A `QwenConfig` is one. */
export interface QwenInputsConfig {
  readonly imageToken: number;
  readonly videoToken: number;
  readonly vision: {
    readonly patchSize: number;
    readonly mergeSize: number;
    readonly temporalPatchSize: number;
    /** Position steps in a second of video. */
    readonly tokensPerSecond: number;
  };
  readonly text: {
    readonly vocabSize: number;
    readonly maxPositions: number;
  };
}

/** Parts of `qwenInputs`. */
export interface QwenInputsOptions extends Pick<ChatOptions, "visionIds" | "defaultSystem"> {
  readonly tokenizer: QwenTokenizer;
  readonly processor: QwenProcessor;
  readonly config: QwenInputsConfig;
  /** Loads images and videos that are not loaded yet. Default: bytes and data URIs only, no files and no requests. */
  readonly media?: MediaLoader | undefined;
  /** Default `portableDecoder()`; in Node `imageDecoder()` of `@r1reward/stablereinforce/node` is faster and knows more. */
  readonly decode?: ImageDecoder | undefined;
  /** Longest prompt in tokens, pads included. Default: all positions of the model. */
  readonly maxTokens?: number | undefined;
  /** Bytes of patches that are kept for when a picture comes again, 64 MiB by default: both orders of a pair show the same. 0 keeps none. */
  readonly remember?: number | undefined;
  /** How videos are placed in time. Default `currentRope`; `firstRope` is what the paper's model was trained with. */
  readonly rope?: RopeRule | undefined;
}

/** Options of one `encode`. */
export interface EncodeOptions extends CallOptions, Pick<ChatOptions, "generationPrompt"> {}

/** Turns messages into rows. */
export interface QwenInputsEncoder {
  /**
   * The row of one chat. Its length is known and checked before any picture is decoded.
   *
   * @throws ShapeError of `maxTokens` when the prompt is too long
   * @throws MediaError naming the part and frame that is broken or refused
   * @throws ConfigError for a chat the template does not know; AbortError
   */
  readonly encode: (messages: readonly ChatMessage[], options?: EncodeOptions) => Promise<QwenRow>;
}

const same = (name: string, expected: number, got: number): void => {
  if (expected === got) return;
  throw new ConfigError(`qwenInputs: ${name}: expected ${expected} as in the model's config, got ${got}`);
};

/** Parts of different checkpoints would not fail: they would give rows of nonsense. */
const checkParts = ({ tokenizer, processor, config }: QwenInputsOptions): void => {
  same("tokenizer <|image_pad|>", config.imageToken, tokenizer.specialId("<|image_pad|>"));
  same("tokenizer <|video_pad|>", config.videoToken, tokenizer.specialId("<|video_pad|>"));
  same("processor patchSize", config.vision.patchSize, processor.options.patchSize);
  same("processor mergeSize", config.vision.mergeSize, processor.options.mergeSize);
  same("processor temporalPatchSize", config.vision.temporalPatchSize, processor.options.temporalPatchSize);
  if (tokenizer.vocabSize > config.text.vocabSize) {
    const sizes = `${config.text.vocabSize} tokens as in the model's config, got ${tokenizer.vocabSize}`;
    throw new ConfigError(`qwenInputs: tokenizer: expected at most ${sizes}`);
  }
};

const limitOf = ({ maxTokens, config }: QwenInputsOptions): number => {
  const { maxPositions } = config.text;
  if (maxTokens === undefined) return maxPositions;
  if (Number.isSafeInteger(maxTokens) && maxTokens > 0 && maxTokens <= maxPositions) return maxTokens;
  throw new ConfigError(`qwenInputs: maxTokens: expected a whole number from 1 to ${maxPositions}, got ${maxTokens}`);
};

const checkLength = (length: number, limit: number): void => {
  if (length <= limit) return;
  throw new ShapeError("maxTokens", { expected: `a prompt of at most ${limit} tokens`, actual: `${length}` });
};

/** Patches of all images and videos, one after another; a single one is not copied. */
const concat = (inputs: readonly VisualInput[]): Float32Array => {
  if (inputs.length === 1) return inputs[0]!.patches;
  const all = new Float32Array(inputs.reduce((sum, { patches }) => sum + patches.length, 0));
  let at = 0;
  for (const { patches } of inputs) {
    all.set(patches, at);
    at += patches.length;
  }
  return all;
};

const positionsOf = (tokens: Int32Array, found: readonly FoundMedia[], { config, rope }: QwenInputsOptions) =>
  getRopeIndex({
    tokens,
    grids: found.map(({ grid }) => grid),
    imageTokenId: config.imageToken,
    videoTokenId: config.videoToken,
    secondsPerGrid: found.filter(({ kind }) => kind === "video").map(({ secondsPerGrid }) => secondsPerGrid),
    mergeSize: config.vision.mergeSize,
    tokensPerSecond: config.vision.tokensPerSecond,
    rule: rope,
  });

/**
 * Encodes chats with images and videos for Qwen2.5-VL: template, token ids, positions and patches. Text of messages is
 * untrusted: no special token comes out of it, so pads always match their pictures.
 *
 * @throws ConfigError when tokenizer, processor and model configuration do not belong together
 */
export const qwenInputs = (options: QwenInputsOptions): QwenInputsEncoder => {
  checkParts(options);
  const { tokenizer, processor, visionIds, defaultSystem, config } = options;
  const media = options.media ?? inlineMedia();
  const decode = options.decode ?? portableDecoder();
  const limit = limitOf(options);
  const remembered = rememberMedia(options.remember ?? 64 * 2 ** 20);
  return {
    encode: async (messages, { signal, generationPrompt } = {}) => {
      throwIfAborted(signal);
      const pieces = chatPieces(messages, { generationPrompt, visionIds, defaultSystem });
      const found = await findMedia(messages, processor, media, { signal });
      const counts = found.map(({ grid }) => mediaTokenCount(grid, config.vision.mergeSize));
      const pads = counts.reduce((sum, count) => sum + count, 0);
      checkLength(pads, limit);
      const tokens = tokenizer.encodePieces(pieces, counts);
      checkLength(tokens.length, limit);
      const { positions, ropeDelta } = positionsOf(tokens, found, options);
      const inputs: VisualInput[] = [];
      for (const one of found) inputs.push(await remembered(one, () => readMedia(one, processor, decode, { signal })));
      const row = { tokens, positions, ropeDelta, grids: inputs.map(({ grid }) => grid) };
      return inputs.length === 0 ? row : { ...row, patches: concat(inputs) };
    },
  };
};
