import type { Preference, Verdict } from "./types.ts";

/** The same pair with its responses, and the human's choice, in reverse order. */
export const swapPair = (pair: Preference): Preference => ({
  ...pair,
  responses: [pair.responses[1], pair.responses[0]],
  ...(pair.human === undefined ? {} : { human: pair.human === 0 ? 1 : 0 }),
});

/** What a verdict on a pair says about the pair in reverse order. Its own inverse. */
export const swapVerdict = (verdict: Verdict): Verdict =>
  verdict.kind === "winner" ? { kind: "winner", winner: verdict.winner === 0 ? 1 : 0 } : verdict;
