/** What members are told: pure. */
import { onTime, type Attempt, type Seat } from "./book.ts";
import type { ScoredMembers } from "./scoring.ts";
import type { GroupSummary, MemberResult, RewardFlag, UnscorableReason } from "./types.ts";

/** A group of which nothing was judged. */
export const emptySummary = (members = 1, expected: number | null = null): GroupSummary => ({
  members,
  expected,
  calls: 0,
  failed: 0,
  unreadable: 0,
  orderBias: null,
  flipRate: null,
  spread: null,
  comparisons: [],
});

/** The answer to a submission that has no reward. */
export const unscorable = (
  why: UnscorableReason,
  flags: readonly RewardFlag[] = [],
  group: GroupSummary = emptySummary(),
): MemberResult => ({ value: null, why, flags, uncertainty: null, group });

/** What holds for one group. */
export interface GroupNotes {
  readonly missing: boolean;
  /** Measured against a reference or anchors. */
  readonly reference: boolean;
}

const isPartial = (attempt: Attempt): boolean => attempt.size !== undefined && onTime(attempt).length < attempt.size;

/** Flags that do not depend on the scores. */
export const flagsOf = (attempt: Attempt, seat: Seat, notes: GroupNotes): readonly RewardFlag[] => [
  ...(isPartial(attempt) && !seat.late ? (["partial"] as const) : []),
  ...(seat.late ? (["late"] as const) : []),
  ...(notes.reference && !seat.late ? (["reference"] as const) : []),
  ...(notes.missing ? (["no-image"] as const) : []),
  ...(seat.collided ? (["id-collision"] as const) : []),
];

/** Results of the seats that were scored, in that order. */
export const resultsOf = (
  attempt: Attempt,
  seats: readonly Seat[],
  { scored, notes }: { readonly scored: ScoredMembers; readonly notes: GroupNotes },
): readonly MemberResult[] => {
  // By the members' places in their group, not by those in which the scorer met them.
  const place = (at: number): number => (seats.length > 1 ? (seats[at]?.index ?? at) : at);
  const comparisons = scored.summary.comparisons.map(({ i, j, p }) => ({ i: place(i), j: place(j), p }));
  const group: GroupSummary = { ...scored.summary, comparisons, expected: attempt.size ?? null };
  return seats.map((seat, at) => {
    const { value, uncertainty, empty } = scored.members[at]!;
    const flags = [
      ...flagsOf(attempt, seat, notes),
      ...(empty ? (["empty"] as const) : []),
      ...(scored.gated ? (["gated"] as const) : []),
    ];
    const why = value === null ? (scored.summary.calls === 0 && seats.length === 1 ? "alone" : "judge-failed") : null;
    return { value, why, flags, uncertainty, group };
  });
};
