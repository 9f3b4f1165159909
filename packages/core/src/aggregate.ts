/** Judgment[] → Decision: pure. */
import { ConfigError } from "./errors.ts";
import { leaderOf, readableVotes, tallyOf, type Tally } from "./tally.ts";
import type { Decision, Judgment, ProbabilitySource, UnreadableReason, Verdict } from "./types.ts";

/**
 * What to answer when no verdict got more votes than every other.
 *
 * - `tie`: say so.
 * - `first`: the first critique of the list that names a winner.
 * - `likeliest`: the side that the mean log-probability leans to; a tie where there is none, or it is exactly ½.
 */
export type OnTie = "tie" | "first" | "likeliest";

/** How votes become one verdict. */
export interface DecideOptions {
  /** `tie` unless told otherwise. A tie that a majority voted for stays one. */
  readonly onTie?: OnTie | undefined;
}

const REASONS: readonly UnreadableReason[] = ["no-answer", "bad-answer", "cut-off", "refused", "empty", "too-long"];

const isReadable = ({ verdict }: Judgment): boolean => verdict.kind !== "unreadable";

const winnerOf = (judgment: Judgment): Verdict | undefined =>
  judgment.verdict.kind === "winner" ? judgment.verdict : undefined;

/** The most frequent reason; equally frequent ones in the order of `REASONS`, so that no list order matters. */
const mainReason = ({ unreadable }: Tally): UnreadableReason =>
  REASONS.reduce((best, reason) => ((unreadable[reason] ?? 0) > (unreadable[best] ?? 0) ? reason : best));

/** Sorted before it is added up, so that the order of the votes cannot change the last digit. */
const mean = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b).reduce((sum, value) => sum + value, 0) / values.length;

/** The readable critiques of each order that was read at all. */
const byOrder = (judgments: readonly Judgment[]): readonly (readonly Judgment[])[] =>
  [false, true]
    .map((swapped) => judgments.filter((judgment) => judgment.swapped === swapped && isReadable(judgment)))
    .filter((order) => order.length > 0);

const probabilitiesOf = (judgments: readonly Judgment[]): readonly number[] =>
  judgments.flatMap(({ probability: p }) => (p !== undefined && p >= 0 && p <= 1 ? [p] : []));

/** The mean over the orders of each order's mean, so that an unreadable vote cannot let position bias in. */
const logprobProbability = (orders: readonly (readonly Judgment[])[]): number | null => {
  const found = orders.map(probabilitiesOf);
  return found.length > 0 && found.every((order) => order.length > 0) ? mean(found.map(mean)) : null;
};

const probabilityOf = (
  orders: readonly (readonly Judgment[])[],
  tally: Tally,
): { readonly value: number; readonly source: ProbabilitySource } | null => {
  const readable = readableVotes(tally);
  if (readable === 0) return null;
  const logprob = logprobProbability(orders);
  if (logprob !== null) return { value: logprob, source: "logprob" };
  const share = (tally.votes[0] + tally.ties / 2) / readable;
  return { value: share, source: readable === 2 && orders.length === 2 ? "swap" : "votes" };
};

const breakTie = (onTie: OnTie, judgments: readonly Judgment[], logprob: number | null): Verdict => {
  const tie: Verdict = { kind: "tie" };
  if (onTie === "first") return judgments.map(winnerOf).find((verdict) => verdict !== undefined) ?? tie;
  if (onTie === "tie" || logprob === null || logprob === 0.5) return tie;
  return { kind: "winner", winner: logprob > 0.5 ? 0 : 1 };
};

const verdictOf = (judgments: readonly Judgment[], tally: Tally, onTie: OnTie, logprob: number | null): Verdict => {
  if (readableVotes(tally) === 0) return { kind: "unreadable", why: mainReason(tally) };
  const leader = leaderOf(tally);
  if (leader === null) return breakTie(onTie, judgments, logprob);
  return leader === "tie" ? { kind: "tie" } : { kind: "winner", winner: leader };
};

/**
 * Refuses an unknown way to break ties.
 *
 * @throws {ConfigError} when it is none of `OnTie`.
 */
export const checkOnTie = (onTie: string): void => {
  if (["tie", "first", "likeliest"].includes(onTie)) return;
  throw new ConfigError(`onTie: expected "tie", "first" or "likeliest", got ${JSON.stringify(onTie)}`);
};

/**
 * Counts critiques of one pair.
 *
 * The verdict is what strictly more readable votes say than anything else (responses[0], responses[1] or tie). A shared
 * top, such as two orders that disagree, goes to `onTie`. When nothing could be read, the verdict is unreadable with the
 * most frequent reason. The order of the list matters to `onTie: "first"` alone.
 *
 * `consistent` compares the verdict of each order. `probability` is, in this order of preference: the mean
 * log-probability verdict, averaged within each order and then over the orders, when every order that was read has one
 * (`logprob`); the agreement of two orders read once each: 1, ½ or 0 (`swap`); the share of the readable votes, a tie
 * counting half (`votes`).
 *
 * @throws {ConfigError} without judgments, or with an unknown `onTie`.
 */
export const decide = (judgments: readonly Judgment[], { onTie = "tie" }: DecideOptions = {}): Decision => {
  if (judgments.length === 0) throw new ConfigError("decide: expected at least one judgment, got none");
  checkOnTie(onTie);
  const tally = tallyOf(judgments);
  const orders = byOrder(judgments);
  const probability = probabilityOf(orders, tally);
  const [stored, reversed] = orders.map((order) => leaderOf(tallyOf(order)) ?? "tie");
  return {
    verdict: verdictOf(judgments, tally, onTie, logprobProbability(orders)),
    votes: tally.votes,
    ties: tally.ties,
    unreadable: judgments.length - readableVotes(tally),
    consistent: reversed === undefined ? null : stored === reversed,
    probability: probability?.value ?? null,
    probabilitySource: probability?.source ?? null,
    judgments,
  };
};
