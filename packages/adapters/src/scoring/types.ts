/** What the adapters share: an answer to be scored, how a verdict becomes a number, and what failing means. */
import type { Awaitable, CallOptions, PairwiseJudge, Part, RewardModel } from "@r1reward/core";

/** One answer that a host wants scored. */
export interface ScoringTask {
  /** A string is one text part. */
  readonly question: string | readonly Part[];
  readonly response: string;
  /** A known answer to measure against; `vsReference` needs it. */
  readonly reference?: string | undefined;
  /** Answers with the same value compete with each other. Left out: those whose questions are equal. */
  readonly group?: string | undefined;
}

/** A task whose question was turned into parts and whose group has a name. */
export interface PreparedTask {
  readonly question: readonly Part[];
  readonly response: string;
  readonly reference: string | undefined;
  readonly group: string;
}

/** Who decides: exactly one of the two. Critiques of groups need the judge, since a reward model keeps them to itself. */
export type Referee =
  | { readonly judge: PairwiseJudge; readonly rewardModel?: undefined }
  | { readonly rewardModel: RewardModel; readonly judge?: undefined };

/** What a scalariser may ask: `compare` and `score` always, the judge when there is one. */
export interface Court {
  readonly rewardModel: RewardModel;
  readonly judge: PairwiseJudge | undefined;
}

/** Why there is no score. */
export type FailureKind =
  | "threw" // reading the task or judging it threw
  | "unreadable" // the judge answered, but no verdict could be read
  | "not-comparable" // there was nothing to compare the answer with
  | "not-finite"; // a number came out that is none

/** One answer on the scale that all scalarisers share. */
export interface Scalar {
  /** From −1 (loses for certain) to 1 (wins for certain); `null` when it cannot be told. */
  readonly value: number | null;
  /** What the judge wrote about the answer, with who was compared with whom; empty when it wrote nothing. */
  readonly critique: string;
  /** Why the value is `null`; `unreadable` unless told otherwise. */
  readonly why?: "unreadable" | "not-comparable" | undefined;
}

/** Turns pairwise verdicts into numbers. Made by `vsReference`, `withinGroup`, `runningChampion` or by hand. */
export interface Scalariser {
  readonly name: string;
  /** One promise per task, in their order: one task's failure must not be another's. */
  scalarise(tasks: readonly PreparedTask[], court: Court, options: CallOptions): readonly Promise<Scalar>[];
}

/**
 * What becomes of an answer that could not be scored: the host gets the error, a "cannot tell" where it knows one, or a
 * number that the caller chose. Aborting and impossible options are thrown in any case.
 */
export type OnError = "throw" | "abstain" | number;

/** The same for hosts that know no "cannot tell". */
export type OnErrorNumeric = Exclude<OnError, "abstain">;

/** Why one task has no score. */
export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly cause?: unknown;
}

/** One scored answer, or one that could not be. */
export interface Scored {
  /** `undefined` when the task itself could not be read. */
  readonly task: PreparedTask | undefined;
  /** In the host's range, or the number of `onError`; `null` when abstaining. Never NaN. */
  readonly score: number | null;
  readonly critique: string;
  readonly failure: Failure | null;
}

/** How answers are scored, whatever the host. */
export interface ScoringSettings<E extends OnError = OnError> {
  /** `vsReference()` unless the adapter says otherwise. */
  readonly scalarise?: Scalariser | undefined;
  /** What −1 and 1 become, e.g. `[-1, 1]`; `[0, 1]` unless the adapter says otherwise. */
  readonly range?: readonly [low: number, high: number] | undefined;
  /** `throw` unless told otherwise. */
  readonly onError?: E | undefined;
  /** Called after each answer, failures included. */
  readonly onScore?: ((scored: Scored) => void) | undefined;
}

/** Options of every adapter: who decides, and how that becomes a number. */
export type ScoringOptions<E extends OnError = OnError> = Referee & ScoringSettings<E>;

/** Counted since the adapter was made, because many hosts hide what failed. */
export interface ScoringStats {
  readonly asked: number;
  readonly scored: number;
  readonly failed: Readonly<Record<FailureKind, number>>;
  /** Values outside −1 to 1 that were moved to the nearer end. */
  readonly clamped: number;
  /** Mean score of those that were scored; `null` before the first. */
  readonly meanScore: number | null;
  readonly lastFailure: Failure | null;
}

/** When scoring counts as healthy. */
export interface HealthLimits {
  /** 0.1 unless told otherwise. */
  readonly maxFailureRate?: number | undefined;
  /** Fewer asked than this is unhealthy too: the host may never have called. 1 unless told otherwise. */
  readonly minAsked?: number | undefined;
}

/** What every adapter can say about itself. */
export interface Health {
  stats(): ScoringStats;
  /** @throws {RewardError} when too many failed, or too few were asked. */
  assertHealthy(limits?: HealthLimits): void;
}

/** Gives a task; what it throws counts as a failure of that task alone. */
export type TaskSource = () => Awaitable<ScoringTask>;

/** Scores answers and counts. */
export interface Scoring extends Health {
  scoreAll(sources: readonly TaskSource[], options?: CallOptions): Promise<readonly Scored[]>;
  score(source: TaskSource, options?: CallOptions): Promise<Scored>;
}
