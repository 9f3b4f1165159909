/** What happens to a prompt before Qwen2.5-VL sees it: template, tokens, positions, pixels. */
export { qwenSpecialTokens, trainBpe, type TrainBpeOptions } from "./bpe-train.ts";
export { bytesOfToken } from "./byte-level.ts";
export { chatPieces, type ChatMessage, type ChatOptions, type ChatPiece } from "./chat-template.ts";
export { portableDecoder, type DecoderOptions } from "./portable-decoder.ts";
export { mediaTokenCount, processorSize, qwenProcessor } from "./processor.ts";
export { processorOptionsFrom } from "./processor-options.ts";
export {
  qwenInputs,
  type EncodeOptions,
  type QwenInputsConfig,
  type QwenInputsEncoder,
  type QwenInputsOptions,
} from "./qwen-inputs.ts";
export { currentPillow, firstPillow, resizeBicubic, type PassOrder, type RgbImage } from "./resample.ts";
export {
  currentRope,
  firstRope,
  getRopeIndex,
  type RopeIndex,
  type RopeIndexInput,
  type RopeRule,
} from "./rope-index.ts";
export { qwenTokenizer, type QwenTokenizer, type QwenTokenizerOptions, type TextStream } from "./tokenizer.ts";
export type { AddedToken, TokenizerJson } from "./tokenizer-json.ts";
export type * from "./types.ts";
export { frameCumulative, visionPositions, windowIndex, type WindowIndex, type WindowOptions } from "./window.ts";
