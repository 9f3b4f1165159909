/** Parts of `@r1reward/stablereinforce` that need Node: files. */
export {
  openSafetensors,
  saveSafetensors,
  streamSafetensors,
  type ReadTensorOptions,
  type SafetensorsFile,
  type SaveSafetensorsOptions,
  type TensorLocation,
  type TensorSource,
} from "./safetensors-file.ts";
export { openSharded, openWeights, type OpenCheckpointOptions } from "./sharded.ts";
export { atomicWrite } from "./atomic-write.ts";
export { readQwenAdapter, writeQwenAdapter, type QwenAdapter, type WriteAdapterOptions } from "./qwen-adapter.ts";
export { readQwenFolder, type QwenFolder, type ReadQwenOptions } from "./qwen-folder.ts";
export { mapQwenFolder, type MappedQwenFolder, type MapQwenOptions } from "./mapped-qwen.ts";
export { writeQwenFolder, type LoadParam, type WriteQwenOptions } from "./qwen-write.ts";
export { folderStore } from "./folder-store.ts";
export { imageDecoder } from "./image-decoder.ts";
export { createSamplePool, type SamplePool, type SamplePoolOptions } from "./sample-pool.ts";
export { jsonlSink, tensorBoardSink, type ResumeOptions } from "./sinks.ts";
export { jsonlLog, type JsonlLog, type JsonlLogOptions, type Stepped } from "./jsonl-log.ts";
export {
  parseReportLine,
  stageFolder,
  type AlarmLine,
  type EvaluationLine,
  type StageFolder,
  type StageFolderOptions,
} from "./stage-folder.ts";
export {
  freshQwen,
  openQwen,
  readQwenConfig,
  type FreshQwenOptions,
  type OpenQwenSettings,
  type QwenModelSettings,
  type QwenPipelineModel,
} from "./qwen-model.ts";
export { hasWeights, qwenFacts, type TrainedPart } from "./qwen-facts.ts";
export { modelFingerprint } from "./model-fingerprint.ts";
export { openLocalModel, type OpenLocalModelOptions } from "./open-local-model.ts";
export { serverWeights, type ServerWeightsOptions } from "./server-weights.ts";
