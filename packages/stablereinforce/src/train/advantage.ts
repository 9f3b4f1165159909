/** One rollout batch on its way from rewards to advantages, in doubles. */
import { standardise, type Scored } from "../algorithm/index.ts";
import type { Rated } from "./collect.ts";
import type { Run } from "./setup.ts";
import type { RatedRollout } from "./types.ts";

/** Rollouts with a reward and everything that updates need of them. */
export interface Batch<Truth> {
  readonly rollouts: readonly RatedRollout<Truth>[];
  readonly logpRef: readonly Float32Array[] | undefined;
  /** `[N][T_n]` */
  readonly advantages: readonly Float64Array[];
  readonly dropped: number;
  /** Share of tokens whose advantage was not 0 before the filter and is 0 after it. */
  readonly filtered: number | null;
}

const filteredShare = (raw: readonly Float64Array[], kept: readonly Float64Array[]): number | null => {
  let [tokens, filtered] = [0, 0];
  standardise(raw).forEach((row, n) =>
    row.forEach((z, t) => {
      tokens += 1;
      if (z !== 0 && kept[n]?.[t] === 0) filtered += 1;
    }),
  );
  return tokens === 0 ? null : filtered / tokens;
};

/** Leaves out rollouts without a reward, gets the trainer's log-probabilities, and estimates advantages. */
export const toBatch = async <Truth>(run: Run<Truth>, rated: readonly Rated<Truth>[]): Promise<Batch<Truth>> => {
  const kept = rated.filter(({ reward }) => reward.value !== null);
  const rows = kept.map(({ sampled }) => sampled);
  const logpOld = await run.learner.logp(rows);
  const logpRef = run.reference && (await run.learner.logp(rows, run.reference));
  const rollouts = kept.map(({ sampled, reward }, n): RatedRollout<Truth> => {
    const { place: _place, ...rest } = sampled;
    return { ...rest, logpOld: logpOld[n] as Float32Array, reward };
  });
  const scored = rollouts.map(({ group, reward }, n): Scored => {
    const [old, ref] = [logpOld[n] as Float32Array, logpRef?.[n]];
    return { group, reward: reward.value as number, parts: reward.parts, logpOld: old, logpRef: ref };
  });
  const raw = run.recipe.estimate(scored, { klCoef: run.progress.klCoef });
  const advantages = run.recipe.normalise(raw);
  return {
    rollouts,
    logpRef,
    advantages,
    dropped: rated.length - kept.length,
    filtered: filteredShare(raw, advantages),
  };
};
