/** Evaluation: the public names of this room. */
export {
  customBenchmark,
  defineBenchmark,
  mediaName,
  UNCATEGORISED,
  type Benchmark,
  type BenchmarkDefinition,
  type CustomBenchmarkOptions,
  type Split,
} from "./benchmark.ts";
export { mmRlhfRewardBench, multimodalRewardBench, vlRewardBench } from "./benchmarks.ts";
export { clusteredBootstrap, type BootstrapOptions, type BootstrapResult, type Observation } from "./bootstrap.ts";
export {
  compareRuns,
  type Agreement,
  type CompareRunsOptions,
  type PairedComparison,
  type RunComparison,
} from "./compare-runs.ts";
export { evaluate, type EvaluateOptions } from "./evaluate.ts";
export { formatComparison, formatReport, type FormatOptions } from "./format.ts";
export type { PositionBias, PositionDisagreements } from "./position.ts";
export { readRecord } from "./read-record.ts";
export {
  latestRecords,
  outcomeOf,
  recordKey,
  recordKeys,
  type DecisionSummary,
  type EvalRecord,
  type JudgeFailure,
  type JudgmentSummary,
  type Outcome,
  type RunSettings,
} from "./records.ts";
export type {
  ConsistencyReport,
  EvalReport,
  FailureReport,
  PassAtKReport,
  SplitReport,
  TokenReport,
} from "./report-types.ts";
export { reportRecords, type ReportOptions } from "./report.ts";
export type { FailurePolicy, Score, TiePolicy } from "./score.ts";
export {
  binomialTest,
  cohenKappa,
  mcnemar,
  passAtK,
  quantile,
  wilson,
  type Interval,
  type McNemar,
} from "./statistics.ts";
