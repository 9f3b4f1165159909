/** @r1reward/stablereinforce: training and sampling reward models with TensorFlow.js compiled to ONNX Runtime. */
export * from "./engine/index.ts";
export * from "./ops/index.ts";
export * from "./optim/index.ts";
export * from "./errors.ts";
export * from "./safetensors/index.ts";
export * from "./model/index.ts";
export * from "./sample/index.ts";
export * from "./algorithm/index.ts";
export * from "./policy/index.ts";
export * from "./train/index.ts";
export * from "./checkpoint/index.ts";
export * from "./pipeline/index.ts";
export * from "./qwen/index.ts";
