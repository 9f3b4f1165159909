/** Qwen2.5-VL as the sampler sees it. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Decoder, SamplePrompt } from "../../sample/index.ts";
import type { QwenInputs, QwenModel, QwenParams } from "../model/index.ts";
import { layRows, mediaOf } from "./layout.ts";

/** Prompts carry a `QwenRow` as `media` (none: text alone), whose `ropeDelta` is their `offset`. */
export const qwenDecoder = (model: QwenModel): Decoder<QwenParams<Tensor>> => {
  const { text } = model.config;
  return {
    vocabSize: text.vocabSize,
    cache: { layers: text.layers, kvHeads: text.kvHeads, headSize: text.headSize },
    layPrompts: (prompts, shape) => {
      const rows = prompts.map(({ tokens, media }: SamplePrompt) => {
        const prompt = Array.from({ length: tokens.length - 1 }, (_, i) => tokens[i] as number);
        return { prompt, media: mediaOf(media) };
      });
      return { ...layRows(rows, shape, model.config) };
    },
    prefill: (params, inputs) => model.prefill(params, inputs as unknown as QwenInputs<Tensor>),
    decode: model.decode,
  };
};
