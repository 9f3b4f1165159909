/**
 * Bradley–Terry strengths with a first-position term, as the mode of a posterior (MAP).
 *
 *   P(i beats j) = σ(θ_i − θ_j + γ·o),   o = +1 when i was shown first, −1 when j was, 0 when neither
 *   minimise   Σ w·[ softplus(d) − p·d ]  +  Σ θ² / 2τ²  +  γ² / 2τ_γ²,   d = θ_i − θ_j + γ·o
 *
 * Bradley & Terry (1952) for the strengths, Davidson & Beaver (1977) for the order term. The Gaussian prior makes the
 * objective strictly convex: there is one mode, whatever is missing, disconnected or won by one side throughout. Every
 * comparison pulls its two items by opposite amounts, so the strengths of each connected component sum to 0 at the mode.
 */
import { ConfigError } from "../errors.ts";
import { choleskyFactor, choleskyInverse, choleskySolve } from "./cholesky.ts";

/** One comparison of two items. */
export interface PairOutcome {
  readonly i: number;
  readonly j: number;
  /** How much the outcome says that i won: 1, 0, ½ for a tie, or a probability. `null`: no verdict, not counted. */
  readonly p: number | null;
  /** `i` or `j`: the one that was shown first. Left out when order could play no part. */
  readonly first?: number | undefined;
  /** How many comparisons this one counts as; 1 unless told otherwise. */
  readonly weight?: number | undefined;
}

/** What the fit assumes. */
export interface BradleyTerryOptions {
  /** How many items there are. Left out: one more than the largest index. */
  readonly items?: number | undefined;
  /** τ: standard deviation of the strengths before anything was compared, in logits; 1 unless told otherwise. */
  readonly priorSd?: number | undefined;
  /** τ_γ: the same for the order bias; 1 unless told otherwise. 0 holds the bias at 0. */
  readonly orderPriorSd?: number | undefined;
}

/** Strengths with what is known about them. Logits throughout; never NaN. */
export interface BradleyTerryFit {
  /** `[G]`, sum 0. */
  readonly strengths: readonly number[];
  /** `[G]`: posterior standard deviation of each centred strength; τ·√(1 − 1/G) for an item never compared. */
  readonly standardErrors: readonly number[];
  /** `[G][G]`: posterior covariance of the centred strengths (Laplace: the inverse Hessian at the mode). */
  readonly covariance: readonly (readonly number[])[];
  /** γ: positive when the response shown first wins more often than its strength explains. */
  readonly orderBias: number;
  readonly orderBiasStandardError: number;
  /** Comparisons that had a verdict. */
  readonly comparisons: number;
  readonly iterations: number;
  readonly converged: boolean;
}

/** A checked comparison: `order` is o of the header. */
interface Term {
  readonly i: number;
  readonly j: number;
  readonly order: number;
  readonly p: number;
  readonly weight: number;
}

/** Everything the objective needs. The parameters are `[θ_0 … θ_{items−1}, γ]`, γ left out when it is held at 0. */
interface Problem {
  readonly terms: readonly Term[];
  readonly items: number;
  readonly size: number;
  /** 1/τ² per parameter. */
  readonly priorPrecision: Float64Array;
}

const MAX_ITERATIONS = 100;
const STEP_TOLERANCE = 1e-10;

const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** p·softplus(−d) + (1 − p)·softplus(d): softplus(d) − p·d, written so that nothing cancels when one side wins for certain. */
const surprise = (d: number, p: number): number =>
  p * Math.max(-d, 0) + (1 - p) * Math.max(d, 0) + Math.log1p(Math.exp(-Math.abs(d)));

const check = (ok: boolean, where: string, expected: string, got: unknown): void => {
  if (!ok) throw new ConfigError(`bradleyTerry: ${where}: expected ${expected}, got ${String(got)}`);
};

const checkOutcome = ({ i, j, p, first, weight = 1 }: PairOutcome, index: number, items: number): void => {
  const at = `comparisons[${index}]`;
  const isItem = (item: number) => Number.isInteger(item) && item >= 0 && item < items;
  check(isItem(i), `${at}.i`, `a whole number below ${items}`, i);
  check(isItem(j) && j !== i, `${at}.j`, `another whole number below ${items}`, j);
  check(p === null || (p >= 0 && p <= 1), `${at}.p`, "null or a number from 0 to 1", p);
  check(first === undefined || first === i || first === j, `${at}.first`, "i, j or nothing", first);
  check(weight >= 0 && weight <= 1e6, `${at}.weight`, "a number from 0 to 1e6", weight);
};

const termOf = ({ i, j, p, first, weight = 1 }: PairOutcome): Term | null => {
  if (p === null || weight === 0) return null;
  return { i, j, p, weight, order: first === undefined ? 0 : first === i ? 1 : -1 };
};

const formulate = (comparisons: readonly PairOutcome[], options: BradleyTerryOptions): Problem => {
  const { priorSd = 1, orderPriorSd = 1 } = options;
  const items = options.items ?? comparisons.reduce((most, { i, j }) => Math.max(most, i + 1, j + 1), 0);
  check(Number.isInteger(items) && items >= 0, "items", "a whole number", items);
  check(priorSd >= 0.01 && priorSd <= 100, "priorSd", "a number from 0.01 to 100", priorSd);
  const biasOk = orderPriorSd === 0 || (orderPriorSd >= 0.01 && orderPriorSd <= 100);
  check(biasOk, "orderPriorSd", "0 or a number from 0.01 to 100", orderPriorSd);
  comparisons.forEach((comparison, index) => checkOutcome(comparison, index, items));
  const size = orderPriorSd === 0 ? items : items + 1;
  const priorPrecision = new Float64Array(size).fill(1 / priorSd ** 2, 0, items).fill(1 / orderPriorSd ** 2, items);
  return { terms: comparisons.map(termOf).filter((term) => term !== null), items, size, priorPrecision };
};

