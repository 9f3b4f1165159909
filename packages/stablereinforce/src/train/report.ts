/** The report of one step of reinforcement learning. */
import { groupsOf } from "../algorithm/index.ts";
import { meanOrNull, memoryUsed, repetitionOf, spreadOf, updatesReport } from "./measure.ts";
import type { Update } from "./learner.ts";
import type { Run } from "./setup.ts";
import type { RatedRollout, StepReport } from "./types.ts";

/** What happened in a step. */
export interface StepFacts {
  readonly samples: readonly RatedRollout[];
  readonly dropped: number;
  readonly uninformative: number;
  readonly rounds: number;
  readonly filtered: number | null;
  readonly lowEntropy: number | null;
  readonly kl: number | null;
  readonly updates: readonly Update[];
  readonly learningRate: number;
  readonly klCoef: number;
  readonly sampleSeconds: number;
  readonly updateSeconds: number;
  readonly seconds: number;
}

const equalRewards = (rewards: readonly number[]): boolean => rewards.every((reward) => reward === rewards[0]);

const zeroSpreadOf = (rollouts: readonly RatedRollout[]): number | null => {
  if (rollouts.length === 0) return null;
  const valueAt = (n: number): number => (rollouts[n] as RatedRollout).reward.value as number;
  const groups = [...groupsOf(rollouts).values()].filter((members) => members.length > 1);
  if (groups.length === 0) return equalRewards(rollouts.map((_, n) => valueAt(n))) ? 1 : 0;
  return groups.filter((members) => equalRewards(members.map(valueAt))).length / groups.length;
};

const partsOf = (rollouts: readonly RatedRollout[]): Record<string, number | null> => {
  const names = new Set(rollouts.flatMap(({ reward }) => Object.keys(reward.parts)));
  const mean = (name: string): number | null =>
    meanOrNull(rollouts.map(({ reward }) => reward.parts[name]).filter((part) => typeof part === "number"));
  return Object.fromEntries([...names].sort().map((name) => [name, mean(name)]));
};

/** Mean of `f` over every token; `null` of none. */
const tokenMean = (rollouts: readonly RatedRollout[], f: (n: number, t: number, logpOld: number) => number) => {
  let [sum, tokens] = [0, 0];
  rollouts.forEach(({ logpOld }, n) => {
    tokens += logpOld.length;
    for (let t = 0; t < logpOld.length; t++) sum += f(n, t, logpOld[t] as number);
  });
  return tokens === 0 ? null : sum / tokens;
};

/** Mean over tokens of π_old's log-probabilities minus others; `null` when there are none. */
export const klOf = (rollouts: readonly RatedRollout[], logpRef: readonly Float32Array[] | undefined): number | null =>
  logpRef === undefined ? null : tokenMean(rollouts, (n, t, old) => old - (logpRef[n]?.[t] as number));

/** Over the tokens of which the sampler told; NaN where any is. */
const samplerOf = (rollouts: readonly RatedRollout[]): Pick<StepReport, "samplerGap" | "samplerKl"> => {
  let [gap, sum, tokens] = [0, 0, 0];
  for (const { logpOld, logpRollout = new Float32Array(0) } of rollouts) {
    const told = Math.min(logpOld.length, logpRollout.length);
    for (let t = 0; t < told; t++) {
      const difference = (logpRollout[t] as number) - (logpOld[t] as number);
      gap = Math.max(gap, Math.abs(difference));
      sum += difference;
    }
    tokens += told;
  }
  return tokens === 0 ? UNTOLD : { samplerGap: gap, samplerKl: sum / tokens };
};

/** Of a sampler that told nothing, or whose word was taken. */
const UNTOLD = { samplerGap: null, samplerKl: null } as const;

/** Statistics of losses over the updates of a step: extremes, and means weighted by tokens. */
const statsOf = (updates: readonly Update[]) => {
  const values = (name: string): number[] => updates.map(({ stats }) => stats[name] as number);
  const tokens = values("tokens");
  const total = tokens.reduce((sum, n) => sum + n, 0);
  const mean = (name: string): number | null =>
    total === 0 ? null : values(name).reduce((sum, x, i) => sum + x * (tokens[i] as number), 0) / total;
  return {
    ratioMin: spreadOf(values("ratioMin")).min,
    ratioMax: spreadOf(values("ratioMax")).max,
    logRatioMax: spreadOf(values("logRatioMax")).max,
    preClipped: mean("preClipped"),
    clipped: mean("clipped"),
    klOld: mean("klOld"),
  };
};

const repliesOf = (rollouts: readonly RatedRollout[]) => {
  const share = (test: (rollout: RatedRollout) => number): number | null => meanOrNull(rollouts.map(test));
  return {
    length: spreadOf(rollouts.map(({ tokens }) => tokens.length)),
    lengthAtCap: share(({ finishReason }) => (finishReason === "length" ? 1 : 0)),
    repetition: share(({ tokens }) => repetitionOf(tokens)),
    entropy: tokenMean(rollouts, (_n, _t, old) => -old),
  };
};

/** Puts the report together. `progress` is that after the step. */
export const reportOf = <Truth>(run: Run<Truth>, facts: StepFacts): StepReport => {
  const { samples, updates, filtered, lowEntropy, ...rest } = facts;
  const tokens = samples.reduce((sum, rollout) => sum + rollout.tokens.length, 0);
  const { step, updates: made, taken } = run.progress;
  return {
    kind: "rl",
    step,
    updates: made,
    episode: taken / run.options.prompts.length,
    rollouts: samples.length,
    ...updatesReport(updates, run.nonFinite),
    reward: spreadOf(samples.map(({ reward }) => reward.value as number)),
    rewardParts: partsOf(samples),
    ...statsOf(updates),
    ...repliesOf(samples),
    ...(run.oldLogp === "sampler" ? UNTOLD : samplerOf(samples)),
    filtered,
    lowEntropy,
    zeroSpread: zeroSpreadOf(samples),
    tokens,
    tokensPerSecond: tokens / Math.max(rest.seconds, 1e-9),
    memory: memoryUsed(),
    ...rest,
  };
};
