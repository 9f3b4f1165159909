import type { Judgment, PairwiseJudge, Preference, Verdict } from "@r1reward/core";

/** What a response says about itself: `good 3` has quality 3; `THROW` and `UNREADABLE` make the judge fail. */
export const qualityOf = (text: string): number => Number(/-?\d+(\.\d+)?/.exec(text)?.[0] ?? 0);

const verdictOf = (responses: readonly [string, string]): Verdict => {
  if (responses.some((text) => text.includes("UNREADABLE"))) return { kind: "unreadable", why: "no-answer" };
  const [a, b] = responses.map(qualityOf) as [number, number];
  return a === b ? { kind: "tie" } : { kind: "winner", winner: a > b ? 0 : 1 };
};

/** A judge that prefers the higher number, says so in its critique, and remembers what it was asked. */
export const numberJudge = (): PairwiseJudge & { readonly asked: { pair: Preference; swapped: boolean }[] } => {
  const asked: { pair: Preference; swapped: boolean }[] = [];
  return {
    name: "number-judge",
    asked,
    judge: async (pair, { swapped = false, signal } = {}): Promise<Judgment> => {
      signal?.throwIfAborted();
      asked.push({ pair, swapped });
      if (pair.responses.some((text) => text.includes("THROW"))) throw new Error("the judge is out");
      const [a, b] = pair.responses;
      const [first, second] = swapped ? [b, a] : [a, b];
      return {
        verdict: verdictOf(pair.responses),
        reasoning: `first says ${first}, second says ${second}`,
        text: "",
        swapped,
        usage: { promptTokens: null, completionTokens: null },
        latencyMs: 0,
        cached: false,
        warnings: [],
      };
    },
  };
};