/** d = θ_i − θ_j + γ·o */
const logitOf = (x: Float64Array, { i, j, order }: Term, { items }: Problem): number =>
  x[i]! - x[j]! + order * (x[items] ?? 0);

const objective = (x: Float64Array, problem: Problem): number => {
  let sum = 0;
  x.forEach((value, at) => (sum += (problem.priorPrecision[at]! * value * value) / 2));
  for (const term of problem.terms) {
    sum += term.weight * surprise(logitOf(x, term, problem), term.p);
  }
  return sum;
};

const addTerm = (x: Float64Array, term: Term, problem: Problem, into: Derivatives): void => {
  const { items, size } = problem;
  const d = logitOf(x, term, problem);
  const [win, lose] = [sigmoid(d), sigmoid(-d)];
  // σ(d) − p, written so that nothing cancels when one side wins for certain.
  const slope = term.weight * ((1 - term.p) * win - term.p * lose);
  const curve = term.weight * win * lose;
  // ∂d/∂x is +1 at i, −1 at j and o at γ: nothing else of the gradient and Hessian changes.
  const { gradient: g, hessian: h } = into;
  const [i, j, k] = [term.i, term.j, items];
  g[i]! += slope;
  g[j]! -= slope;
  h[i * size + i]! += curve;
  h[j * size + j]! += curve;
  h[i * size + j]! -= curve;
  h[j * size + i]! -= curve;
  if (size === items || term.order === 0) return;
  const cross = curve * term.order;
  g[k]! += slope * term.order;
  h[k * size + k]! += curve;
  h[k * size + i]! += cross;
  h[i * size + k]! += cross;
  h[k * size + j]! -= cross;
  h[j * size + k]! -= cross;
};

interface Derivatives {
  readonly gradient: Float64Array;
  readonly hessian: Float64Array;
}

const derivatives = (x: Float64Array, problem: Problem): Derivatives => {
  const { size, priorPrecision } = problem;
  const into = { gradient: x.map((value, at) => value * priorPrecision[at]!), hessian: new Float64Array(size * size) };
  for (let at = 0; at < size; at++) into.hessian[at * size + at] = priorPrecision[at]!;
  for (const term of problem.terms) addTerm(x, term, problem, into);
  return into;
};

/** Newton's step, halved until the objective falls (Armijo); far from the mode a full step can overshoot. */
const descend = (x: Float64Array, step: Float64Array, slope: number, problem: Problem): Float64Array => {
  const before = objective(x, problem);
  const slack = 1e-13 * Math.abs(before);
  for (let share = 1; share > 1e-9; share /= 2) {
    const moved = x.map((value, at) => value - share * step[at]!);
    if (objective(moved, problem) <= before - 1e-4 * share * slope + slack) return moved;
  }
  return x;
};

const solve = (problem: Problem): Pick<BradleyTerryFit, "iterations" | "converged"> & { x: Float64Array } => {
  let x: Float64Array = new Float64Array(problem.size);
  for (let iterations = 1; iterations <= MAX_ITERATIONS; iterations++) {
    const { gradient, hessian } = derivatives(x, problem);
    const step = choleskySolve(choleskyFactor(hessian, problem.size), gradient);
    const slope = step.reduce((sum, value, at) => sum + value * gradient[at]!, 0);
    x = descend(x, step, slope, problem);
    if (step.every((value, at) => Math.abs(value) < STEP_TOLERANCE * (1 + Math.abs(x[at]!))))
      return { x, iterations, converged: true };
  }
  return { x, iterations: MAX_ITERATIONS, converged: false };
};

const meanOf = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/** P C P with P = I − 11ᵀ/G: the covariance of the strengths once their common level is taken out. */
const centredCovariance = (inverse: Float64Array, { items, size }: Problem): number[][] => {
  const block = Array.from({ length: items }, (_, row) => [...inverse.subarray(row * size, row * size + items)]);
  const means = block.map(meanOf);
  const overall = meanOf(means);
  return block.map((row, i) => row.map((value, j) => value - means[i]! - means[j]! + overall));
};

/**
 * Fits strengths to comparisons: Newton's method with a dense Cholesky factor, meant for up to about 64 items.
 *
 * @throws {ConfigError} naming the comparison and field when an index, outcome, weight or prior is out of range.
 */
export const bradleyTerry = (
  comparisons: readonly PairOutcome[],
  options: BradleyTerryOptions = {},
): BradleyTerryFit => {
  const problem = formulate(comparisons, options);
  const { items, size } = problem;
  const { x, iterations, converged } = solve(problem);
  const inverse = choleskyInverse(choleskyFactor(derivatives(x, problem).hessian, size), size);
  const covariance = centredCovariance(inverse, problem);
  const raw = [...x.subarray(0, items)];
  const level = meanOf(raw);
  return {
    strengths: raw.map((value) => value - level),
    standardErrors: covariance.map((row, item) => Math.sqrt(Math.max(0, row[item]!))),
    covariance,
    orderBias: x[items] ?? 0,
    orderBiasStandardError: size > items ? Math.sqrt(Math.max(0, inverse[size * size - 1]!)) : 0,
    comparisons: problem.terms.length,
    iterations,
    converged,
  };
};
