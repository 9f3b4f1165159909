/**
 * What a run will need, worked out before it begins: memory, disk and arithmetic. Upper estimates from sizes alone; every number says
 * what it counts. P parameters, T of them trained, B rows, L tokens of a row.
 */

import { bytesPerElement } from "../safetensors/dtype.ts";
import type { FloatDtype } from "../safetensors/values.ts";

/** Sizes of a model, as far as needs depend on them. */
export interface ModelFacts {
  /** P */
  readonly parameters: number;
  /** T */
  readonly trained: number;
  /** Bytes of weights that are not trained and stay in their files; those are in memory by default. */
  readonly mapped?: number | undefined;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly vocabSize: number;
}

/** A stage's sizes. */
export interface StageFacts {
  readonly stage: "sft" | "rl";
  readonly steps: number;
  /** Rows in memory at a time. */
  readonly rows: number;
  /** Rows learnt from in a step, passes included. */
  readonly rowsPerStep: number;
  /** Replies sampled in a step; 0 in the cold start. */
  readonly replies: number;
  readonly promptTokens: number;
  readonly replyTokens: number;
  /** Is there a reference model? */
  readonly reference: boolean;
  /** Are activations inside of blocks made again on the way back? */
  readonly checkpoint: boolean;
  /** Sequences sampled side by side. */
  readonly maxBatch: number;
}

/** A need in bytes, and what it is for. */
export interface Need {
  readonly name: string;
  readonly bytes: number;
  readonly detail: string;
}

const F32 = 4;
const count = (n: number): string => n.toLocaleString("en-US");

/** Rows of logits held at a time: what the log-probability over a large vocabulary is made from. */
const LOGIT_ROWS = 512;

/** Numbers kept of one token in one block for the way back: inputs of norms, projections and products, and attention's weights. */
const perToken = (m: ModelFacts, length: number): number =>
  8 * m.hiddenSize + (m.heads + 2 * m.kvHeads) * m.headSize + 4 * m.intermediateSize + m.heads * length;

const activations = (m: ModelFacts, s: StageFacts): Need => {
  const length = s.promptTokens + s.replyTokens;
  const tokens = s.rows * length;
  const inside = tokens * perToken(m, length);
  const kept = s.checkpoint ? m.layers * tokens * m.hiddenSize + inside : m.layers * inside;
  const logits = 3 * Math.min(LOGIT_ROWS, tokens) * m.vocabSize;
  const how = s.checkpoint ? "made again inside of blocks" : "all kept";
  return {
    name: "activations",
    bytes: F32 * (kept + logits),
    detail: `${s.rows} rows of ${count(length)} tokens, ${how}`,
  };
};

const cache = (m: ModelFacts, s: StageFacts): Need => {
  const rows = Math.min(s.maxBatch, Math.max(1, s.replies));
  const length = s.promptTokens + s.replyTokens;
  return {
    name: "key/value cache",
    bytes: F32 * 2 * m.layers * m.kvHeads * m.headSize * rows * length,
    detail: `${rows} sequences of ${count(length)} tokens`,
  };
};

const weights = ({ parameters, trained, mapped }: ModelFacts): readonly Need[] => {
  const detail = "float32, on the engine and as they were read";
  const learning = { name: "weights", bytes: 2 * F32 * trained, detail };
  if (parameters === trained) return [learning];
  const rest =
    mapped === undefined
      ? { bytes: F32 * (parameters - trained), detail: "float32; engine.mapWeights would leave them in their files" }
      : { bytes: mapped, detail: "pages of their files, which the system may drop" };
  return [learning, { name: "weights that are not trained", ...rest }];
};

/** Memory of a stage, its parts one by one. */
export const memoryNeeds = (m: ModelFacts, s: StageFacts): readonly Need[] => {
  const reference = s.reference ? [{ name: "reference weights", bytes: F32 * m.trained, detail: "KL needs them" }] : [];
  return [
    ...weights(m),
    { name: "moments of AdamW", bytes: 2 * F32 * m.trained, detail: "float32, two for each trained weight" },
    {
      name: "next weights and moments",
      bytes: 3 * F32 * m.trained,
      detail: "an update writes them beside the old ones",
    },
    { name: "gradients", bytes: F32 * m.trained, detail: "float32" },
    ...reference,
    activations(m, s),
    ...(s.replies > 0 ? [cache(m, s)] : []),
    { name: "a checkpoint while it is saved", bytes: 3 * F32 * m.trained, detail: "weights and moments, copied" },
  ];
};

/** Disk: checkpoints that are kept while one more is written, the best weights, the exported model. */
export const diskNeeds = (
  m: ModelFacts,
  how: { readonly keep: number; readonly stages: number; readonly exported: false | FloatDtype },
): readonly Need[] => [
  {
    name: "checkpoints",
    bytes: how.stages * (how.keep + 1) * 3 * F32 * m.trained,
    detail: `${how.keep} kept and one being written, in ${how.stages} stages`,
  },
  { name: "best weights", bytes: how.stages * 2 * F32 * m.trained, detail: "one kept and one being written" },
  ...(how.exported === false
    ? []
    : [{ name: "exported model", bytes: bytesPerElement(how.exported) * m.parameters, detail: how.exported }]),
];

/**
 * Multiplications and additions of one step: 2P for each token read or written, three times that for learning from it, four times
 * where activations are made again. Attention over long rows, and pictures, come on top.
 */
export const stepFlops = (m: ModelFacts, s: StageFacts): number => {
  const length = s.promptTokens + s.replyTokens;
  const learning = s.rowsPerStep * length * (s.checkpoint ? 8 : 6) * m.parameters;
  const passes = 1 + (s.reference ? 1 : 0);
  const sampling = s.replies * length * 2 * m.parameters * (1 + passes);
  return learning + sampling;
};

/** The sum of needs in bytes. */
export const totalBytes = (needs: readonly Need[]): number => needs.reduce((sum, { bytes }) => sum + bytes, 0);
