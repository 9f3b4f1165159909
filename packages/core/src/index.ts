/**
 * `@r1reward/core`: judging, rewarding and evaluating. Runs in Node and in browsers; files, parquet and the disk cache are
 * under `@r1reward/core/node`, scripted models and contract suites under `@r1reward/core/testing`.
 */
export * from "./types.ts";
export * from "./interfaces.ts";
export * from "./errors.ts";
export { redact } from "./redact.ts";

// asking and reading
export { createPlainProtocol, plainProtocol, type PlainProtocolOptions } from "./protocol/plain.ts";
export { createR1Protocol, r1Protocol, type R1ProtocolOptions } from "./protocol/r1.ts";
export { createRmR1Protocol, rmR1Protocol, type RmR1ProtocolOptions } from "./protocol/rm-r1.ts";
export {
  createUnifiedRewardProtocol,
  unifiedRewardProtocol,
  unifiedRewardThinkProtocol,
  type UnifiedRewardProtocolOptions,
} from "./protocol/unified-reward.ts";
export { referenceProtocol, type ReferenceBenchmark, type ReferenceProtocolOptions } from "./protocol/reference.ts";
export {
  defineTaggedProtocol,
  type ProtocolOptions,
  type TaggedProtocolOptions,
  type VerdictLabels,
} from "./protocol/define-protocol.ts";
export type { AskOptions, AskSetup } from "./protocol/ask.ts";
export { R1_EVAL_TEMPLATE, R1_TRAIN_TEMPLATE } from "./protocol/r1-templates.ts";
export { hasR1Format, type R1FormatOptions } from "./protocol/verdict-scanner.ts";
export { CONTROL_MARKERS, neutraliseMarkers, type Neutralised } from "./protocol/neutralise.ts";

// judging
export { judgeWith, type JudgeWithOptions } from "./judge.ts";
export { comparePair, type CompareOptions } from "./compare.ts";
export { planVotes, type Orders, type Vote, type VotePlanOptions } from "./vote-plan.ts";
export { decide, type DecideOptions, type OnTie } from "./aggregate.ts";
export { firstJudge, longerJudge, randomJudge } from "./baselines.ts";
export { rewardModel, type GroupScorer, type RewardModelOptions } from "./reward-model.ts";
export { swapPair, swapVerdict } from "./swap.ts";
export { cacheKey, type CacheKeyInput } from "./cache/key.ts";
export { memoryCache, type MemoryCacheOptions } from "./cache/memory-cache.ts";

// models
export * from "./model/index.ts";

// pictures
export { inlineMedia, type InlineMediaOptions } from "./media/inline.ts";
export { defaultMediaLimits, type MediaLimits } from "./media/limits.ts";
export { readImageHeader, type ImageHeader } from "./media/header.ts";
export {
  pixelBudget,
  roundHalfEven,
  smartResize,
  type ImageSize,
  type SmartResizeOptions,
} from "./media/smart-resize.ts";
export { decodeBase64 } from "./media/base64.ts";
export { loadMessages } from "./load-messages.ts";

// data
export { defineDatasetFormat, type DatasetFormat, type DatasetRow, type RowContext } from "./dataset/format.ts";
export { defineSchemaFormat, type SchemaFormat } from "./dataset/schema-format.ts";
export * from "./dataset/formats/index.ts";
export {
  preferencesFromRows,
  type PreferenceOptions,
  type PreferenceStream,
  type ReadStats,
  type RowResult,
  type RowSource,
} from "./dataset/read.ts";

// groups
export * from "./group/index.ts";

// rewards
export * from "./reward/index.ts";

// evaluation
export * from "./evaluate/index.ts";
