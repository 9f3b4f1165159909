/** Judges for the tests of this folder. */
import type { JudgeOptions, PairwiseJudge } from "../interfaces.ts";
import type { Judgment, Part, Preference, Verdict } from "../types.ts";
import type { GroupScores } from "./types.ts";

/** A question of one line. */
export const question: readonly Part[] = [{ type: "text", text: "Q" }];

/** A judgment that holds a verdict and nothing else. */
export const judgmentOf = (verdict: Verdict, swapped = false): Judgment => ({
  verdict,
  reasoning: "",
  text: "",
  swapped,
  usage: { promptTokens: null, completionTokens: null },
  latencyMs: 0,
  cached: false,
  warnings: [],
});

/** What a judge says about two texts. */
export type Say = (a: string, b: string, options: JudgeOptions, pair: Preference) => Verdict | Promise<Verdict>;

/** A judge from what it says about two texts, in the pair's own order. */
export const judgeOf = (say: Say) => {
  const asked: { shown: string; options: JudgeOptions; pair: Preference }[] = [];
  const judge: PairwiseJudge = {
    name: "test",
    async judge(pair, options = {}) {
      const [a, b] = pair.responses;
      asked.push({ shown: options.swapped ? `${b}>${a}` : `${a}>${b}`, options, pair });
      return judgmentOf(await say(a, b, options, pair), options.swapped);
    },
  };
  return { judge, asked };
};

/** Longer is better. */
export const longer: Say = (a, b) =>
  a.length === b.length ? { kind: "tie" } : { kind: "winner", winner: a.length > b.length ? 0 : 1 };
/** The values of the rewards. */
export const valuesOf = ({ rewards }: GroupScores) => rewards.map(({ value }) => value);
/** Their sum; what is unknown adds nothing. */
export const sumOf = (values: readonly (number | null)[]) =>
  values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
/** Lets promises settle for so many turns. */
export const turns = async (n: number) => {
  for (let turn = 0; turn < n; turn++) await Promise.resolve();
};
