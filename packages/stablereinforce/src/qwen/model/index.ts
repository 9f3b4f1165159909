/** Qwen2.5-VL's two towers in plain TensorFlow.js. */
export { parseQwenConfig, type ParseQwenOptions } from "./config.ts";
export { visionGeometry, visionInputs } from "./geometry.ts";
export { valueAndNamedGrads } from "./grads.ts";
export { initLora, isLora, loraScale, loraMerger, loraShapes, mergeLora, splitParams } from "./lora.ts";
export { diskName, runtimeName } from "./names.ts";
export { qwenModel } from "./model.ts";
export { initQwen, qwenParameterShapes } from "./shapes.ts";
export {
  qwenSize,
  qwenTrainingEstimate,
  type QwenSize,
  type QwenTrainingEstimate,
  type QwenTrainingPlan,
} from "./size.ts";
export type * from "./types.ts";
