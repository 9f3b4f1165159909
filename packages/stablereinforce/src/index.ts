/** @r1reward/stablereinforce: training and sampling reward models with TensorFlow.js compiled to ONNX Runtime. */
export * from "./engine/index.ts";
export * from "./ops/index.ts";
export * from "./optim/index.ts";
