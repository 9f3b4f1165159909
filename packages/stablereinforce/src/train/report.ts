/** The report of one step of reinforcement learning. */
import { groupsOf } from "../algorithm/index.ts";
import type { Batch } from "./advantage.ts";
import { meanOrNull, memoryUsed, repetitionOf, spreadOf, updatesReport } from "./measure.ts";
import type { Update } from "./learner.ts";
import type { Run } from "./setup.ts";
import type { RatedRollout, StepReport } from "./types.ts";

/** What happened in a step. */
export interface StepFacts<Truth> {
  readonly batch: Batch<Truth>;
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

/** Mean over tokens of π_old's log-probabilities minus others; `null` when there are none. */
export const klOf = ({ rollouts, logpRef }: Pick<Batch<unknown>, "rollouts" | "logpRef">): number | null => {
  if (logpRef === undefined) return null;
  return meanOrNull(
    rollouts.flatMap(({ logpOld }, n) => Array.from(logpOld, (x, t) => x - (logpRef[n]?.[t] as number))),
  );
};

const samplerGapOf = (rollouts: readonly RatedRollout[]): number | null => {
  const gaps = rollouts.flatMap(({ logpOld, logpRollout }) =>
    Array.from(logpOld, (x, t) => Math.abs(x - (logpRollout?.[t] as number))),
  );
  return spreadOf(gaps).max;
};

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
    entropy: meanOrNull(rollouts.flatMap(({ logpOld }) => Array.from(logpOld, (x) => -x))),
    samplerGap: samplerGapOf(rollouts),
  };
};

/** Puts the report together. `progress` is that after the step. */
export const reportOf = <Truth>(run: Run<Truth>, facts: StepFacts<Truth>): StepReport => {
  const { batch, updates, seconds, sampleSeconds, updateSeconds, learningRate, klCoef } = facts;
  const rollouts = batch.rollouts as readonly RatedRollout[];
  const tokens = rollouts.reduce((sum, rollout) => sum + rollout.tokens.length, 0);
  const { step, updates: made } = run.progress;
  return {
    kind: "rl",
    step,
    updates: made,
    episode: (step * run.settings.rolloutBatch) / run.options.prompts.length,
    rollouts: rollouts.length,
    dropped: batch.dropped,
    ...updatesReport(updates, run.nonFinite),
    learningRate,
    reward: spreadOf(rollouts.map(({ reward }) => reward.value as number)),
    rewardParts: partsOf(rollouts),
    kl: klOf({ rollouts, logpRef: batch.logpRef }),
    klCoef,
    ...statsOf(updates),
    ...repliesOf(rollouts),
    filtered: batch.filtered,
    zeroSpread: zeroSpreadOf(rollouts),
    tokens,
    tokensPerSecond: tokens / Math.max(seconds, 1e-9),
    memory: memoryUsed(),
    seconds,
    sampleSeconds,
    updateSeconds,
  };
};
