/** The engine: TensorFlow.js functions, compiled to ONNX and run by ONNX Runtime, or run eagerly. */
export { describeRuntimes, type RuntimeReport } from "./describe.ts";
export { createEngine } from "./engine.ts";
export { EngineError, isEngineError, type EngineErrorData, type EngineErrorReason } from "./errors.ts";
export { registerGradients } from "./gradients/register.ts";
export type { FileRange, FrozenSource } from "./frozen.ts";
export type { DType } from "./onnx/ir.ts";
export type { Precision } from "./onnx/precision.ts";
export type { Provider } from "./runtime/ort.ts";
export {
  hostTensor,
  isEngineTensor,
  type EngineTensor,
  type HostData,
  type HostTensor,
  type Numbers,
} from "./tensor.ts";
export { flatten, mapTree, rebuild, type Flat, type Leaf, type Template } from "./tree.ts";
export type {
  Compiled,
  CompileOptions,
  Engine,
  EngineOptions,
  Given,
  GivenArgs,
  GraphInfo,
  Kept,
  RuntimeName,
} from "./types.ts";
