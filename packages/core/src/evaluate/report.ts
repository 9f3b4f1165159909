/** Records → report: pure, so that a saved run can be reported again, under another policy or another benchmark. */
import { ConfigError } from "../errors.ts";
import { UNCATEGORISED, type Benchmark, type Split } from "./benchmark.ts";
import type { BootstrapOptions } from "./bootstrap.ts";
import { positionBiasOf } from "./position.ts";
import { latestRecords, SETTINGS, type EvalRecord, type RunSettings } from "./records.ts";
import { reportJudgments } from "./report-judgments.ts";
import type { ConsistencyReport, EvalReport, FailureReport, SplitReport } from "./report-types.ts";
import {
  accuracyUnder,
  groupRecords,
  scoreRecords,
  type FailurePolicy,
  type Score,
  type ScoreOptions,
} from "./score.ts";

/** How to report. */
export interface ReportOptions {
  /** What failures count as in the headline; `wrong` unless told. */
  readonly failures?: FailurePolicy | undefined;
  /** How to resample for the clustered intervals. */
  readonly bootstrap?: BootstrapOptions | undefined;
}

const categoryIn = ({ categories }: EvalRecord, split: string): string =>
  Object.hasOwn(categories, split) ? categories[split]! : UNCATEGORISED;

const macroOf = (scores: readonly Score[]): number | null => {
  const accuracies = scores.map(({ accuracy }) => accuracy);
  if (accuracies.length === 0 || accuracies.includes(null)) return null;
  return accuracies.reduce<number>((sum, accuracy) => sum + accuracy!, 0) / accuracies.length;
};

const splitReport = (split: Split, records: readonly EvalRecord[], options: ScoreOptions): SplitReport | null => {
  const found = groupRecords(records, (record) => categoryIn(record, split.name));
  if (split.categories.length === 0 && found.size === 1 && found.has(UNCATEGORISED)) return null;
  const others = [...found.keys()].filter((name) => !split.categories.includes(name)).sort();
  const scores = [...split.categories, ...others].map(
    (name) => [name === "macro" ? "macro (category)" : name, scoreRecords(found.get(name) ?? [], options)] as const,
  );
  // Object.fromEntries defines own properties, so that a category called __proto__ is one like any other.
  return { ...Object.fromEntries(scores), macro: macroOf(scores.map(([, score]) => score)) };
};

const splitsOf = (
  benchmark: Benchmark,
  records: readonly EvalRecord[],
  options: ScoreOptions,
): Readonly<Record<string, SplitReport>> => {
  const splits = benchmark.splits.map((split) => [split.name, splitReport(split, records, options)] as const);
  return Object.fromEntries(splits.filter((entry): entry is [string, SplitReport] => entry[1] !== null));
};

const consistencyOf = (records: readonly EvalRecord[]): ConsistencyReport => {
  const both = records.flatMap(({ decision }) => (decision === null ? [] : (decision.consistent ?? [])));
  const consistent = both.filter(Boolean).length;
  return { n: both.length, consistent, rate: both.length === 0 ? null : consistent / both.length };
};

const MAX_MESSAGES = 10;

const failuresOf = (records: readonly EvalRecord[]): FailureReport => {
  const failed = records.flatMap(({ failure }) => (failure === null ? [] : [failure]));
  const counts = new Map<string, { code: string | null; message: string; count: number }>();
  for (const { code, message } of failed) {
    const key = `${code} ${message}`;
    const entry = counts.get(key) ?? { code, message, count: 0 };
    entry.count += 1;
    counts.set(key, entry);
  }
  const ordered = [...counts.values()].sort((a, b) => b.count - a.count || (a.message < b.message ? -1 : 1));
  return { n: failed.length, messages: ordered.slice(0, MAX_MESSAGES) };
};

/** The settings that all records share. Throws `ConfigError` when they come from different runs. */
export const settingsOf = (records: readonly EvalRecord[]): RunSettings | null => {
  const first = records[0]?.settings;
  if (first === undefined) return null;
  for (const { settings, id } of records) {
    const other = SETTINGS.find((field) => settings[field] !== first[field]);
    if (other === undefined) continue;
    throw new ConfigError(
      `records: expected one run with ${other} ${JSON.stringify(first[other])}, got ${JSON.stringify(settings[other])} in record ${JSON.stringify(id)}`,
    );
  }
  return first;
};

const warningsOf = (benchmark: Benchmark, settings: RunSettings | null, records: readonly EvalRecord[]): string[] => {
  const warnings: string[] = [];
  if (settings?.placement === "as-stored") {
    warnings.push(
      "responses were shown as stored: first-position bias counts as accuracy, so this is not a measure of judgement",
    );
  }
  if (benchmark.sizes.length > 0 && !benchmark.sizes.includes(records.length)) {
    warnings.push(
      `${benchmark.name} is published with ${benchmark.sizes.join(" or ")} pairs; this is ${records.length}`,
    );
  }
  const failed = records.filter(({ failure }) => failure !== null).length;
  if (failed > 0) warnings.push(`the judge failed on ${failed} of ${records.length} pairs: see failures`);
  return warnings;
};

const policiesOf = (
  records: readonly EvalRecord[],
  failures: FailurePolicy,
): Pick<EvalReport, "accuracyByFailurePolicy" | "accuracyByTiePolicy"> => ({
  accuracyByFailurePolicy: {
    wrong: accuracyUnder(records, "wrong"),
    excluded: accuracyUnder(records, "excluded"),
    coinFlip: accuracyUnder(records, "coin-flip"),
  },
  accuracyByTiePolicy: {
    wrong: accuracyUnder(records, failures, "wrong"),
    excluded: accuracyUnder(records, failures, "excluded"),
    half: accuracyUnder(records, failures, "half"),
  },
});

/**
 * Reports records. Their order does not matter; of records with one key the last counts. Throws `ConfigError` when
 * records of different runs are mixed.
 */
export const reportRecords = (
  benchmark: Benchmark,
  allRecords: Iterable<EvalRecord>,
  options: ReportOptions = {},
): EvalReport => {
  const { failures = "wrong", bootstrap = {} } = options;
  const records = latestRecords(allRecords);
  const settings = settingsOf(records);
  const grouped =
    benchmark.groupOf !== undefined && (records.length === 0 || records.some(({ group }) => group !== null));
  const score: ScoreOptions = { failures, grouped, bootstrap };
  const overall = scoreRecords(records, score);
  return {
    benchmark: benchmark.name,
    judge: settings?.judge ?? null,
    placement: settings?.placement ?? null,
    votes: settings?.votes ?? null,
    n: records.length,
    failurePolicy: failures,
    overall,
    ...(grouped ? { acc: overall.accuracy, accPlus: overall.accPlus ?? null } : {}),
    splits: splitsOf(benchmark, records, score),
    ...policiesOf(records, failures),
    consistency: consistencyOf(records),
    positionBias: positionBiasOf(records),
    ties: overall.ties,
    unreadable: overall.unreadable,
    failures: failuresOf(records),
    ...reportJudgments(records, settings?.votes ?? null),
    warnings: warningsOf(benchmark, settings, records),
  };
};
