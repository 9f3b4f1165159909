/** The statistics of an evaluation. Rates are fractions; what is undefined is `null`, never NaN. */
import { ConfigError } from "../errors.ts";
import { binomialCdf, logBinomialPmf, requireCounts } from "./binomial.ts";

export { binomialTest } from "./binomial.ts";

/** Lower and upper end of an interval. */
export type Interval = readonly [number, number];

/** Standard normal quantile of 97.5 %: two-sided 95 % intervals. */
export const Z95 = 1.959963984540054;

/**
 * Wilson score interval of a rate (Wilson, 1927): inside [0, 1] and sensible at 0 and 1, where the normal interval has no
 * width. `k` may be fractional (half credit). `null` when n = 0. Throws `ConfigError` unless 0 ≤ k ≤ n and z ≥ 0.
 */
export const wilson = (k: number, n: number, z: number = Z95): Interval | null => {
  if (!(n >= 0 && k >= 0 && k <= n && Number.isFinite(n) && z >= 0 && Number.isFinite(z))) {
    throw new ConfigError(`wilson: expected 0 ≤ k ≤ n and z ≥ 0, got k=${k}, n=${n}, z=${z}`);
  }
  if (n === 0) return null;
  const rate = k / n;
  const scale = 1 + (z * z) / n;
  const centre = (rate + (z * z) / (2 * n)) / scale;
  const half = (z / scale) * Math.sqrt((rate * (1 - rate)) / n + (z * z) / (4 * n * n));
  // At the edges centre ∓ half is 0 or 1 in exact arithmetic but not in doubles.
  return [k === 0 ? 0 : Math.max(0, centre - half), k === n ? 1 : Math.min(1, centre + half)];
};

/** McNemar's test of two paired runs. */
export interface McNemar {
  /** Exact two-sided p-value: a sign test of the discordant pairs. Conservative. */
  readonly pValue: number;
  /** Mid-p: half the weight of what was seen; less conservative (Fagerland, Lydersen & Laake, 2013). */
  readonly midP: number;
}

/**
 * McNemar's test on the discordant pairs: `b` where only the first run was right, `c` where only the second was. Pairs on
 * which both agree say nothing about a difference. No discordant pairs: both p-values are 1.
 */
export const mcnemar = (b: number, c: number): McNemar => {
  requireCounts("mcnemar", b, b + c);
  const n = b + c;
  const fewer = Math.min(b, c);
  const below = fewer === 0 ? 0 : binomialCdf(fewer - 1, n, 0.5);
  const at = Math.exp(logBinomialPmf(fewer, n, 0.5));
  return { pValue: Math.min(1, 2 * (below + at)), midP: Math.min(1, 2 * below + at) };
};

/**
 * Unbiased pass@k from n samples of which c were right: 1 − C(n−c, k) / C(n, k), PAPER section 6's "Any". On a binary
 * question it rises with k for a coin flip too (1 − 2^−k): an upper bound on what choosing among samples could reach,
 * never an accuracy. `null` when k > n. Throws `ConfigError` unless 0 ≤ c ≤ n and k ≥ 1, all whole.
 */
export const passAtK = (n: number, c: number, k: number): number | null => {
  requireCounts("passAtK", c, n);
  if (!Number.isSafeInteger(k) || k < 1) throw new ConfigError(`passAtK: expected a whole number k ≥ 1, got ${k}`);
  if (k > n) return null;
  if (n - c < k) return 1;
  let noneRight = 1;
  for (let i = n - c + 1; i <= n; i += 1) noneRight *= 1 - k / i;
  return 1 - noneRight;
};

/** Quantile q in [0, 1] of numbers in ascending order, linear between neighbours (type 7); `null` when there are none. */
export const quantile = (ascending: ArrayLike<number>, q: number): number | null => {
  if (!(q >= 0 && q <= 1)) throw new ConfigError(`quantile: expected 0 ≤ q ≤ 1, got ${q}`);
  const last = ascending.length - 1;
  if (last < 0) return null;
  const at = q * last;
  const low = ascending[Math.floor(at)]!;
  const high = ascending[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
};

/**
 * Cohen's kappa of a square table of counts, `table[a][b]`: agreement beyond what the margins give by chance. `null` for
 * an empty table, and when chance alone agrees always (one label throughout).
 */
export const cohenKappa = (table: readonly (readonly number[])[]): number | null => {
  let total = 0;
  let agreed = 0;
  const columns = table.map(() => 0);
  const rows = table.map((row, i) => {
    if (row.length !== table.length)
      throw new ConfigError(`cohenKappa: expected a square table, got row ${i} of ${row.length}`);
    row.forEach((count, j) => (columns[j]! += count));
    agreed += row[i]!;
    return row.reduce((sum, count) => sum + count, 0);
  });
  for (const row of rows) total += row;
  const chance = rows.reduce((sum, row, i) => sum + row * columns[i]!, 0);
  const room = total * total - chance;
  return room === 0 ? null : (agreed * total - chance) / room;
};
