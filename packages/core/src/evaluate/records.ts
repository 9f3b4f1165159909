/** What one evaluated pair leaves behind: enough to report, to resume and to compare, small enough for a line of JSONL. */
import type { OnTie } from "../aggregate.ts";
import { canonicalJson } from "../canonical-json.ts";
import { ConfigError, isR1Error, messageOf } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { redact } from "../redact.ts";
import type {
  Decision,
  JudgeWarning,
  Judgment,
  Preference,
  ProbabilitySource,
  Usage,
  Verdict,
  Winner,
} from "../types.ts";
import type { Orders } from "../vote-plan.ts";
import { UNCATEGORISED, type Benchmark } from "./benchmark.ts";

/** How a run was made; the same for all its records. */
export interface RunSettings {
  readonly benchmark: string;
  readonly judge: string;
  /** In which orders the responses were shown. */
  readonly placement: Orders;
  /** Critiques per pair in all, over its orders; early stopping may take fewer. */
  readonly votes: number;
  readonly seed: number;
  readonly onTie: OnTie;
  readonly earlyStop: boolean;
}

/** The names of all settings. */
export const SETTINGS = [
  "benchmark",
  "judge",
  "placement",
  "votes",
  "seed",
  "onTie",
  "earlyStop",
] as const satisfies readonly (keyof RunSettings)[];

/** A judgment without its text. */
export interface JudgmentSummary {
  readonly swapped: boolean;
  readonly verdict: Verdict;
  /** P(responses[0] wins) at the answer token; `null` when the model gave none. */
  readonly probability: number | null;
  readonly usage: Usage;
  /** `null` when the judge did not measure it. */
  readonly latencyMs: number | null;
  readonly cached: boolean;
  readonly warnings?: readonly JudgeWarning[] | undefined;
}

/** A decision without the texts of its judgments. */
export interface DecisionSummary {
  readonly verdict: Verdict;
  readonly votes: readonly [number, number];
  readonly ties: number;
  readonly unreadable: number;
  readonly consistent: boolean | null;
  readonly probability: number | null;
  readonly probabilitySource: ProbabilitySource | null;
  readonly judgments: readonly JudgmentSummary[];
}

/** Why there is no decision. */
export interface JudgeFailure {
  /** Code of the error, `R1_MODEL` for example; `null` for an error that is none of ours. */
  readonly code: string | null;
  readonly message: string;
}

/** One pair of a run. Exactly one of `decision` and `failure` is there. */
export interface EvalRecord {
  /** Key of the pair: `recordKey`, with `~2`, `~3`, … for literal repetitions. */
  readonly key: string;
  /** `failed` when the judge threw; an unreadable reply is `ok`, it was answered. */
  readonly status: "ok" | "failed";
  readonly id: string;
  /** Pairs that count together for Acc+; `null` without a group. */
  readonly group: string | null;
  /** Pairs that are not independent of each other. */
  readonly cluster: string;
  /** Category of the pair by split. */
  readonly categories: Readonly<Record<string, string>>;
  readonly human: Winner;
  readonly settings: RunSettings;
  /** Does the decision name the human's choice? Ties, unreadable replies and failures are not correct. */
  readonly correct: boolean;
  readonly decision: DecisionSummary | null;
  readonly failure: JudgeFailure | null;
}

/** What became of a pair. */
export type Outcome = "correct" | "wrong" | "tie" | "unreadable" | "failed";

/** The outcome of a record. */
export const outcomeOf = ({ decision, human }: Pick<EvalRecord, "decision" | "human">): Outcome => {
  if (decision === null) return "failed";
  if (decision.verdict.kind !== "winner") return decision.verdict.kind;
  return decision.verdict.winner === human ? "correct" : "wrong";
};

