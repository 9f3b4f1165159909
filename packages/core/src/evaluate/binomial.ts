/**
 * The binomial distribution, exact to about 1e-13 relative even at n = 10^6: Loader's saddle-point form (C. Loader, "Fast
 * and accurate computation of binomial probabilities", 2000), which never subtracts two large log-gammas.
 */
import { ConfigError } from "../errors.ts";

/** Stirling's error ln(n!) − [½ ln(2πn) + n ln n − n]; direct below 16, where n! is an exact double. */
const stirlingError = (n: number): number => {
  if (n < 16) {
    let factorial = 1;
    for (let i = 2; i <= n; i += 1) factorial *= i;
    return Math.log(factorial) - (0.5 * Math.log(2 * Math.PI * n) + n * Math.log(n) - n);
  }
  const nn = n * n;
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / nn) / nn) / nn) / nn) / n;
};

/** Deviance x ln(x/m) + m − x; as a series where the terms would cancel. */
const deviance = (x: number, m: number): number => {
  if (Math.abs(x - m) >= 0.1 * (x + m)) return x * Math.log(x / m) + m - x;
  const v = (x - m) / (x + m);
  let sum = (x - m) * v;
  let term = 2 * x * v;
  for (let j = 3; ; j += 2) {
    term *= v * v;
    const next = sum + term / j;
    if (next === sum) return sum;
    sum = next;
  }
};

/** ln P(X = k) for X ~ Binomial(n, p), in nats; −∞ where impossible. Arguments are taken as valid. */
export const logBinomialPmf = (k: number, n: number, p: number): number => {
  if (p === 0) return k === 0 ? 0 : -Infinity;
  if (p === 1) return k === n ? 0 : -Infinity;
  if (k === 0) return n * Math.log1p(-p);
  if (k === n) return n * Math.log(p);
  const shape = stirlingError(n) - stirlingError(k) - stirlingError(n - k);
  const distance = deviance(k, n * p) + deviance(n - k, n * (1 - p));
  return shape - distance - 0.5 * (Math.log(2 * Math.PI) + Math.log(k) + Math.log1p(-k / n));
};

/** P(X ≤ k); summed from the far end inwards, so that small terms are not lost. */
export const binomialCdf = (k: number, n: number, p: number): number => {
  let sum = 0;
  for (let i = 0; i <= k; i += 1) sum += Math.exp(logBinomialPmf(i, n, p));
  return Math.min(1, sum);
};

/** Counts that stand for k of n. */
export const requireCounts = (where: string, k: number, n: number): void => {
  if (Number.isSafeInteger(n) && n >= 0 && Number.isSafeInteger(k) && k >= 0 && k <= n) return;
  throw new ConfigError(`${where}: expected whole numbers 0 ≤ k ≤ n, got k=${k}, n=${n}`);
};

/**
 * Exact two-sided binomial test: the probability, were the true rate `p`, of a count no likelier than `k`. Terms within
 * 1e-7 of P(X = k) count as equal, as in R and SciPy. With n = 0 nothing speaks against `p`: 1.
 * O(n). Throws `ConfigError` unless 0 ≤ k ≤ n and 0 ≤ p ≤ 1.
 */
export const binomialTest = (k: number, n: number, p = 0.5): number => {
  requireCounts("binomialTest", k, n);
  if (!(p >= 0 && p <= 1)) throw new ConfigError(`binomialTest: expected 0 ≤ p ≤ 1, got p=${p}`);
  const limit = logBinomialPmf(k, n, p) + Math.log1p(1e-7);
  const mode = Math.min(n, Math.floor((n + 1) * p));
  if (logBinomialPmf(mode, n, p) <= limit) return 1; // as likely as any count: nothing to add up
  let sum = 0;
  for (let i = 0; i < mode; i += 1) {
    const logp = logBinomialPmf(i, n, p);
    if (logp > limit) break;
    sum += Math.exp(logp);
  }
  for (let i = n; i >= mode; i -= 1) {
    const logp = logBinomialPmf(i, n, p);
    if (logp > limit) break;
    sum += Math.exp(logp);
  }
  return Math.min(1, sum);
};
