/** How large a model is, and what training it takes: arithmetic on sizes, before anything is allocated. */
import { ConfigError } from "@r1reward/core";
import { CHUNK_ELEMENTS } from "../../ops/token-logp.ts";
import { loraShapes } from "./lora.ts";
import { qwenParameterShapes } from "./shapes.ts";
import type { LoraConfig, QwenConfig, QwenTextConfig, QwenVisionConfig } from "./types.ts";

/** Numbers of parameters. */
export interface QwenSize {
  /** 3.755 billion in the 3B model, 8.292 billion in the 7B. */
  readonly total: number;
  readonly vision: number;
  /** Text blocks and the last norm. */
  readonly blocks: number;
  /** Embedding, and the head when it is not tied. */
  readonly tables: number;
  readonly tensors: number;
}

const elements = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Counts parameters. */
export const qwenSize = (config: QwenConfig): QwenSize => {
  const shapes = [...qwenParameterShapes(config)];
  const sum = (match: RegExp): number =>
    shapes.reduce((total, [name, shape]) => total + (match.test(name) ? elements(shape) : 0), 0);
  const [vision, tables] = [sum(/^visual\./), sum(/embed_tokens|lm_head/)];
  const total = sum(/^/);
  return { total, vision, tables, blocks: total - vision - tables, tensors: shapes.length };
};

/** A training run as planned. */
export interface QwenTrainingPlan {
  /** Rows of a batch that goes through the graph at once. */
  readonly rows: number;
  /** Tokens of a row, image tokens included. */
  readonly length: number;
  /** Patches of a row's images: 4 for each image token. Default 0. */
  readonly patches?: number | undefined;
  /** Tokens of a row whose log-probability counts. Default: all. */
  readonly scored?: number | undefined;
  /** Adapters instead of the weights. Default: full fine-tuning. */
  readonly lora?: LoraConfig | undefined;
  /** Default false. */
  readonly frozenVision?: boolean | undefined;
  readonly checkpoint?: boolean | undefined;
  /** Frozen weights stay in their file and are mapped, not read. Default false. */
  readonly frozenOnDisk?: boolean | undefined;
  /** What the machine does in matrix products; makes `seconds`. */
  readonly flopsPerSecond?: number | undefined;
}

/** What a run takes. Bytes are of float32, which is what weights, moments and activations are kept in at every precision. */
export interface QwenTrainingEstimate {
  readonly trained: number;
  readonly frozen: number;
  readonly bytes: {
    /** Trained weights twice (a step writes the next ones beside the present ones) and frozen ones once. */
    readonly weights: number;
    /** Adam's two moments, twice as well. */
    readonly optimiser: number;
    readonly gradients: number;
    /** What a forward pass keeps for the way back. An estimate: the runtime plans memory by itself. */
    readonly activations: number;
    /** Scores of the tokens that count. */
    readonly logits: number;
    readonly total: number;
  };
  /** Floating point operations of a forward and backward pass over the batch. */
  readonly flops: number;
  /** null without `flopsPerSecond`. */
  readonly seconds: number | null;
}

const FLOAT = 4;

/** Floats that one block keeps for each token; `seen` keys on average. */
const kept = (b: { hidden: number; inner: number; q: number; kv: number; heads: number }, seen: number): number =>
  6 * b.hidden + 3 * b.q + 4 * b.kv + 5 * b.inner + b.heads * seen;

const textKept = (t: QwenTextConfig, length: number): number => {
  const [q, kv] = [t.heads * t.headSize, t.kvHeads * t.headSize];
  return kept({ hidden: t.hiddenSize, inner: t.intermediateSize, q, kv, heads: t.heads }, (length * 5) / 8);
};

/** Floats per patch in a block inside windows, and in one over the frame. */
const visionKept = (v: QwenVisionConfig, patches: number): readonly [window: number, frame: number] => {
  const sizes = { hidden: v.hiddenSize, inner: v.intermediateSize, q: v.hiddenSize, kv: v.hiddenSize, heads: v.heads };
  const window = (v.windowSize / v.patchSize) ** 2;
  return [kept(sizes, Math.min(window, patches)), kept(sizes, patches)];
};