/** Key of a pair: benchmarks repeat ids, so the question's text and both responses count too (128 bits of SHA-256). */
export const recordKey = (pair: Preference): string => {
  const text = pair.question.flatMap((part) => (part.type === "text" ? [part.text] : []));
  return sha256(canonicalJson([pair.id, text, pair.responses])).slice(0, 32);
};

/**
 * Keys of pairs in their order of appearance: literal repetitions become `~2`, `~3`, …, so that a pair that is there
 * twice is judged twice and none is lost when a run goes on.
 */
export const recordKeys = (): ((pair: Preference) => string) => {
  const seen = new Map<string, number>();
  return (pair) => {
    const key = recordKey(pair);
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    return count === 1 ? key : `${key}~${count}`;
  };
};

/** The last record of each key: a saved run is a log, and a pair that was tried again is written again. */
export const latestRecords = (records: Iterable<EvalRecord>): readonly EvalRecord[] => {
  const latest = new Map<string, EvalRecord>();
  for (const record of records) latest.set(record.key, record);
  return [...latest.values()];
};

const finiteOrNull = (value: number | null | undefined): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

const probabilityOrNull = (value: number | null | undefined): number | null => {
  const finite = finiteOrNull(value);
  return finite !== null && finite >= 0 && finite <= 1 ? finite : null;
};

const summarizeJudgment = (judgment: Judgment): JudgmentSummary => ({
  swapped: judgment.swapped,
  verdict: judgment.verdict,
  probability: probabilityOrNull(judgment.probability),
  usage: {
    promptTokens: finiteOrNull(judgment.usage.promptTokens),
    completionTokens: finiteOrNull(judgment.usage.completionTokens),
  },
  latencyMs: finiteOrNull(judgment.latencyMs),
  cached: judgment.cached,
  ...(judgment.warnings.length === 0 ? {} : { warnings: judgment.warnings }),
});

const summarize = (decision: Decision): DecisionSummary => {
  const probability = probabilityOrNull(decision.probability);
  return {
    verdict: decision.verdict,
    votes: decision.votes,
    ties: decision.ties,
    unreadable: decision.unreadable,
    consistent: decision.consistent,
    probability,
    probabilitySource: probability === null ? null : decision.probabilitySource,
    judgments: decision.judgments.map(summarizeJudgment),
  };
};

/** A record without its result. */
export type RecordHead = Omit<EvalRecord, "status" | "correct" | "decision" | "failure">;

/** Everything about a pair's record but its result. Throws `ConfigError` when the pair has no human label. */
export const recordHead = (benchmark: Benchmark, settings: RunSettings, pair: Preference, key: string): RecordHead => {
  const { human } = pair;
  if (human !== 0 && human !== 1) {
    throw new ConfigError(
      `preference ${JSON.stringify(pair.id)}: expected a human choice (0 or 1) to evaluate against, got ${JSON.stringify(human) ?? "none"}`,
    );
  }
  const categories = benchmark.splits.map((split) => [split.name, split.categoryOf(pair) ?? UNCATEGORISED] as const);
  return {
    key,
    id: pair.id,
    group: benchmark.groupOf?.(pair) ?? null,
    cluster: benchmark.clusterOf(pair) ?? key,
    categories: Object.fromEntries(categories),
    human,
    settings,
  };
};

/** The record of a pair that was decided. */
export const decidedRecord = ({ key, ...head }: RecordHead, decision: Decision): EvalRecord => {
  const summary = summarize(decision);
  const correct = outcomeOf({ decision: summary, human: head.human }) === "correct";
  return { key, status: "ok", ...head, correct, decision: summary, failure: null };
};

const MAX_MESSAGE = 500;

/** The record of a pair whose judge threw; the message is cut and has no secrets. */
export const failedRecord = ({ key, ...head }: RecordHead, error: unknown): EvalRecord => {
  const message = redact(messageOf(error)).slice(0, MAX_MESSAGE);
  const failure = { code: isR1Error(error) ? error.code : null, message };
  return { key, status: "failed", ...head, correct: false, decision: null, failure };
};
