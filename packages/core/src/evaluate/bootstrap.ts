/** Bootstrap intervals for records that are not independent: whole clusters are drawn, not records. */
import { ConfigError } from "../errors.ts";
import { randomStream, type RandomStream } from "./random.ts";
import { quantile, type Interval } from "./statistics.ts";

/** One observation of a ratio Σvalue / Σweight; a rate has weight 1 throughout. */
export interface Observation {
  /** Observations that share an image, a question, a group. */
  readonly cluster: string;
  readonly value: number;
  readonly weight: number;
}

/** How to resample. */
export interface BootstrapOptions {
  /** Draws; 2,000 unless told. */
  readonly resamples?: number | undefined;
  /** Seed of the draws; 0 unless told. Same observations and seed: same interval, in whatever order they come. */
  readonly seed?: number | undefined;
  /** Share of draws inside the interval; 0.95 unless told. */
  readonly confidence?: number | undefined;
}

/** A percentile interval and the number of clusters it rests on. */
export interface BootstrapResult {
  /** `null` with fewer than two clusters: one cluster says nothing about how clusters vary. */
  readonly interval: Interval | null;
  readonly clusters: number;
}

interface Totals {
  readonly values: Float64Array;
  readonly weights: Float64Array;
}

/** Sums per cluster, in the order of the clusters' names: the order of the observations must not matter. */
const totalsOf = (observations: readonly Observation[]): Totals => {
  const sums = new Map<string, { value: number; weight: number }>();
  for (const { cluster, value, weight } of observations) {
    const sum = sums.get(cluster) ?? { value: 0, weight: 0 };
    sum.value += value;
    sum.weight += weight;
    sums.set(cluster, sum);
  }
  const ordered = [...sums.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
  return {
    values: Float64Array.from(ordered, (sum) => sum.value),
    weights: Float64Array.from(ordered, (sum) => sum.weight),
  };
};

const drawRatio = ({ values, weights }: Totals, random: RandomStream): number | null => {
  let value = 0;
  let weight = 0;
  for (let i = 0; i < values.length; i += 1) {
    const drawn = random.below(values.length);
    value += values[drawn]!;
    weight += weights[drawn]!;
  }
  return weight === 0 ? null : value / weight;
};

/**
 * Percentile interval of Σvalue / Σweight over resampled clusters. Draws without any weight are left out. Where every
 * cluster gives the same ratio the interval has no width; a Wilson interval says more there.
 * Throws `ConfigError` for resamples < 1, a confidence outside (0, 1) or a value or weight that is not finite.
 */
export const clusteredBootstrap = (
  observations: readonly Observation[],
  options: BootstrapOptions = {},
): BootstrapResult => {
  const { resamples = 2000, seed = 0, confidence = 0.95 } = options;
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw new ConfigError(`clusteredBootstrap: expected a whole number of resamples ≥ 1, got ${resamples}`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new ConfigError(`clusteredBootstrap: expected 0 < confidence < 1, got ${confidence}`);
  }
  if (observations.some(({ value, weight }) => !Number.isFinite(value) || !Number.isFinite(weight))) {
    throw new ConfigError("clusteredBootstrap: expected finite values and weights");
  }
  const totals = totalsOf(observations);
  const clusters = totals.values.length;
  if (clusters < 2) return { interval: null, clusters };
  const random = randomStream(seed);
  const draws: number[] = [];
  for (let i = 0; i < resamples; i += 1) {
    const ratio = drawRatio(totals, random);
    if (ratio !== null) draws.push(ratio);
  }
  const ascending = Float64Array.from(draws).sort();
  const low = quantile(ascending, (1 - confidence) / 2);
  const high = quantile(ascending, (1 + confidence) / 2);
  return { interval: low === null || high === null ? null : [low, high], clusters };
};