/** Does nothing of the vision tower change? */
const visionIsStill = (config: QwenConfig, { frozenVision, lora }: QwenTrainingPlan): boolean => {
  if (frozenVision === true) return true;
  return lora !== undefined && ![...loraShapes(config, lora).keys()].some((name) => name.startsWith("visual."));
};

const activationFloats = (config: QwenConfig, plan: QwenTrainingPlan): number => {
  const { vision: v, text: t } = config;
  const { rows, length, patches = 0, checkpoint = false } = plan;
  const [perToken, tokens, pixels] = [textKept(t, length), rows * length, rows * patches];
  const [window, frame] = visionKept(v, patches);
  const whole = v.fullAttentionBlocks.length;
  const text = checkpoint ? tokens * (t.layers * t.hiddenSize + perToken) : tokens * t.layers * perToken;
  const visionFull = pixels * ((v.depth - whole) * window + whole * frame);
  const visionLean = pixels * (v.depth * v.hiddenSize + frame);
  const vision = visionIsStill(config, plan) ? pixels * frame : checkpoint ? visionLean : visionFull;
  return text + vision;
};

/** Multiplications and additions of one forward pass. */
const forwardFlops = (config: QwenConfig, plan: QwenTrainingPlan): { text: number; vision: number; head: number } => {
  const { vision: v, text: t } = config;
  const size = qwenSize(config);
  const { rows, length, patches = 0, scored = length } = plan;
  const attention = 2 * length * t.heads * t.headSize * t.layers; // half of the square is seen
  const window = Math.min((v.windowSize / v.patchSize) ** 2, patches);
  const whole = v.fullAttentionBlocks.length;
  const visionAttention = 4 * v.hiddenSize * ((v.depth - whole) * window + whole * patches);
  return {
    text: rows * length * (2 * size.blocks + attention),
    vision: rows * patches * (2 * size.vision + visionAttention),
    head: rows * scored * 2 * t.vocabSize * t.hiddenSize,
  };
};

/** Forward, once more for the inputs' gradients, for the weights' and for what was forgotten. */
const stepFlops = (config: QwenConfig, plan: QwenTrainingPlan): number => {
  const { text, vision, head } = forwardFlops(config, plan);
  const again = plan.checkpoint === true ? 1 : 0;
  const full = plan.lora === undefined ? 1 : 0;
  const back = 2 + full + again;
  const visionBack = visionIsStill(config, plan) ? 1 : back;
  return text * back + head * (2 + full) + vision * visionBack;
};

const trainedCount = (config: QwenConfig, { lora, frozenVision }: QwenTrainingPlan): number => {
  const size = qwenSize(config);
  if (lora === undefined) return frozenVision === true ? size.total - size.vision : size.total;
  return [...loraShapes(config, lora)]
    .filter(([name]) => frozenVision !== true || !name.startsWith("visual."))
    .reduce((sum, [, shape]) => sum + elements(shape), 0);
};

/**
 * Memory and work of one update, for `--dry-run`.
 *
 * @throws ConfigError when rows or length cannot be
 */
export const qwenTrainingEstimate = (config: QwenConfig, plan: QwenTrainingPlan): QwenTrainingEstimate => {
  for (const field of ["rows", "length"] as const) {
    if (Number.isSafeInteger(plan[field]) && plan[field] > 0) continue;
    throw new ConfigError(`training ${field}: expected a positive whole number, got ${plan[field]}`);
  }
  const trained = trainedCount(config, plan);
  const frozen = qwenSize(config).total - (plan.lora === undefined ? trained : 0);
  const rows = plan.rows * (plan.scored ?? plan.length);
  const weights = FLOAT * (2 * trained + (plan.frozenOnDisk === true ? 0 : frozen));
  const optimiser = FLOAT * 4 * trained;
  const gradients = FLOAT * trained;
  const activations = FLOAT * activationFloats(config, plan);
  const logits = FLOAT * 2 * Math.min(rows * config.text.vocabSize, CHUNK_ELEMENTS);
  const total = weights + optimiser + gradients + activations + logits;
  const flops = stepFlops(config, plan);
  return {
    trained,
    frozen,
    bytes: { weights, optimiser, gradients, activations, logits, total },
    flops,
    seconds: plan.flopsPerSecond === undefined ? null : flops / plan.flopsPerSecond,
  };
};
