/** Judges that need no model. A judge that does not beat them has learnt nothing. */
import { throwIfAborted } from "./errors.ts";
import type { JudgeOptions, PairwiseJudge } from "./interfaces.ts";
import { pairCoin } from "./pair-hash.ts";
import { swapPair, swapVerdict } from "./swap.ts";
import type { Preference, Verdict } from "./types.ts";

/** Unicode code points: a surrogate pair is one, so that no script counts double. */
const codePoints = (text: string): number => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

const longer = ({ responses }: Preference): Verdict => {
  const [first, second] = responses.map(codePoints) as [number, number];
  return first === second ? { kind: "tie" } : { kind: "winner", winner: first > second ? 0 : 1 };
};

/** A judge from what is said about the pair as it is shown. */
const baseline = (
  name: string,
  say: (shown: Preference, sample: number) => { readonly verdict: Verdict; readonly reasoning: string },
): PairwiseJudge => ({
  name,
  judge: async (pair, { swapped = false, sample = 0, signal }: JudgeOptions = {}) => {
    throwIfAborted(signal);
    const { verdict, reasoning } = say(swapped ? swapPair(pair) : pair, sample);
    return {
      verdict: swapped ? swapVerdict(verdict) : verdict,
      reasoning,
      text: reasoning,
      swapped,
      usage: { promptTokens: 0, completionTokens: 0 },
      latencyMs: 0,
      cached: false,
      warnings: [],
    };
  },
});

/** The response with more Unicode code points wins; equally long ones tie. Measures length bias. */
export const longerJudge: PairwiseJudge = baseline("baseline:longer", (shown) => ({
  verdict: longer(shown),
  reasoning: "The longer response wins.",
}));

/** The response shown first always wins. Measures position bias: asked in both orders, it ties every pair. */
export const firstJudge: PairwiseJudge = baseline("baseline:first", () => ({
  verdict: { kind: "winner", winner: 0 },
  reasoning: "The response shown first wins.",
}));

/**
 * A fair coin per pair, order and sample: a hash of the seed and of what is shown, so the same whenever and in whatever
 * order it is asked.
 */
export const randomJudge = (seed = 0): PairwiseJudge =>
  baseline(`baseline:random(${seed})`, (shown, sample) => ({
    verdict: { kind: "winner", winner: pairCoin(shown, "judge", seed, sample) ? 0 : 1 },
    reasoning: "A coin was tossed.",
  }));
