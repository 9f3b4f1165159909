/** `@r1reward/adapters/serve`: a reward server that RLHF frameworks call unmodified. */
export { serveRewards, type RewardServer, type ServeStats } from "./server.ts";
export type { ServeEvent, ServeRewardsOptions } from "./options.ts";
export { defaultServeLimits, type ServeLimits } from "./limits.ts";
export type { JudgePolicy } from "./guard.ts";
export type { ServeClock } from "./clock.ts";
export {
  datasetIndex,
  type DatasetIndex,
  type DatasetIndexOptions,
  type DatasetIndexStats,
  type DatasetRecord,
} from "./images.ts";
export { WireError } from "./wire-error.ts";
export * from "./wire/index.ts";
export type {
  AskedPrompt,
  BadEntry,
  ComparisonSummary,
  GroupSummary,
  HoldPolicy,
  MemberResult,
  Outcome,
  PairAsk,
  PairResult,
  RewardFlag,
  Route,
  Submission,
  UnscorableReason,
  WireFormat,
  WireReply,
  WireRequest,
  Work,
} from "./types.ts";
