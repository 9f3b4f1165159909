/**
 * Shapes of the Qwen2.5-VL model (arXiv 2502.13923): sizes, parameters, inputs and the functions over them.
 *
 * Letters in shapes: B rows of a batch, L their length, D hidden size, V vocabulary, H query and K key/value heads, d head size,
 * N patches, G = N / mergeSize² merged patches, W windows of at most w patches, F frames of at most f patches.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { FullConfig } from "../../model/config.ts";

/** Sizes of the vision tower: `vision_config` of `config.json`. */
export interface QwenVisionConfig {
  readonly depth: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  /** Channels of a pixel: 3. */
  readonly channels: number;
  /** Pixels on a side of a patch: 14. */
  readonly patchSize: number;
  /** Frames in a patch: 2. */
  readonly temporalPatchSize: number;
  /** Patches on a side of a merged patch: 2. */
  readonly mergeSize: number;
  /** Pixels on a side of an attention window: 112. */
  readonly windowSize: number;
  /** Blocks whose attention sees the whole frame. */
  readonly fullAttentionBlocks: readonly number[];
  /** Width of what the tower gives out: the text tower's hidden size. */
  readonly outSize: number;
  /** Position steps of M-RoPE in a second of video. */
  readonly tokensPerSecond: number;
  /** Base of the rotary frequencies: 10,000. */
  readonly ropeTheta: number;
}

/** Sizes of the text tower. A `FullConfig`, so that caches and samplers of the transformer take it as it is. */
export interface QwenTextConfig extends FullConfig {
  /** Rotary frequencies turned by time, height and width position; their sum is `headSize / 2`. */
  readonly mropeSection: readonly [time: number, height: number, width: number];
  readonly maxPositions: number;
}

/** A Qwen2.5-VL model's sizes. Made by `parseQwenConfig`. */
export interface QwenConfig {
  readonly vision: QwenVisionConfig;
  readonly text: QwenTextConfig;
  readonly imageToken: number;
  readonly videoToken: number;
  readonly visionStartToken: number;
  readonly visionEndToken: number;
  /** The file as it was read; written back as it is. */
  readonly json: Readonly<Record<string, unknown>>;
}

/**
 * Parameters by the names that Qwen2.5-VL checkpoints have on disk (`visual.blocks.0.attn.qkv.weight`,
 * `model.layers.0.self_attn.q_proj.weight`, `lm_head.weight`), in the layouts they have there: matrices are `[out, in]`.
 * LoRA adds `<module>.lora_A.weight` `[rank, in]` and `<module>.lora_B.weight` `[out, rank]`.
 */
export type QwenParams<T> = Readonly<Record<string, T>>;

/** What the vision tower must know of its images. Made by `visionGeometry`; all int32. */
export interface VisionGeometry<T> {
  /** `[2, N]` row and column of each patch in its frame, in window order. */
  readonly patchPositions: T;
  /** `[G]` for each place in window order the merged patch that stands there. */
  readonly windowIndex: T;
  /** `[G]` the place of each merged patch in window order. */
  readonly windowInverse: T;
  /** `[W, w]` patches of each window, −1 where a window is smaller. */
  readonly windows: T;
  /** `[N]` place of each patch in `windows`, −1 for patches of no window. Missing when all windows are full and in order. */
  readonly windowSlots?: T;
  /** `[F, f]` patches of each frame, −1 where a frame is smaller. */
  readonly frames: T;
  /** `[N]` place of each patch in `frames`. Missing when all frames have one size. */
  readonly frameSlots?: T;
}

/** Images and videos of a batch. */
export interface VisionInputs<T> extends VisionGeometry<T> {
  /** `[N, channels · temporalPatchSize · patchSize²]`, in the order of the processor (merged patches together). */
  readonly patches: T;
}

/** What a forward pass reads: flat, so that it can be `PolicyBatch.inputs`. Optional ones may be left out, which makes another graph. */
export interface QwenInputs<T> extends Partial<VisionInputs<T>> {
  /** `[B, L]` int32. */
  readonly tokens: T;
  /** `[3, B, L]` int32: time, height and width position of each token (M-RoPE). */
  readonly positions: T;
  /** `[B, L]` int32: row of the vision tower's output that stands at this place, −1 for text. Needed with images. */
  readonly imageRows?: T;
  /** `[M, D]`: the vision tower's output made before, in place of `patches` and its geometry. */
  readonly visionRows?: T;
  /** `[B, L]`, 1 where a token may be seen. Left padding needs it; right padding does not. */
  readonly keyMask?: T;
  /** `[S]` int32 places b · L + l whose tokens `logp` scores, each once, −1 for none. Missing: all places. */
  readonly scored?: T;
}

