/** Sizes of a fresh Qwen2.5-VL: the real architecture, as small as one likes. */
import { ConfigError } from "@r1reward/core";
import { parseQwenConfig, type QwenConfig } from "../qwen/model/index.ts";
import type { QwenTokenizer } from "../qwen/inputs/tokenizer.ts";

/** What may be chosen; the rest is as published. */
export interface FreshQwenSize {
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly intermediateSize: number;
  readonly visionHiddenSize: number;
  readonly visionDepth: number;
  readonly visionHeads: number;
  readonly visionIntermediateSize: number;
  /** Most tokens of prompt and reply together. */
  readonly context: number;
  /**
   * Base of the rotary frequencies; 1,000,000 by default, as published. M-RoPE gives rows and columns of a picture the slow end of
   * them: with heads of 32 and the published base a step of one column turns by a hundred-thousandth of a radian, so small models
   * learn where things are only with a small base.
   */
  readonly ropeTheta?: number | undefined;
  /**
   * How many of the rotary frequencies, fastest first, turn with time, row and column of a picture; half a head together. In the
   * published proportions by default, which leave columns the slowest. Text does not depend on it.
   */
  readonly mropeSection?: readonly [number, number, number] | undefined;
}

/** Half a head in the three sections of M-RoPE, in the published proportions 16 : 24 : 24. */
const sections = (headSize: number): readonly number[] => {
  const half = headSize / 2;
  const spatial = Math.floor((half * 3) / 8);
  return [half - 2 * spatial, spatial, spatial];
};

const visionOf = (size: FreshQwenSize) => ({
  model_type: "qwen2_5_vl",
  depth: size.visionDepth,
  hidden_act: "silu",
  hidden_size: size.visionHiddenSize,
  intermediate_size: size.visionIntermediateSize,
  num_heads: size.visionHeads,
  in_channels: 3,
  in_chans: 3,
  patch_size: 14,
  spatial_patch_size: 14,
  temporal_patch_size: 2,
  spatial_merge_size: 2,
  window_size: 112,
  // As published the last block of every four sees the whole picture; of a shallow tower, the last one.
  fullatt_block_indexes: Array.from({ length: Math.max(1, Math.floor(size.visionDepth / 4)) }, (_, i) =>
    Math.min(size.visionDepth - 1, 4 * i + 3),
  ),
  out_hidden_size: size.hiddenSize,
  tokens_per_second: 2,
});

/** Sizes that must divide each other, named as they are given: `config.json` has other names for them. */
const checkSize = (size: FreshQwenSize): void => {
  const { hiddenSize, heads, kvHeads, visionHiddenSize, visionHeads, mropeSection } = size;
  const refuse = (name: string, expected: string, got: unknown): never => {
    throw new ConfigError(`size.${name}: expected ${expected}, got ${JSON.stringify(got)}`);
  };
  if (hiddenSize % (2 * heads) !== 0)
    refuse("heads", `a number whose double divides hiddenSize ${hiddenSize}, so that heads have an even size`, heads);
  if (heads % kvHeads !== 0) refuse("kvHeads", `a divisor of heads ${heads}`, kvHeads);
  if (visionHiddenSize % (4 * visionHeads) !== 0)
    refuse("visionHeads", `a number whose fourfold divides visionHiddenSize ${visionHiddenSize}`, visionHeads);
  const half = hiddenSize / heads / 2;
  if (mropeSection !== undefined && mropeSection.reduce((sum, n) => sum + n, 0) !== half)
    refuse("mropeSection", `a sum of ${half}, half a head`, mropeSection);
};

/**
 * The configuration of a fresh model for a tokenizer.
 * @throws ConfigError naming the size that does not fit the others
 */
export const freshQwenConfig = (
  size: FreshQwenSize,
  tokenizer: Pick<QwenTokenizer, "vocabSize" | "specialId">,
): QwenConfig => {
  checkSize(size);
  return parseQwenConfig({
    architectures: ["Qwen2_5_VLForConditionalGeneration"],
    model_type: "qwen2_5_vl",
    hidden_act: "silu",
    hidden_size: size.hiddenSize,
    intermediate_size: size.intermediateSize,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.kvHeads,
    vocab_size: tokenizer.vocabSize,
    max_position_embeddings: size.context,
    rms_norm_eps: 1e-6,
    rope_theta: size.ropeTheta ?? 1_000_000,
    rope_scaling: { type: "mrope", mrope_section: size.mropeSection ?? sections(size.hiddenSize / size.heads) },
    use_sliding_window: false,
    tie_word_embeddings: true,
    eos_token_id: tokenizer.specialId("<|im_end|>"),
    bos_token_id: tokenizer.specialId("<|endoftext|>"),
    image_token_id: tokenizer.specialId("<|image_pad|>"),
    video_token_id: tokenizer.specialId("<|video_pad|>"),
    vision_start_token_id: tokenizer.specialId("<|vision_start|>"),
    vision_end_token_id: tokenizer.specialId("<|vision_end|>"),
    vision_config: visionOf(size),
  });
};
