/** Dense Cholesky for the small symmetric matrices of a group. Matrices are row-major `[n, n]` in one Float64Array. */

/** Pivots below this share of the largest diagonal entry are raised to it, so that no rounding error ends in a NaN. */
const PIVOT_FLOOR = 1e-14;

const largestDiagonal = (a: Float64Array, n: number): number => {
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(a[i * n + i]!));
  return largest;
};

/** Lower factor L `[n, n]` of a symmetric positive definite A `[n, n]`: A = L Lᵀ. Reads A's lower triangle. */
export const choleskyFactor = (a: Float64Array, n: number): Float64Array => {
  const l = new Float64Array(n * n);
  const floor = Math.max(PIVOT_FLOOR * largestDiagonal(a, n), Number.MIN_VALUE);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      l[i * n + j] = i === j ? Math.sqrt(Math.max(sum, floor)) : sum / l[j * n + j]!;
    }
  }
  return l;
};

/** Solves L Lᵀ x = b for x `[n]`. */
export const choleskySolve = (l: Float64Array, b: Float64Array): Float64Array => {
  const n = b.length;
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= l[i * n + k]! * x[k]!;
    x[i]! /= l[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= l[k * n + i]! * x[k]!;
    x[i]! /= l[i * n + i]!;
  }
  return x;
};

/** (L Lᵀ)⁻¹ `[n, n]`, by columns. */
export const choleskyInverse = (l: Float64Array, n: number): Float64Array => {
  const inverse = new Float64Array(n * n);
  for (let column = 0; column < n; column++) {
    const unit = new Float64Array(n);
    unit[column] = 1;
    const x = choleskySolve(l, unit);
    for (let row = 0; row < n; row++) inverse[row * n + column] = x[row]!;
  }
  return inverse;
};
