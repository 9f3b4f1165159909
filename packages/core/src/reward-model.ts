/** Composes a judge with votes for pairs and with group scoring for several answers. */
import { comparePair, type CompareOptions } from "./compare.ts";
import type { GroupOptions } from "./group/options.ts";
import { scoreGroup } from "./group/score-group.ts";
import type { CallOptions, PairwiseJudge, RewardModel } from "./interfaces.ts";
import type { Part, Reward } from "./types.ts";

/** Rewards several answers to one question, one reward per response in their order. */
export type GroupScorer = (
  question: readonly Part[],
  responses: readonly string[],
  options?: CallOptions,
) => Promise<readonly Reward[]>;

/** What a reward model is made of. Whatever `comparePair` takes says how pairs are compared. */
export interface RewardModelOptions extends Omit<CompareOptions, "signal"> {
  readonly judge: PairwiseJudge;
  /** The judge's name unless told otherwise. */
  readonly name?: string | undefined;
  /** How several answers are rewarded: options of `scoreGroup`, or a function of one's own. */
  readonly group?: Omit<GroupOptions, "signal"> | GroupScorer | undefined;
}

const groupScorer = ({ judge, group = {}, seed }: RewardModelOptions): GroupScorer => {
  if (typeof group === "function") return group;
  return async (question, responses, { signal } = {}) =>
    (await scoreGroup(judge, { question, responses }, { seed, ...group, signal })).rewards;
};

/**
 * A reward model: `compare` decides a pair by votes in both orders (`comparePair`), `score` rewards a group of answers
 * (`scoreGroup`). Both reject with what those throw.
 */
export const rewardModel = (options: RewardModelOptions): RewardModel => {
  const { judge, name = judge.name, group: _group, ...comparing } = options;
  return {
    name,
    compare: (pair, { signal } = {}) => comparePair(judge, pair, { ...comparing, signal }),
    score: groupScorer(options),
  };
};
