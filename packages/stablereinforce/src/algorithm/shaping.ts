/** What is done to a rollout batch before its advantages are estimated, and the report of what was done. */
import { ConfigError } from "@r1reward/core";
import { expectOption, expectRewards, expectRow } from "./checks.ts";
import { groupsOf } from "./group.ts";
import { moments } from "./stable-reinforce.ts";
import type { Scored } from "./types.ts";

/** Groups that can teach something, and the others. */
export interface DynamicSample<S> {
  readonly kept: readonly S[];
  readonly dropped: readonly S[];
  readonly groups: { readonly kept: number; readonly equal: number; readonly single: number };
}

/**
 * Drops groups whose rewards are all equal: their group advantages are 0 (dynamic sampling, DAPO, arXiv 2503.14476, section
 * 3.2). The caller samples more prompts until enough are kept. Groups of one are dropped too, and counted apart.
 * @throws NumericError
 */
export const dynamicSampling = <S extends Pick<Scored, "group" | "reward" | "logpOld">>(
  batch: readonly S[],
  { tolerance = 0 }: { readonly tolerance?: number | undefined } = {},
): DynamicSample<S> => {
  expectRewards(batch);
  const keep = new Set<number>();
  const groups = { kept: 0, equal: 0, single: 0 };
  for (const members of groupsOf(batch).values()) {
    const rewards = members.map((n) => (batch[n] as S).reward);
    const spread = rewards.reduce((a, b) => Math.max(a, b)) - rewards.reduce((a, b) => Math.min(a, b));
    const kind = members.length < 2 ? "single" : spread <= tolerance ? "equal" : "kept";
    groups[kind] += 1;
    if (kind === "kept") for (const n of members) keep.add(n);
  }
  return { kept: batch.filter((_, n) => keep.has(n)), dropped: batch.filter((_, n) => !keep.has(n)), groups };
};

/** Lengths in tokens. */
export interface OverlongOptions {
  /** Longest reply without a penalty: L_max − L_cache. */
  readonly soft: number;
  /** From here on the penalty is whole: L_max. */
  readonly hard: number;
  /** 1 by default. */
  readonly weight?: number | undefined;
}

/**
 * Adds 0 up to `soft` tokens, then a line down to −weight at `hard` (DAPO, arXiv 2503.14476, equation 13). `lengthReward` of
 * core is the same as a reward of its own.
 * @throws ConfigError unless 0 ≤ soft < hard
 */
export const overlongShaping =
  ({ soft, hard, weight = 1 }: OverlongOptions) =>
  <S extends Pick<Scored, "reward" | "logpOld">>(batch: readonly S[]): readonly S[] => {
    if (!(soft >= 0 && soft < hard && hard < Infinity)) {
      throw new ConfigError(`overlongShaping: expected 0 <= soft < hard, got ${soft} and ${hard}`);
    }
    return batch.map((rollout) => {
      const over = (rollout.logpOld.length - soft) / (hard - soft);
      return { ...rollout, reward: rollout.reward - weight * Math.min(1, Math.max(0, over)) };
    });
  };

/**
 * 1 for the `share` of a batch's tokens with the highest entropy, 0 for the others; ties at the threshold are kept. Policy
 * gradients on the forking tokens alone (arXiv 2506.01939; share 0.2). `[N][T_n]` nats → `[N][T_n]`
 * @throws ConfigError, NumericError
 */
export const highEntropyMask = (entropies: readonly ArrayLike<number>[], share = 0.2): readonly Float64Array[] => {
  expectOption("share", share, [0, 1]);
  const all = Float64Array.from(entropies.flatMap((row) => Array.from(row)));
  entropies.forEach((row, n) => void expectRow(`entropies[${n}]`, row, row.length));
  all.sort();
  const wanted = Math.ceil(share * all.length);
  const threshold = wanted === 0 ? Infinity : (all[all.length - wanted] as number);
  return entropies.map((row) => Float64Array.from(row, (h) => (h >= threshold ? 1 : 0)));
};

/** What happened to a batch's advantages. */
export interface AdvantageReport {
  readonly tokens: number;
  /** Of the estimator's advantages, before they were normalised. */
  readonly mean: number;
  readonly std: number;
  /** Share of tokens that differed from the mean before and are 0 now. */
  readonly filtered: number;
  /** Share of rollouts whose tokens are all 0 now: they teach nothing. */
  readonly silent: number;
  readonly min: number;
  readonly max: number;
}

/** Compares an estimator's advantages with what normalising made of them. Both `[N][T_n]`. @throws NumericError */
export const advantageReport = (raw: readonly Float64Array[], normalised: readonly Float64Array[]): AdvantageReport => {
  const { tokens, mean, std } = moments(raw);
  const slack = 1e-9 * Math.max(std, Math.abs(mean));
  let [filtered, min, max] = [0, 0, 0];
  normalised.forEach((row, n) => {
    expectRow(`advantages[${n}]`, row, row.length);
    row.forEach((a, t) => {
      if (a === 0 && Math.abs((raw[n]?.[t] ?? mean) - mean) > slack) filtered += 1;
      min = Math.min(min, a);
      max = Math.max(max, a);
    });
  });
  const silent = normalised.filter((row) => row.every((a) => a === 0)).length;
  return {
    ...{ tokens, mean, std, min, max },
    filtered: filtered / Math.max(1, tokens),
    silent: silent / Math.max(1, normalised.length),
  };
};
