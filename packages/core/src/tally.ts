import type { Judgment, UnreadableReason, Winner } from "./types.ts";

/** Critiques of one pair, counted by what they say. */
export interface Tally {
  /** Votes for responses[0] and responses[1]. */
  readonly votes: readonly [number, number];
  readonly ties: number;
  readonly unreadable: Readonly<Partial<Record<UnreadableReason, number>>>;
}

/** Counts what each critique says. */
export const tallyOf = (judgments: readonly Pick<Judgment, "verdict">[]): Tally => {
  const votes: [number, number] = [0, 0];
  const unreadable: Partial<Record<UnreadableReason, number>> = {};
  let ties = 0;
  for (const { verdict } of judgments) {
    if (verdict.kind === "winner") votes[verdict.winner] += 1;
    else if (verdict.kind === "tie") ties += 1;
    else unreadable[verdict.why] = (unreadable[verdict.why] ?? 0) + 1;
  }
  return { votes, ties, unreadable };
};

/** Critiques that said something: a winner or a tie. */
export const readableVotes = (tally: Tally): number => tally.votes[0] + tally.votes[1] + tally.ties;

/** What got strictly more votes than anything else; `null` when the top is shared or nobody voted. */
export const leaderOf = ({ votes, ties }: Tally): Winner | "tie" | null => {
  if (votes[0] > votes[1] && votes[0] > ties) return 0;
  if (votes[1] > votes[0] && votes[1] > ties) return 1;
  return ties > votes[0] && ties > votes[1] ? "tie" : null;
};

/**
 * The fewest further votes that could settle the verdict when `remaining` are outstanding; 0 when it is settled, because
 * the leader keeps its lead even if every outstanding vote goes to its closest rival.
 */
export const votesToSettle = ({ votes, ties }: Tally, remaining: number): number => {
  const [second, top] = [votes[0], votes[1], ties].sort((a, b) => a - b).slice(1) as [number, number];
  // m more votes for the leader settle it when top + m > second + (remaining - m).
  const needed = Math.floor((second + remaining - top) / 2) + 1;
  return Math.min(remaining, Math.max(0, needed));
};
