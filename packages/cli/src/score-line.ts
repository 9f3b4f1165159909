/** What `score` writes for a pair. */
import type { Decision, Judgment, Preference, UnreadableReason, Winner } from "@r1reward/core";
import type { ResultLine } from "./output/results-file.ts";

/** One critique, as it is written. */
export interface JudgmentLine {
  readonly swapped: boolean;
  readonly winner: Winner | "tie" | null;
  readonly unreadable?: UnreadableReason;
  readonly probability?: number;
  readonly reasoning: string;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly latencyMs: number;
  readonly cached: boolean;
  readonly warnings: readonly string[];
}

/** One pair: its winner (an index into `responses`), a reward for each response, and how they came about. */
export interface ScoreLine extends ResultLine {
  /** 0-based position of the pair in the input; results are written as they are ready. */
  readonly index: number;
  readonly id: string;
  readonly winner?: Winner | "tie" | null;
  /** Rewards of the two responses in [-1, 1], adding up to 0; `null` when nothing could be told. */
  readonly rewards?: readonly [number, number] | readonly [null, null];
  readonly probability?: number | null;
  readonly probabilitySource?: string | null;
  readonly consistent?: boolean | null;
  readonly votes?: readonly [number, number];
  readonly ties?: number;
  readonly unreadable?: number;
  readonly judgments?: readonly JudgmentLine[];
  readonly error?: { readonly code: string; readonly message: string };
}

const winnerOf = (verdict: Judgment["verdict"]): Winner | "tie" | null =>
  verdict.kind === "winner" ? verdict.winner : verdict.kind === "tie" ? "tie" : null;

/**
 * Rewards of a pair. With P the probability that responses[0] wins they are 2P − 1 and 1 − 2P: centred at 0, so that
 * "no information" and a tie are 0 and a sure win is 1. The sign never contradicts the verdict.
 */
export const pairRewards = (decision: Decision): readonly [number, number] | readonly [null, null] => {
  if (decision.verdict.kind === "unreadable") return [null, null];
  if (decision.verdict.kind === "tie") return [0, 0];
  const sign = decision.verdict.winner === 0 ? 1 : -1;
  const strength = decision.probability === null ? 1 : Math.max(0, sign * (2 * decision.probability - 1));
  const first = sign * strength;
  return [first === 0 ? 0 : first, first === 0 ? 0 : -first];
};

const judgmentLine = (judgment: Judgment): JudgmentLine => ({
  swapped: judgment.swapped,
  winner: winnerOf(judgment.verdict),
  ...(judgment.verdict.kind === "unreadable" ? { unreadable: judgment.verdict.why } : {}),
  ...(judgment.probability === undefined ? {} : { probability: judgment.probability }),
  reasoning: judgment.reasoning,
  promptTokens: judgment.usage.promptTokens,
  completionTokens: judgment.usage.completionTokens,
  latencyMs: Math.round(judgment.latencyMs),
  cached: judgment.cached,
  warnings: judgment.warnings,
});

/** What identifies a line: its pair, its place and its run. */
export interface LineHead {
  readonly key: string;
  readonly run: string;
  readonly index: number;
}

/** The line of a pair that was judged. */
export const scoredLine = (head: LineHead, pair: Preference, decision: Decision): ScoreLine => ({
  key: head.key,
  run: head.run,
  status: "ok",
  index: head.index,
  id: pair.id,
  winner: winnerOf(decision.verdict),
  rewards: pairRewards(decision),
  probability: decision.probability,
  probabilitySource: decision.probabilitySource,
  consistent: decision.consistent,
  votes: decision.votes,
  ties: decision.ties,
  unreadable: decision.unreadable,
  judgments: decision.judgments.map(judgmentLine),
});

/** The line of a pair whose judge failed; it is tried again by the next run. */
export const failedLine = (head: LineHead, pair: Preference, error: { code: string; message: string }): ScoreLine => ({
  key: head.key,
  run: head.run,
  status: "failed",
  index: head.index,
  id: pair.id,
  error,
});
