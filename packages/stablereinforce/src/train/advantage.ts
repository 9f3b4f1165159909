/** One rollout batch on its way from rewards to advantages, in doubles. */
import { ConfigError, type Reward } from "@r1reward/core";
import { highEntropyMask, moments, type Scored } from "../algorithm/index.ts";
import type { Sampled } from "../policy/index.ts";
import type { Rated } from "./collect.ts";
import { minibatches } from "./order.ts";
import type { Scored as Passed } from "./learner-forward.ts";
import type { Run } from "./setup.ts";

/** Rollouts with a reward and everything that updates need of them. */
export interface Batch<Truth> {
  readonly rows: readonly Sampled<Truth>[];
  readonly rewards: readonly Reward[];
  /** `[N][T_n]` nats; NaN for rows that are `deferred`. */
  readonly logpOld: readonly Float32Array[];
  /** Rows whose log π_old comes from the first update's own forward pass. */
  readonly deferred: ReadonlySet<number>;
  readonly logpRef: readonly Float32Array[] | undefined;
  /** `[N][T_n]` */
  readonly advantages: readonly Float64Array[];
  /** Share of tokens whose advantage was not 0 before the filter and is 0 after it. */
  readonly filtered: number | null;
  /** Share of tokens whose entropy was too low for a gradient; `null` where all have one. */
  readonly lowEntropy: number | null;
}

/** Advantages that were not their mean, and are 0 now. */
const filteredShare = (raw: readonly Float64Array[], kept: readonly Float64Array[]): number | null => {
  const { tokens, mean } = moments(raw);
  let filtered = 0;
  raw.forEach((row, n) => {
    const now = kept[n] as Float64Array;
    for (let t = 0; t < row.length; t++) if (now[t] === 0 && row[t] !== mean) filtered += 1;
  });
  return tokens === 0 ? null : filtered / tokens;
};

/** Rows that need no forward pass before the updates. */
const deferredRows = <Truth>(
  { settings, seed, progress, oldLogp, recipe }: Run<Truth>,
  n: number,
): ReadonlySet<number> => {
  // prettier-ignore
  // KL in the reward is a matter of log π_old, and the top entropies one of the whole batch: both must be known before.
  if (oldLogp !== "first-update" || progress.klCoef > 0 || recipe.entropyShare !== undefined || n === 0) return new Set();
  return new Set(minibatches(n, settings.trainBatch, [seed, progress.step, 0])[0]);
};

const samplerLogp = <Truth>({ id, logpRollout, tokens }: Sampled<Truth>): Float32Array => {
  if (logpRollout?.length === tokens.length) return logpRollout;
  throw new ConfigError(
    `oldLogp: "sampler" needs the sampler's log-probability of every token, but reply ${id} came without; say "forward"`,
  );
};

const oldLogpOf = async <Truth>(
  { learner, oldLogp }: Run<Truth>,
  rows: readonly Sampled<Truth>[],
  { deferred, made }: { readonly deferred: ReadonlySet<number>; readonly made: Passed | undefined },
): Promise<readonly Float32Array[]> => {
  if (oldLogp === "sampler") return rows.map(samplerLogp);
  if (made !== undefined) return made.logp;
  const known = await learner.logp(rows.filter((_, n) => !deferred.has(n)));
  let next = 0;
  return rows.map(({ tokens }, n) =>
    deferred.has(n) ? new Float32Array(tokens.length).fill(NaN) : (known[next++] as Float32Array),
  );
};

const hasNaN = (row: Float64Array): boolean => {
  for (let t = 0; t < row.length; t++) if (Number.isNaN(row[t])) return true;
  return false;
};

const estimate = <Truth>(
  { recipe, progress, oldLogp }: Run<Truth>,
  scored: readonly Scored[],
): readonly Float64Array[] => {
  const raw = recipe.estimate(scored, { klCoef: progress.klCoef });
  if (oldLogp !== "first-update" || !raw.some(hasNaN)) return raw; // what reads a deferred log-probability becomes NaN
  throw new ConfigError(
    `recipe ${recipe.name}: its estimator reads logpOld, or made NaN of something else; for the former say oldLogp: "forward"`,
  );
};

const shareOf = (masks: readonly Float64Array[], value: number): number => {
  const tokens = masks.reduce((sum, mask) => sum + mask.length, 0);
  const equal = masks.reduce((sum, mask) => sum + mask.filter((x) => x === value).length, 0);
  return equal / Math.max(1, tokens);
};

/** Takes the policy gradient from tokens outside of the top share of entropies (arXiv 2506.01939, equation 6); averages stay over all. */
const forking = (advantages: readonly Float64Array[], { entropy }: Passed, share: number) => {
  const masks = highEntropyMask(entropy, share);
  const kept = advantages.map((row, n) => row.map((a, t) => ((masks[n] as Float64Array)[t] === 1 ? a : 0)));
  return { advantages: kept, lowEntropy: shareOf(masks, 0) };
};

/** Gets the trainer's log-probabilities of rollouts that have a reward, and estimates advantages. */
export const toBatch = async <Truth>(run: Run<Truth>, rated: readonly Rated<Truth>[]): Promise<Batch<Truth>> => {
  const rows = rated.map(({ sampled }) => sampled);
  const rewards = rated.map(({ reward }) => reward);
  const deferred = deferredRows(run, rows.length);
  const { entropyShare } = run.recipe;
  const made = entropyShare === undefined ? undefined : await run.learner.logpAndEntropy(rows);
  const logpOld = await oldLogpOf(run, rows, { deferred, made });
  const logpRef = run.reference && (await run.learner.logp(rows, run.reference));
  const values = await run.options.values?.(rows, { signal: run.options.signal });
  const scored = rows.map(({ group }, n): Scored => {
    const { value, parts } = rewards[n] as Reward;
    return {
      group,
      reward: value as number,
      parts,
      logpOld: logpOld[n] as Float32Array,
      logpRef: logpRef?.[n],
      values: values?.[n],
    };
  });
  const raw = estimate(run, scored);
  const normalised = run.recipe.normalise(raw);
  const filtered = filteredShare(raw, normalised);
  const common = { rows, rewards, logpOld, deferred, logpRef, filtered };
  if (made === undefined || entropyShare === undefined) return { ...common, advantages: normalised, lowEntropy: null };
  return { ...common, ...forking(normalised, made, entropyShare) };
};
