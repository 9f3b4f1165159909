/** What a run has cost so far: tokens as the server counts them, and money when the prices are told. */
import type { Usage } from "@r1reward/core";

/** Prices per million tokens, in whatever currency. */
export interface Prices {
  readonly priceIn?: number;
  readonly priceOut?: number;
}

/** Sums of a run; resumed replies are not in them, they were paid for before. */
export interface BillSums {
  readonly requests: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Replies whose server did not count: the sums are too low by them. */
  readonly uncounted: number;
  /** `null` without prices. */
  readonly cost: number | null;
}

/** Adds up. */
export interface Bill {
  add(usage: Usage): void;
  sums(): BillSums;
  text(): string;
}

const short = (count: number): string => {
  if (count < 10_000) return String(count);
  return count < 10_000_000 ? `${(count / 1000).toFixed(0)}k` : `${(count / 1_000_000).toFixed(1)}M`;
};

/** An empty bill. */
export const newBill = ({ priceIn, priceOut }: Prices): Bill => {
  const sums = { requests: 0, promptTokens: 0, completionTokens: 0, uncounted: 0 };
  const cost = (): number | null =>
    priceIn === undefined && priceOut === undefined
      ? null
      : (sums.promptTokens * (priceIn ?? 0) + sums.completionTokens * (priceOut ?? 0)) / 1_000_000;
  return {
    add({ promptTokens, completionTokens }) {
      sums.requests += 1;
      sums.promptTokens += promptTokens ?? 0;
      sums.completionTokens += completionTokens ?? 0;
      if (promptTokens === null || completionTokens === null) sums.uncounted += 1;
    },
    sums: () => ({ ...sums, cost: cost() }),
    text: () => {
      const money = cost();
      return [
        `${sums.requests} requests, ${short(sums.promptTokens)} + ${short(sums.completionTokens)} tokens`,
        ...(sums.uncounted > 0 ? [`${sums.uncounted} not counted by the server`] : []),
        ...(money === null ? [] : [`cost ${money.toFixed(2)}`]),
      ].join(", ");
    },
  };
};
