/** The models that can be trained. */
import { z } from "zod";
import { above0, count, natural, said, share } from "./fields.ts";

const lora = z.strictObject({
  rank: said(count, "rank of the adapters"),
  alpha: said(above0, "adapters are scaled by alpha / rank"),
  target: said(
    z.string().optional(),
    "regular expression of the modules that get one; all linear layers of the text tower by default",
  ),
});

const qwenSize = z.strictObject({
  hiddenSize: count,
  layers: count,
  heads: count,
  kvHeads: count,
  intermediateSize: count,
  visionHiddenSize: count,
  visionDepth: count,
  visionHeads: count,
  visionIntermediateSize: count,
  vocabSize: said(count, "most tokens of the vocabulary, which is learnt from the data's texts"),
  seed: said(natural, "of the fresh weights"),
  ropeTheta: said(
    above0,
    "base of the rotary frequencies: 1000000 as published; small heads learn places in a picture only with a small one",
  ),
  pixels: said(
    z.strictObject({ mean: z.tuple([share, share, share]), std: z.tuple([above0, above0, above0]) }).nullable(),
    "mean and deviation that pixels are normalised with; null: as published",
  ),
});

/** `model`: what is trained. */
export const model = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: said(z.literal("qwen25vl"), "a Qwen2.5-VL model in a Hugging Face folder"),
    path: said(
      z.string().min(1),
      "the folder: config.json, tokenizer.json, *.safetensors; or tiny, the judge that came with the install",
    ),
    context: said(count, "most tokens of prompt and reply together"),
    lora: said(lora.nullable(), "train low-rank adapters only; null trains all weights"),
    freezeVision: said(z.boolean().default(false), "leave the vision tower as it is; adapters leave it anyway"),
    checkpoint: said(
      z.boolean(),
      "forget activations inside of blocks and make them again: less memory, a third more time",
    ),
  }),
  z.strictObject({
    kind: said(
      z.literal("qwen25vl-fresh"),
      "the same architecture with fresh weights of any size: to see every part work",
    ),
    size: qwenSize,
    context: count,
    checkpoint: z.boolean(),
  }),
  z.strictObject({
    kind: said(z.literal("text"), "a small text transformer over characters: pictures are left out"),
    size: z.strictObject({
      hiddenSize: count,
      layers: count,
      heads: count,
      kvHeads: count,
      intermediateSize: count,
      seed: natural,
    }),
    context: count,
  }),
]);
