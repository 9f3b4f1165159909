/** Reports as plain text, for terminals and logs. */
import type { PairedComparison, RunComparison } from "./compare-runs.ts";
import type { EvalReport, SplitReport } from "./report-types.ts";
import type { Score } from "./score.ts";
import type { Interval } from "./statistics.ts";
import { fit, table, wrap } from "./table.ts";

/** How to lay a report out. */
export interface FormatOptions {
  /** Columns; 80 unless told, 40 at least. */
  readonly width?: number | undefined;
}

const NONE = "n/a";

const percent = (rate: number | null | undefined): string =>
  rate === null || rate === undefined ? NONE : `${(100 * rate).toFixed(2)} %`;

const percents = (interval: Interval | null | undefined): string =>
  interval === null || interval === undefined
    ? NONE
    : `${(100 * interval[0]).toFixed(1)}–${(100 * interval[1]).toFixed(1)}`;

const pText = (p: number | null): string => (p === null ? NONE : p < 0.0001 ? "< 0.0001" : p.toFixed(4));

const whole = (value: number | null): string => (value === null ? NONE : String(Math.round(value)));

const scoreRow = (name: string, score: Score, grouped: boolean): readonly string[] => [
  name,
  percent(score.accuracy),
  ...(grouped ? [percent(score.accPlus)] : []),
  `${score.correct}/${score.counted}`,
  percents(score.interval95),
  percents(score.clusteredInterval95),
  String(score.ties),
  String(score.unreadable + score.failed),
];

const isScore = (value: Score | number | null): value is Score => typeof value === "object" && value !== null;

const splitRows = (name: string, split: SplitReport, grouped: boolean): readonly (readonly string[])[] => [
  [name, ...(split.macro === null ? [] : [percent(split.macro), "macro"])],
  ...Object.entries(split).flatMap(([category, score]) =>
    isScore(score) ? [scoreRow(`  ${category}`, score, grouped)] : [],
  ),
];

const scoreTable = (report: EvalReport, width: number): readonly string[] => {
  const grouped = report.accPlus !== undefined;
  const head = ["", "accuracy", ...(grouped ? ["Acc+"] : []), "right", "95 %", "clustered", "ties", "failures"];
  const splits = Object.entries(report.splits).flatMap(([name, split]) => splitRows(name, split, grouped));
  return table([head, scoreRow("overall", report.overall, grouped), ...splits], width);
};

const counts = (record: Readonly<Partial<Record<string, number>>>): string =>
  Object.entries(record)
    .map(([name, n]) => `${name} ${n}`)
    .join(", ");

const positionLine = ({ positionBias: bias }: EvalReport): string => {
  const rate = `${percent(bias.firstRate)} of ${bias.n} (95 % ${percents(bias.interval95)}, p ${pText(bias.pValue)})`;
  const { bothFirst, bothSecond, pValue } = bias.disagreements;
  return bothFirst + bothSecond === 0
    ? rate
    : `${rate}; where the orders disagree: first ${bothFirst}, second ${bothSecond} (p ${pText(pValue)})`;
};

/** What is said about a report below its table: name and text. */
const factsOf = (report: EvalReport): readonly (readonly [string, string])[] => {
  const { accuracyByFailurePolicy: policy, accuracyByTiePolicy: ties, consistency, tokens, latencyMs } = report;
  const reasons = counts(report.unreadableReasons);
  const judgeWarnings = counts(report.judgeWarnings);
  const passAtK = report.passAtK?.byK.map(({ k, rate }) => `k=${k} ${percent(rate)}`).join(", ");
  return [
    ["one critique", `${percent(report.averageAccuracy)} right on average, in a single order`],
    ["consistency", `${percent(consistency.rate)} of ${consistency.n} pairs read in both orders`],
    ["first shown wins", positionLine(report)],
    [
      "failures as",
      `wrong ${percent(policy.wrong)}, left out ${percent(policy.excluded)}, half ${percent(policy.coinFlip)}`,
    ],
    ["ties as", `wrong ${percent(ties.wrong)}, left out ${percent(ties.excluded)}, half ${percent(ties.half)}`],
    ...(reasons === "" ? [] : [["unreadable", reasons] as const]),
    ...(passAtK === undefined ? [] : [["pass@k", `${passAtK} (an upper bound, not an accuracy)`] as const]),
    ["tokens", `${whole(tokens.prompt)} prompt, ${whole(tokens.completion)} completion`],
    ["latency", `p50 ${whole(latencyMs.p50)} ms, p95 ${whole(latencyMs.p95)} ms`],
    ["critiques", `${report.judgments}, of which ${report.cached} cached`],
    ...(judgeWarnings === "" ? [] : [["judge warnings", judgeWarnings] as const]),
    ...report.failures.messages.map(({ message, count }) => ["failed", `${count} × ${message}`] as const),
    ...report.warnings.map((warning) => ["warning", warning] as const),
  ];
};

const factLines = (facts: readonly (readonly [string, string])[], width: number): readonly string[] =>
  facts.flatMap(([name, text]) => wrap(`${name}: ${text}`, width, "  "));

/** A report as text. Pure; no colours; no line is wider than `width`. */
export const formatReport = (report: EvalReport, { width = 80 }: FormatOptions = {}): string => {
  const columns = Math.max(40, Math.floor(width) || 80);
  const title = `${report.benchmark}, ${report.judge ?? "no judge"}: ${report.n} pairs, ${report.placement ?? "no"} orders, ${report.votes ?? 0} critiques each`;
  const lines = [
    ...wrap(title, columns, "  "),
    "",
    ...scoreTable(report, columns),
    "",
    ...factLines(factsOf(report), columns),
  ];
  return `${lines.map((line) => fit(line, columns).trimEnd()).join("\n")}\n`;
};

const signed = (rate: number | null): string =>
  rate === null ? NONE : `${rate > 0 ? "+" : ""}${(100 * rate).toFixed(2)} %`;

const comparisonRow = (name: string, compared: PairedComparison): readonly string[] => [
  name,
  percent(compared.accuracyA),
  percent(compared.accuracyB),
  signed(compared.difference),
  compared.interval95 === null ? NONE : compared.interval95.map((end) => (100 * end).toFixed(1)).join(" to "),
  `${compared.onlyARight}:${compared.onlyBRight}`,
  pText(compared.pValue),
];

/** A paired comparison as text. Pure; no colours; no line is wider than `width`. */
export const formatComparison = (comparison: RunComparison, { width = 80 }: FormatOptions = {}): string => {
  const columns = Math.max(40, Math.floor(width) || 80);
  const splits = Object.entries(comparison.splits).flatMap(([name, categories]) => [
    [name],
    ...Object.entries(categories).map(([category, compared]) => comparisonRow(`  ${category}`, compared)),
  ]);
  const head = ["", "A", "B", "B − A", "95 %", "only A:B", "McNemar p"];
  const { agreement } = comparison;
  const facts: readonly (readonly [string, string])[] = [
    ["A", comparison.judgeA ?? NONE],
    ["B", comparison.judgeB ?? NONE],
    ["pairs", `${comparison.n} compared, ${comparison.excluded} left out as failures`],
    ["agreement", `${percent(agreement.rate)}, kappa ${agreement.kappa === null ? NONE : agreement.kappa.toFixed(3)}`],
    ...comparison.warnings.map((warning) => ["warning", warning] as const),
  ];
  const lines = [
    ...factLines(facts, columns),
    "",
    ...table([head, comparisonRow("overall", comparison), ...splits], columns),
  ];
  return `${lines.map((line) => fit(line, columns).trimEnd()).join("\n")}\n`;
};
