/** Numbers about numbers: what reports are made of. */
import type { CommonReport, Spread } from "./types.ts";
import type { Update } from "./learner.ts";

/** Mean of what there is; `null` of nothing. */
export const meanOrNull = (xs: readonly number[]): number | null =>
  xs.length === 0 ? null : xs.reduce((sum, x) => sum + x, 0) / xs.length;

/** Mean, population deviation and extremes. */
export const spreadOf = (xs: readonly number[]): Spread => {
  const mean = meanOrNull(xs);
  if (mean === null) return { mean: null, std: null, min: null, max: null };
  const std = Math.sqrt(xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / xs.length);
  const [min, max] = [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b))];
  return { mean, std, min, max };
};

/** Share of the 3-grams of a reply that occurred in it before; 0 for replies of fewer than four tokens. */
export const repetitionOf = (tokens: ArrayLike<number>): number => {
  const count = tokens.length - 2;
  if (count < 2) return 0;
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) seen.add(`${tokens[i]},${tokens[i + 1]},${tokens[i + 2]}`);
  return 1 - seen.size / count;
};

/** Resident memory of this process in bytes, where there is one. */
export const memoryUsed = (): number | null => {
  const { process } = globalThis as { readonly process?: { readonly memoryUsage?: { readonly rss?: () => number } } };
  return process?.memoryUsage?.rss?.() ?? null;
};

/** Were loss and gradient numbers? */
export const isFiniteUpdate = ({ loss, gradNorm }: Update): boolean =>
  Number.isFinite(loss) && Number.isFinite(gradNorm);

/** How numbers of parts become one of the whole; what is not named here is a mean over tokens. */
const JOINED: Readonly<Record<string, (xs: readonly number[]) => number>> = {
  tokens: (xs) => xs.reduce((sum, x) => sum + x, 0),
  nonFinite: (xs) => xs.reduce((sum, x) => sum + x, 0),
  ratioMin: (xs) => xs.reduce((a, b) => Math.min(a, b)),
  ratioMax: (xs) => xs.reduce((a, b) => Math.max(a, b)),
  logRatioMax: (xs) => xs.reduce((a, b) => Math.max(a, b)),
};

/** What losses told of the parts of a minibatch, as they would have told it of the whole. */
export const joinStats = (parts: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const weights = parts.map(({ tokens }) => tokens ?? 1);
  const total = Math.max(
    1,
    weights.reduce((sum, n) => sum + n, 0),
  );
  const mean = (xs: readonly number[]): number => xs.reduce((sum, x, i) => sum + x * (weights[i] as number), 0) / total;
  const names = Object.keys(parts[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, (JOINED[name] ?? mean)(parts.map((part) => part[name] as number))] as const),
  );
};

/** What is told of updates in every kind of training. */
export const updatesReport = (
  updates: readonly Update[],
  nonFinite: "skip" | "apply",
): Pick<CommonReport, "loss" | "losses" | "gradNorm" | "skippedUpdates" | "nanCount"> => {
  const bad = updates.filter((update) => !isFiniteUpdate(update)).length;
  return {
    loss: meanOrNull(updates.map((update) => update.loss)),
    losses: updates.map((update) => update.loss),
    gradNorm: updates.length === 0 ? null : spreadOf(updates.map((update) => update.gradNorm)).max,
    skippedUpdates: nonFinite === "skip" ? bad : 0,
    nanCount: bad + updates.reduce((sum, { stats }) => sum + (stats.nonFinite ?? 0), 0),
  };
};
