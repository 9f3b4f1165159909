/** Qwen2.5-VL as the sampler sees it. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Engine, Given } from "../../engine/types.ts";
import type { Decoder, PromptInputs, SamplePrompt } from "../../sample/index.ts";
import type { QwenInputs, QwenModel, QwenParams } from "../model/index.ts";
import { layText, layVision, mediaOf } from "./layout.ts";
import { visionRows, type VisionRowsOptions } from "./vision-rows.ts";

/** A decoder that keeps what the vision tower made. */
export interface QwenDecoder extends Decoder<QwenParams<Tensor>>, AsyncDisposable {
  /** Call it when the vision tower's weights have changed. */
  readonly forget: () => void;
}

/**
 * Prompts carry a `QwenRow` as `media` (none: text alone), whose `ropeDelta` is their `offset`. Each distinct picture goes through the
 * vision tower once, and not again before `forget`.
 */
export const qwenDecoder = (engine: Engine, model: QwenModel, options: VisionRowsOptions = {}): QwenDecoder => {
  const { text } = model.config;
  const vision = visionRows(engine, model, options);
  const layPrompts = async (
    prompts: readonly SamplePrompt[],
    shape: readonly [number, number],
    params: Given<QwenParams<Tensor>>,
  ): Promise<PromptInputs> => {
    const rows = prompts.map(({ tokens, media }) => {
      const prompt = Array.from({ length: tokens.length - 1 }, (_, i) => tokens[i] as number);
      return { prompt, media: mediaOf(media) };
    });
    const laid = layText(rows, shape, model.config);
    if (laid.imageRows === undefined) return laid.text;
    const parts = await vision.of(params, laid.pictures);
    const pads = Math.max(...rows.map(({ media }) => padsOf(media?.grids ?? [], model.config.vision.mergeSize)));
    const rowsOfVision = layVision(parts, [shape[0], pads, text.hiddenSize]);
    return { ...laid.text, imageRows: laid.imageRows, visionRows: rowsOfVision };
  };
  return {
    vocabSize: text.vocabSize,
    cache: { layers: text.layers, kvHeads: text.kvHeads, headSize: text.headSize },
    layPrompts,
    prefill: (params, inputs) => model.prefill(params, inputs as unknown as QwenInputs<Tensor>),
    decode: model.decode,
    forget: vision.forget,
    [Symbol.asyncDispose]: () => vision[Symbol.asyncDispose](),
  };
};

const padsOf = (grids: readonly (readonly [number, number, number])[], mergeSize: number): number =>
  grids.reduce((sum, [t, h, w]) => sum + (t * h * w) / mergeSize ** 2, 0);
