/** Accuracy of a set of records, under every policy for what could not be decided. */
import { clusteredBootstrap, type BootstrapOptions } from "./bootstrap.ts";
import { outcomeOf, type EvalRecord, type Outcome } from "./records.ts";
import { wilson, type Interval } from "./statistics.ts";

/**
 * How a pair counts whose replies were all unreadable or whose judge failed: as wrong, not at all, or as half right (what
 * a fair coin would score on average; no coin is tossed, so the number has no luck in it).
 */
export type FailurePolicy = "wrong" | "excluded" | "coin-flip";

/** How a tie counts (most are disagreements between the two orders). The headline counts ties as wrong. */
export type TiePolicy = "wrong" | "excluded" | "half";

/** Accuracy of some pairs. */
export interface Score {
  /** Pairs. */
  readonly n: number;
  /** Pairs in the denominator: all of them unless failures are excluded. */
  readonly counted: number;
  /** Right pairs; half a pair per failure under `coin-flip`. */
  readonly correct: number;
  /** `null` when nothing counts. */
  readonly accuracy: number | null;
  /** Wilson, as if pairs were independent. */
  readonly interval95: Interval | null;
  /** Bootstrap over clusters (pairs of one image or group). */
  readonly clusteredInterval95: Interval | null;
  readonly clusters: number;
  readonly ties: number;
  readonly unreadable: number;
  readonly failed: number;
  /** The same as `accuracy`, under MM-RLHF-RewardBench's name; there when pairs have groups. */
  readonly acc?: number | null;
  /** Share of groups whose pairs are all right. Ties and failures are never right here. */
  readonly accPlus?: number | null;
  readonly groups?: number;
  readonly correctGroups?: number;
  readonly accPlusInterval95?: Interval | null;
}

interface Credit {
  readonly value: number;
  readonly weight: 0 | 1;
}

const UNDECIDED: Readonly<Record<FailurePolicy | TiePolicy, Credit>> = {
  wrong: { value: 0, weight: 1 },
  excluded: { value: 0, weight: 0 },
  "coin-flip": { value: 0.5, weight: 1 },
  half: { value: 0.5, weight: 1 },
};

const creditOf = (outcome: Outcome, failures: FailurePolicy, ties: TiePolicy): Credit => {
  if (outcome === "correct") return { value: 1, weight: 1 };
  if (outcome === "wrong") return { value: 0, weight: 1 };
  return UNDECIDED[outcome === "tie" ? ties : failures];
};

/** Accuracy under a policy; `null` when nothing counts. */
export const accuracyUnder = (
  records: readonly EvalRecord[],
  failures: FailurePolicy,
  ties: TiePolicy = "wrong",
): number | null => {
  let value = 0;
  let weight = 0;
  for (const record of records) {
    const credit = creditOf(outcomeOf(record), failures, ties);
    value += credit.value;
    weight += credit.weight;
  }
  return weight === 0 ? null : value / weight;
};

/** Records by what `keyOf` says, in order of first appearance; without those for which it says `null`. */
export const groupRecords = (
  records: readonly EvalRecord[],
  keyOf: (record: EvalRecord) => string | null,
): ReadonlyMap<string, readonly EvalRecord[]> => {
  const groups = new Map<string, EvalRecord[]>();
  for (const record of records) {
    const key = keyOf(record);
    if (key === null) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  return groups;
};

const groupScore = (records: readonly EvalRecord[], accuracy: number | null) => {
  const groups = [...groupRecords(records, (record) => record.group).values()];
  const correctGroups = groups.filter((group) => group.every((record) => outcomeOf(record) === "correct")).length;
  return {
    acc: accuracy,
    accPlus: groups.length === 0 ? null : correctGroups / groups.length,
    groups: groups.length,
    correctGroups,
    accPlusInterval95: wilson(correctGroups, groups.length),
  };
};

/** How to score: the failure policy, whether Acc+ is wanted, how to resample. */
export interface ScoreOptions {
  readonly failures: FailurePolicy;
  readonly grouped: boolean;
  readonly bootstrap: BootstrapOptions;
}

/** Scores some records. */
export const scoreRecords = (records: readonly EvalRecord[], options: ScoreOptions): Score => {
  const outcomes = records.map(outcomeOf);
  const credits = outcomes.map((outcome) => creditOf(outcome, options.failures, "wrong"));
  const counted = credits.reduce((sum, { weight }) => sum + weight, 0);
  const correct = credits.reduce((sum, { value }) => sum + value, 0);
  const accuracy = counted === 0 ? null : correct / counted;
  const observations = records.map(({ cluster }, i) => ({ cluster, ...credits[i]! }));
  const { interval, clusters } = clusteredBootstrap(observations, options.bootstrap);
  const count = (wanted: Outcome): number => outcomes.filter((outcome) => outcome === wanted).length;
  return {
    n: records.length,
    counted,
    correct,
    accuracy,
    interval95: wilson(correct, counted),
    clusteredInterval95: interval,
    clusters,
    ties: count("tie"),
    unreadable: count("unreadable"),
    failed: count("failed"),
    ...(options.grouped ? groupScore(records, accuracy) : {}),
  };
};
