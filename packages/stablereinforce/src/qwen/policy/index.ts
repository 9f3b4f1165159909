/** Qwen2.5-VL as a policy. */
export { qwen25vl } from "./qwen25vl.ts";
export { qwenDecoder } from "./decoder.ts";
export { frozenVision, fullTraining, loraTraining, type Trainable } from "./trainable.ts";
export type { PlacedWeights, Qwen25VLOptions, Qwen25VLPolicy, ReplyTokenizer, RowEncoder } from "./types.ts";
