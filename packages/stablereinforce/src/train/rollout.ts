/** Prompts → rollouts with rewards: once, or again until enough of them teach something. */
import { atStep } from "@r1reward/core";
import { dynamicSampling } from "../algorithm/index.ts";
import { collect, type Rated } from "./collect.ts";
import { replySeed } from "./order.ts";
import type { Run } from "./setup.ts";

/** What sampling gave. */
export interface RolledOut<Truth> {
  /** With a reward, in the order of prompts and seeds. */
  readonly rated: readonly Rated<Truth>[];
  /** Rollouts whose reward was `null`. */
  readonly dropped: number;
  /** Rollouts of groups that dynamic sampling left out. */
  readonly uninformative: number;
  /** Times that prompts were sampled from. */
  readonly rounds: number;
}

const sampleRound = async <Truth>(run: Run<Truth>, round: number): Promise<readonly Rated<Truth>[]> => {
  const { options, settings, seed, progress } = run;
  const { rolloutBatch, samplesPerPrompt, temperature, maxTokens } = settings;
  const { step } = progress;
  const taken = run.promptsAt(progress.taken, rolloutBatch);
  progress.taken += rolloutBatch;
  const requests = taken.map((index, at) => {
    const n = round * rolloutBatch + at;
    return {
      prompt: options.prompts[index] as (typeof options.prompts)[number],
      group: `${step}/${n}`,
      seeds: Array.from({ length: samplesPerPrompt }, (_, i) => replySeed(seed, step, [n, i])),
    };
  });
  const { signal } = options;
  const replies = options.policy.sample(run.learner.params(), requests, { temperature, maxTokens, step, signal });
  return collect(atStep(options.reward, step), replies, { ...options, sizes: requests.map(() => samplesPerPrompt) });
};

const withReward = <Truth>(rated: readonly Rated<Truth>[]): readonly Rated<Truth>[] =>
  rated.filter(({ reward }) => reward.value !== null);

/** Groups that differ in reward, as entries of the round. */
const informative = <Truth>(rated: readonly Rated<Truth>[], tolerance: number | undefined): readonly Rated<Truth>[] => {
  const scored = rated.map((one) => ({
    group: one.sampled.group,
    reward: one.reward.value as number,
    logpOld: one.sampled.logpRollout ?? new Float32Array(one.sampled.tokens.length), // groups and rewards alone decide
    one,
  }));
  return dynamicSampling(scored, { tolerance }).kept.map(({ one }) => one);
};

/** The rollouts of the first `most` groups. */
const firstGroups = <Truth>(rated: readonly Rated<Truth>[], most: number): readonly Rated<Truth>[] => {
  const groups = new Set([...new Set(rated.map(({ sampled }) => sampled.group))].slice(0, most));
  return rated.filter(({ sampled }) => groups.has(sampled.group));
};

const groupCount = <Truth>(rated: readonly Rated<Truth>[]): number =>
  new Set(rated.map(({ sampled }) => sampled.group)).size;

/** Samples and rewards one batch. Moves `run.progress.taken` on. */
export const rollOut = async <Truth>(run: Run<Truth>): Promise<RolledOut<Truth>> => {
  const dynamic = run.options.dynamicSampling;
  let kept: readonly Rated<Truth>[] = [];
  let [dropped, uninformative, rounds] = [0, 0, 0];
  do {
    const all = await sampleRound(run, rounds++);
    const rated = withReward(all);
    const useful = dynamic === undefined ? rated : informative(rated, dynamic.tolerance);
    dropped += all.length - rated.length;
    uninformative += rated.length - useful.length;
    kept = [...kept, ...useful];
  } while (dynamic !== undefined && rounds < dynamic.maxRounds && groupCount(kept) < run.settings.rolloutBatch);
  return { rated: firstGroups(kept, run.settings.rolloutBatch), dropped, uninformative, rounds };
};
