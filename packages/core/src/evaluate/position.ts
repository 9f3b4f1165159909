/** Does the judge prefer whichever response it is shown first? */
import type { Winner } from "../types.ts";
import type { EvalRecord, JudgmentSummary } from "./records.ts";
import { binomialTest, wilson, type Interval } from "./statistics.ts";

/** How often the response that was shown first wins. */
export interface PositionBias {
  /** Single critiques that name a winner; ties and unreadable replies say nothing about position. */
  readonly n: number;
  /** Those that name the response shown first. */
  readonly first: number;
  readonly firstRate: number | null;
  readonly interval95: Interval | null;
  /** Exact two-sided binomial test against ½, taking critiques as independent; `null` when n = 0. */
  readonly pValue: number | null;
  /** Pairs read in both orders whose orders disagree: the paired form of the test, free of the pairs' quality. */
  readonly disagreements: PositionDisagreements;
}

/** Pairs whose two orders name different responses, by the position both name. */
export interface PositionDisagreements {
  readonly bothFirst: number;
  readonly bothSecond: number;
  /** Exact sign test; `null` without disagreements. */
  readonly pValue: number | null;
}

const namesFirst = ({ swapped, verdict }: JudgmentSummary): boolean | null =>
  verdict.kind === "winner" ? verdict.winner === (swapped ? 1 : 0) : null;

/** The response that most critiques of one order name; `null` for none or as many for each. */
const majorityOf = (judgments: readonly JudgmentSummary[], swapped: boolean): Winner | null => {
  let balance = 0;
  for (const judgment of judgments) {
    if (judgment.swapped !== swapped || judgment.verdict.kind !== "winner") continue;
    balance += judgment.verdict.winner === 0 ? 1 : -1;
  }
  return balance === 0 ? null : balance > 0 ? 0 : 1;
};

const disagreementsOf = (records: readonly EvalRecord[]): PositionDisagreements => {
  let bothFirst = 0;
  let bothSecond = 0;
  for (const { decision } of records) {
    const stored = majorityOf(decision?.judgments ?? [], false);
    const reversed = majorityOf(decision?.judgments ?? [], true);
    if (stored === null || reversed === null || stored === reversed) continue;
    if (stored === 0) bothFirst += 1;
    else bothSecond += 1;
  }
  const n = bothFirst + bothSecond;
  return { bothFirst, bothSecond, pValue: n === 0 ? null : binomialTest(bothFirst, n) };
};

/** Position bias over all critiques of some records. */
export const positionBiasOf = (records: readonly EvalRecord[]): PositionBias => {
  const named = records.flatMap(({ decision }) => (decision?.judgments ?? []).map(namesFirst));
  const n = named.filter((first) => first !== null).length;
  const first = named.filter((isFirst) => isFirst === true).length;
  return {
    n,
    first,
    firstRate: n === 0 ? null : first / n,
    interval95: wilson(first, n),
    pValue: n === 0 ? null : binomialTest(first, n),
    disagreements: disagreementsOf(records),
  };
};
