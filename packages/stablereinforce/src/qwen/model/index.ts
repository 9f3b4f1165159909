/** Qwen2.5-VL's two towers in plain TensorFlow.js. */
export type * from "./types.ts";
