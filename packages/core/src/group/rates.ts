/** What the comparisons say about the judge. */
import type { GroupComparison, GroupItem } from "./types.ts";

const itemKey = (item: GroupItem): string => (item.kind === "reference" ? "reference" : `${item.kind} ${item.index}`);

const isDecided = ({ p }: GroupComparison): boolean => p !== null && p !== 0.5;

/** Share of the decided comparisons that the response shown first won. Without a favourite of the judge's it is ½. */
export const firstPositionRate = (comparisons: readonly GroupComparison[]): number | null => {
  const decided = comparisons.filter(isDecided);
  const firstWon = decided.filter(({ p, swapped }) => p! > 0.5 !== swapped);
  return decided.length === 0 ? null : firstWon.length / decided.length;
};

/** Share of the pairs decided in both orders whose winner changed with the order; the first verdict of each order counts. */
export const flipRate = (comparisons: readonly GroupComparison[]): number | null => {
  const winners = new Map<string, { stored?: boolean; swapped?: boolean }>();
  for (const comparison of comparisons.filter(isDecided)) {
    const pair = comparison.pair.map(itemKey).join("|");
    const seen = winners.get(pair) ?? {};
    winners.set(pair, seen);
    seen[comparison.swapped ? "swapped" : "stored"] ??= comparison.p! > 0.5;
  }
  const both = [...winners.values()].filter(({ stored, swapped }) => stored !== undefined && swapped !== undefined);
  return both.length === 0 ? null : both.filter(({ stored, swapped }) => stored !== swapped).length / both.length;
};
