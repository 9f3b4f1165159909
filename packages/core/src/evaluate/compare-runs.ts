/** Two runs over the same pairs: is one judge better? */
import { ConfigError } from "../errors.ts";
import { clusteredBootstrap, type BootstrapOptions } from "./bootstrap.ts";
import { latestRecords, outcomeOf, type EvalRecord } from "./records.ts";
import { cohenKappa, mcnemar, type Interval } from "./statistics.ts";

/** How to compare runs. */
export interface CompareRunsOptions {
  /** A pair that either run could not decide: `wrong` for that run, or left out of both. `wrong` unless told. */
  readonly failures?: "wrong" | "excluded" | undefined;
  readonly bootstrap?: BootstrapOptions | undefined;
}

/** A paired comparison. */
export interface PairedComparison {
  /** Pairs compared. */
  readonly n: number;
  /** Accuracy of the first run (the baseline) and of the second on these pairs; ties are wrong. */
  readonly accuracyA: number | null;
  readonly accuracyB: number | null;
  /** accuracyB − accuracyA. */
  readonly difference: number | null;
  /** Bootstrap over clusters of the paired difference. */
  readonly interval95: Interval | null;
  readonly onlyARight: number;
  readonly onlyBRight: number;
  /** Exact McNemar test; `null` when there is nothing to compare. */
  readonly pValue: number | null;
  readonly midP: number | null;
}

/** How far two judges say the same, right or wrong. */
export interface Agreement {
  readonly rate: number | null;
  /** Cohen's kappa over: first response, second response, tie, cannot tell. */
  readonly kappa: number | null;
}

/** Two runs, compared overall and within each category of each split. */
export interface RunComparison extends PairedComparison {
  readonly judgeA: string | null;
  readonly judgeB: string | null;
  readonly onlyInA: number;
  readonly onlyInB: number;
  readonly excluded: number;
  readonly agreement: Agreement;
  readonly splits: Readonly<Record<string, Readonly<Record<string, PairedComparison>>>>;
  readonly warnings: readonly string[];
}

type Pair = readonly [EvalRecord, EvalRecord];

const isRight = (record: EvalRecord): boolean => outcomeOf(record) === "correct";
const isUndecided = (record: EvalRecord): boolean => ["unreadable", "failed"].includes(outcomeOf(record));

const comparePairs = (pairs: readonly Pair[], bootstrap: BootstrapOptions): PairedComparison => {
  const n = pairs.length;
  const onlyARight = pairs.filter(([a, b]) => isRight(a) && !isRight(b)).length;
  const onlyBRight = pairs.filter(([a, b]) => !isRight(a) && isRight(b)).length;
  const rightA = pairs.filter(([a]) => isRight(a)).length;
  const differences = pairs.map(([a, b]) => ({
    cluster: a.cluster,
    value: Number(isRight(b)) - Number(isRight(a)),
    weight: 1,
  }));
  const test = n === 0 ? null : mcnemar(onlyARight, onlyBRight);
  return {
    n,
    accuracyA: n === 0 ? null : rightA / n,
    accuracyB: n === 0 ? null : (rightA - onlyARight + onlyBRight) / n,
    difference: n === 0 ? null : (onlyBRight - onlyARight) / n,
    interval95: clusteredBootstrap(differences, bootstrap).interval,
    onlyARight,
    onlyBRight,
    pValue: test?.pValue ?? null,
    midP: test?.midP ?? null,
  };
};

const labelOf = ({ decision }: EvalRecord): number =>
  decision?.verdict.kind === "winner" ? decision.verdict.winner : decision?.verdict.kind === "tie" ? 2 : 3;

const agreementOf = (pairs: readonly Pair[]): Agreement => {
  const table = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
  for (const [a, b] of pairs) table[labelOf(a)]![labelOf(b)]! += 1;
  const same = table.reduce((sum, row, i) => sum + row[i]!, 0);
  return { rate: pairs.length === 0 ? null : same / pairs.length, kappa: cohenKappa(table) };
};

const byCategory = (pairs: readonly Pair[], bootstrap: BootstrapOptions): RunComparison["splits"] => {
  const splits = new Map<string, Map<string, Pair[]>>();
  for (const pair of pairs) {
    for (const [split, category] of Object.entries(pair[0].categories)) {
      const categories = splits.get(split) ?? new Map<string, Pair[]>();
      splits.set(split, categories);
      const members = categories.get(category) ?? [];
      categories.set(category, members);
      members.push(pair);
    }
  }
  const compared = [...splits].map(([split, categories]) => {
    const sorted = [...categories].sort(([a], [b]) => (a < b ? -1 : 1));
    return [split, Object.fromEntries(sorted.map(([name, of]) => [name, comparePairs(of, bootstrap)]))] as const;
  });
  return Object.fromEntries(compared.sort(([a], [b]) => (a < b ? -1 : 1)));
};

const pairUp = (a: readonly EvalRecord[], b: readonly EvalRecord[]): readonly Pair[] => {
  const byKey = new Map(b.map((record) => [record.key, record]));
  return a.flatMap((record) => {
    const other = byKey.get(record.key);
    if (other === undefined) return [];
    if (other.human === record.human) return [[record, other] as const];
    throw new ConfigError(
      `compareRuns: expected one human choice for record ${JSON.stringify(record.id)}, got ${record.human} and ${other.human}`,
    );
  });
};

const warningsOf = (a: EvalRecord | undefined, b: EvalRecord | undefined, unpaired: number): readonly string[] => {
  if (a === undefined || b === undefined) return ["one of the runs has no records"];
  const differing = (["benchmark", "placement", "votes", "onTie"] as const).filter(
    (field) => a.settings[field] !== b.settings[field],
  );
  return [
    ...differing.map((field) => `the runs differ in ${field}: ${a.settings[field]} and ${b.settings[field]}`),
    ...(unpaired === 0 ? [] : [`${unpaired} records are in one run only and were left out`]),
  ];
};

/**
 * Compares two runs pair by pair: `a` is the baseline. Exchanging the runs exchanges A and B and changes the sign of the
 * difference; the p-values stay. The records' order does not matter; of records with one key the last counts.
 * Throws `ConfigError` when the runs do not agree on what the human chose.
 */
export const compareRuns = (
  a: Iterable<EvalRecord>,
  b: Iterable<EvalRecord>,
  options: CompareRunsOptions = {},
): RunComparison => {
  const { failures = "wrong", bootstrap = {} } = options;
  const [recordsA, recordsB] = [latestRecords(a), latestRecords(b)];
  const paired = pairUp(recordsA, recordsB);
  const pairs = failures === "wrong" ? paired : paired.filter((pair) => !pair.some(isUndecided));
  const onlyInA = recordsA.length - paired.length;
  const onlyInB = recordsB.length - paired.length;
  return {
    judgeA: recordsA[0]?.settings.judge ?? null,
    judgeB: recordsB[0]?.settings.judge ?? null,
    ...comparePairs(pairs, bootstrap),
    onlyInA,
    onlyInB,
    excluded: paired.length - pairs.length,
    agreement: agreementOf(pairs),
    splits: byCategory(pairs, bootstrap),
    warnings: warningsOf(recordsA[0], recordsB[0], onlyInA + onlyInB),
  };
};