/** Keys and values of all layers, one tensor `[B, K, L or C, d]` per layer: what `Cache` of the sampler holds. */
export interface QwenKeysValues<T> {
  readonly keys: T[];
  readonly values: T[];
}

/** What reading prompts gives. A compiled function returns only what it needs; the rest is not computed. */
export interface QwenPrefill extends QwenKeysValues<Tensor> {
  /** `[B, L, D]`, normed: times the head, scores. */
  readonly hidden: Tensor;
}

/** One new token for each row. */
export interface QwenStep<T> {
  /** `[B]` int32: the last token of each row. */
  readonly tokens: T;
  /** `[B]` int32: how many places of the cache each row has filled. */
  readonly filled: T;
  /** `[B]` int32: M-RoPE position of the token, the same for time, height and width. */
  readonly positions: T;
}

/** What a step gives. */
export interface QwenStepOutputs {
  /** Scores of the next token, `[B, V]`. */
  readonly logits: Tensor;
  /** The rows to write into the cache, `[layers, B, K·d]`: what `writeRows` of the sampler takes. */
  readonly newKeys: Tensor;
  readonly newValues: Tensor;
}

/** Low-rank adapters (arXiv 2106.09685). */
export interface LoraConfig {
  readonly rank: number;
  /** The adapter's output is multiplied by alpha / rank. */
  readonly alpha: number;
  /**
   * Modules that get an adapter: matched against names such as `model.layers.0.self_attn.q_proj` and
   * `visual.blocks.0.attn.qkv`. Default: all linear layers of the text tower's blocks.
   */
  readonly target?: RegExp | undefined;
}

/** How the functions are made. */
export interface QwenModelOptions {
  /** Needed when the parameters hold adapters; without it adapters in the parameters are an error. */
  readonly lora?: LoraConfig | undefined;
  /** Forget activations inside of blocks and make them again on the way back. Default false. */
  readonly checkpoint?: boolean | undefined;
  /** Rows of logits held at a time by `logp`; see `TokenLogpOptions`. */
  readonly chunkRows?: number | undefined;
}

/** A model's functions. Pure: parameters and inputs in, tensors out; differentiable in every parameter; traceable. */
export interface QwenModel {
  readonly config: QwenConfig;
  /** The vision tower. → `[G, D]` in the processor's order: what image tokens stand for. */
  readonly vision: (params: QwenParams<Tensor>, inputs: VisionInputs<Tensor>) => Tensor;
  /** Last hidden states, normed. → `[B, L, D]`. */
  readonly hidden: (params: QwenParams<Tensor>, inputs: QwenInputs<Tensor>) => Tensor;
  /** Scores of the next token at every place. → `[B, L, V]`. */
  readonly logits: (params: QwenParams<Tensor>, inputs: QwenInputs<Tensor>) => Tensor;
  /** Log-probability in nats of each token given those before it; column 0 and places not scored are 0. → `[B, L]`. */
  readonly logp: (params: QwenParams<Tensor>, inputs: QwenInputs<Tensor>) => Tensor;
  /** The same with the entropy in nats of the distribution that each token was drawn from; costs the head once more. → two `[B, L]`. */
  readonly logpAndEntropy: (
    params: QwenParams<Tensor>,
    inputs: QwenInputs<Tensor>,
  ) => { readonly logp: Tensor; readonly entropy: Tensor };
  /** Reads prompts into a cache. */
  readonly prefill: (params: QwenParams<Tensor>, inputs: QwenInputs<Tensor>) => QwenPrefill;
  /** One new token for every row; the cache is only read, the new rows are the caller's to write. */
  readonly decode: (
    params: QwenParams<Tensor>,
    step: QwenStep<Tensor>,
    cache: QwenKeysValues<Tensor>,
  ) => QwenStepOutputs;
}
