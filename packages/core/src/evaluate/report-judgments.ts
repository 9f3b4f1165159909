/** The parts of a report that count single critiques. */
import type { UnreadableReason, Winner } from "../types.ts";
import type { EvalRecord, JudgmentSummary } from "./records.ts";
import type { EvalReport, PassAtKReport, TokenReport } from "./report-types.ts";
import { passAtK, quantile } from "./statistics.ts";

const isRight = ({ verdict }: JudgmentSummary, human: Winner): boolean =>
  verdict.kind === "winner" && verdict.winner === human;

/** Right critiques of a record, and all of them; a failed record has none of either. */
const tally = ({ decision, human }: EvalRecord): { readonly right: number; readonly n: number } => ({
  right: decision?.judgments.filter((judgment) => isRight(judgment, human)).length ?? 0,
  n: decision?.judgments.length ?? 0,
});

/** The mean of few distinct numbers, each added once: exact to the last digits and blind to the order of the records. */
const meanOf = (values: readonly number[]): number => {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const ordered = [...counts].sort(([a], [b]) => a - b);
  return ordered.reduce((sum, [value, count]) => sum + value * count, 0) / values.length;
};

/**
 * The mean over pairs, not over critiques: early stopping takes fewer critiques of easy pairs. A pair without critiques
 * counts 0.
 */
const averageAccuracyOf = (records: readonly EvalRecord[]): number | null =>
  records.length === 0 ? null : meanOf(records.map(tally).map(({ right, n }) => (n === 0 ? 0 : right / n)));

const passAtKOf = (records: readonly EvalRecord[], votes: number): PassAtKReport | null => {
  const tallies = records.map(tally);
  const decided = tallies.filter(({ n }) => n > 0).map(({ n }) => n);
  if (votes <= 1 || decided.length === 0) return null;
  const most = decided.reduce((least, n) => Math.min(least, n), votes);
  const byK = Array.from({ length: most }, (_, i) => ({
    k: i + 1,
    rate: meanOf(tallies.map(({ right, n }) => passAtK(n, right, i + 1) ?? 0)),
  }));
  return { upperBound: true, byK };
};

const sumOf = (counts: readonly (number | null)[]): number | null => {
  const known = counts.filter((count) => count !== null);
  return known.length === 0 ? null : known.reduce((sum, count) => sum + count, 0);
};

const tokensOf = (judgments: readonly JudgmentSummary[]): TokenReport => {
  const paid = judgments.filter(({ cached }) => !cached);
  return {
    prompt: sumOf(judgments.map(({ usage }) => usage.promptTokens)),
    completion: sumOf(judgments.map(({ usage }) => usage.completionTokens)),
    paidPrompt: sumOf(paid.map(({ usage }) => usage.promptTokens)),
    paidCompletion: sumOf(paid.map(({ usage }) => usage.completionTokens)),
    uncounted: judgments.filter(({ usage }) => usage.promptTokens === null || usage.completionTokens === null).length,
  };
};

const latencyOf = (judgments: readonly JudgmentSummary[]): EvalReport["latencyMs"] => {
  const ascending = judgments
    .flatMap(({ cached, latencyMs }) => (cached || latencyMs === null ? [] : [latencyMs]))
    .sort((a, b) => a - b);
  return { p50: quantile(ascending, 0.5), p95: quantile(ascending, 0.95) };
};

/** How often each value occurs, in alphabetical order: the order of the records must not show. */
export const countOf = <K extends string>(values: readonly K[]): Readonly<Partial<Record<K, number>>> => {
  const counts = new Map<K, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted) as Partial<Record<K, number>>;
};

const reasonOf = ({ verdict }: JudgmentSummary): readonly UnreadableReason[] =>
  verdict.kind === "unreadable" ? [verdict.why] : [];

/** What critiques cost and how they went. */
export const reportJudgments = (
  records: readonly EvalRecord[],
  votes: number | null,
): Pick<
  EvalReport,
  | "averageAccuracy"
  | "unreadableReasons"
  | "passAtK"
  | "judgments"
  | "cached"
  | "tokens"
  | "latencyMs"
  | "judgeWarnings"
> => {
  const judgments = records.flatMap(({ decision }) => decision?.judgments ?? []);
  return {
    averageAccuracy: averageAccuracyOf(records),
    unreadableReasons: countOf(judgments.flatMap(reasonOf)),
    passAtK: passAtKOf(records, votes ?? 0),
    judgments: judgments.length,
    cached: judgments.filter(({ cached }) => cached).length,
    tokens: tokensOf(judgments),
    latencyMs: latencyOf(judgments),
    judgeWarnings: countOf(judgments.flatMap(({ warnings }) => warnings ?? [])),
  };
};
