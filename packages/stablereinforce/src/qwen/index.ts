/** Qwen2.5-VL: the model of R1-Reward. */
export * from "./inputs/index.ts";
export * from "./model/index.ts";
export * from "./policy/index.ts";
export * from "./chat/index.ts";
