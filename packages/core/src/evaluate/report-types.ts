/** The shape of a report: what `eval --json` prints. Rates are fractions; what is undefined is `null`, never NaN. */
import type { JudgeWarning, UnreadableReason } from "../types.ts";
import type { Orders } from "../vote-plan.ts";
import type { PositionBias } from "./position.ts";
import type { FailurePolicy, Score } from "./score.ts";

/**
 * Scores of one split by category, and `macro`, the unweighted mean of the categories' accuracies (`null` while one of the
 * split's own categories is empty). A category that is itself called `macro` is written `macro (category)`.
 */
export interface SplitReport {
  readonly macro: number | null;
  readonly [category: string]: Score | number | null;
}

/** Agreement of the two orders. */
export interface ConsistencyReport {
  /** Pairs read in both orders. */
  readonly n: number;
  readonly consistent: number;
  readonly rate: number | null;
}

/** Share of pairs with at least one right critique among k. */
export interface PassAtKReport {
  /** Always true: no way to choose among critiques can do better, and coin flips score 1 − 2^−k. Not an accuracy. */
  readonly upperBound: true;
  /** Ascending k, as far as every decided pair has k critiques; a pair whose judge failed counts as 0. */
  readonly byK: readonly { readonly k: number; readonly rate: number }[];
}

/** Tokens of all critiques, as the server counted them. */
export interface TokenReport {
  /** `null` when no critique came with a count. */
  readonly prompt: number | null;
  readonly completion: number | null;
  /** The part that was paid for: without critiques from the cache. */
  readonly paidPrompt: number | null;
  readonly paidCompletion: number | null;
  /** Critiques without a count. */
  readonly uncounted: number;
}

/** Judges that threw. */
export interface FailureReport {
  /** Pairs without a decision. */
  readonly n: number;
  /** The most frequent messages first, ten at most. */
  readonly messages: readonly { readonly code: string | null; readonly message: string; readonly count: number }[];
}

/** An evaluation, reported. */
export interface EvalReport {
  readonly benchmark: string;
  /** `null` for a report of no records, like `placement` and `votes`. */
  readonly judge: string | null;
  /** `as-stored` lets first-position bias count as accuracy: a warning says so. */
  readonly placement: Orders | null;
  readonly votes: number | null;
  /** Pairs. */
  readonly n: number;
  readonly failurePolicy: FailurePolicy;
  /** Ties are wrong; failures follow `failurePolicy`. With both orders, right means: right in the joint decision. */
  readonly overall: Score;
  /** MM-RLHF-RewardBench's names: `acc` is `overall.accuracy`, `accPlus` the share of groups wholly right. */
  readonly acc?: number | null;
  readonly accPlus?: number | null;
  readonly splits: Readonly<Record<string, SplitReport>>;
  /** Accuracy with failures (unreadable or thrown) as wrong, left out, half right. Ties are wrong in all three. */
  readonly accuracyByFailurePolicy: {
    readonly wrong: number | null;
    readonly excluded: number | null;
    readonly coinFlip: number | null;
  };
  /** Accuracy with ties as wrong, left out, half right. Failures follow `failurePolicy`. */
  readonly accuracyByTiePolicy: {
    readonly wrong: number | null;
    readonly excluded: number | null;
    readonly half: number | null;
  };
  /** What a single critique in a single order scores on average: the mean over pairs of its critiques' share right. */
  readonly averageAccuracy: number | null;
  readonly consistency: ConsistencyReport;
  readonly positionBias: PositionBias;
  /** Pairs that were decided as a tie. */
  readonly ties: number;
  /** Pairs without any readable critique. */
  readonly unreadable: number;
  /** Unreadable critiques by reason, in readable pairs too. */
  readonly unreadableReasons: Readonly<Partial<Record<UnreadableReason, number>>>;
  readonly failures: FailureReport;
  /** `null` with one critique per pair. */
  readonly passAtK: PassAtKReport | null;
  /** Critiques that were read, and those of them that came from the cache. */
  readonly judgments: number;
  readonly cached: number;
  readonly tokens: TokenReport;
  /** Of critiques that were paid for; linear between neighbours. */
  readonly latencyMs: { readonly p50: number | null; readonly p95: number | null };
  readonly judgeWarnings: Readonly<Partial<Record<JudgeWarning, number>>>;
  /** What a reader of the numbers must know. */
  readonly warnings: readonly string[];
}
