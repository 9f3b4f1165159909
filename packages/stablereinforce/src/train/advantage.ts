/** One rollout batch on its way from rewards to advantages, in doubles. */
import { ConfigError, type Reward } from "@r1reward/core";
import { moments, type Scored } from "../algorithm/index.ts";
import type { Sampled } from "../policy/index.ts";
import type { Rated } from "./collect.ts";
import { minibatches } from "./order.ts";
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
const deferredRows = <Truth>({ settings, seed, progress, oldLogp }: Run<Truth>, n: number): ReadonlySet<number> => {
  // KL in the reward is a matter of log π_old: it must be known before advantages are estimated.
  if (oldLogp !== "first-update" || progress.klCoef > 0 || n === 0) return new Set();
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
  deferred: ReadonlySet<number>,
): Promise<readonly Float32Array[]> => {
  if (oldLogp === "sampler") return rows.map(samplerLogp);
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

/** Gets the trainer's log-probabilities of rollouts that have a reward, and estimates advantages. */
export const toBatch = async <Truth>(run: Run<Truth>, rated: readonly Rated<Truth>[]): Promise<Batch<Truth>> => {
  const rows = rated.map(({ sampled }) => sampled);
  const rewards = rated.map(({ reward }) => reward);
  const deferred = deferredRows(run, rows.length);
  const logpOld = await oldLogpOf(run, rows, deferred);
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
  const advantages = run.recipe.normalise(raw);
  return { rows, rewards, logpOld, deferred, logpRef, advantages, filtered: filteredShare(raw, advantages) };
};
