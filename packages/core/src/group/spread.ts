import { choleskyFactor, choleskySolve } from "./cholesky.ts";

/**
 * How far strengths lie apart, in posterior standard deviations:  √( xᵀ Σ⁺ x / (n − 1) ),  where x are the members'
 * strengths less their mean and Σ is their posterior covariance, centred alike. For two members it is their difference
 * over its standard deviation. It is 0 when nothing sets the members apart. The prior pulls it down, so that pure
 * noise gives about 0.7 with the `balanced` schedule, not 1. Fewer than two members: 0.
 */
export const spreadOf = (
  strengths: readonly number[],
  covariance: readonly (readonly number[])[],
  members: readonly number[],
): number => {
  const n = members.length;
  if (n < 2) return 0;
  const mean = members.reduce((sum, member) => sum + strengths[member]!, 0) / n;
  const x = Float64Array.from(members, (member) => strengths[member]! - mean);
  const rows = members.map((i) => members.map((j) => covariance[i]![j]!));
  const means = rows.map((row) => row.reduce((sum, value) => sum + value, 0) / n);
  const overall = means.reduce((sum, value) => sum + value, 0) / n;
  // Centring leaves Σ singular along (1, …, 1), to which x is orthogonal: filling that direction changes nothing else.
  const sigma = Float64Array.from(
    { length: n * n },
    (_, at) => rows[Math.floor(at / n)]![at % n]! - means[Math.floor(at / n)]! - means[at % n]! + overall + 1 / n,
  );
  const solved = choleskySolve(choleskyFactor(sigma, n), x);
  const square = x.reduce((sum, value, at) => sum + value * solved[at]!, 0);
  return Math.sqrt(Math.max(0, square) / (n - 1));
};
