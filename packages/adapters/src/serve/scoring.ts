/** How groups and pairs are judged: a pairwise judge with Bradley–Terry groups, or a reward model of one's own. */
import {
  comparePair,
  openGroup,
  scoreGroup,
  type Anchor,
  type CompareOptions,
  type Decision,
  type GroupComparison,
  type GroupItem,
  type GroupOptions,
  type GroupScores,
  type PairwiseJudge,
  type Part,
  type RewardModel,
} from "@r1reward/core";
import type { ComparisonSummary, GroupSummary, PairResult } from "./types.ts";

/** A group as the scorer sees it. */
export interface ScoredGroup {
  readonly id: string;
  readonly question: readonly Part[];
  readonly size: number | undefined;
  readonly signal: AbortSignal;
}

/** One answer's score. */
export interface ScoredMember {
  readonly value: number | null;
  readonly uncertainty: number | null;
  readonly empty: boolean;
}

/** A judged group, in the order in which answers were added. */
export interface ScoredMembers {
  readonly members: readonly ScoredMember[];
  readonly gated: boolean;
  readonly summary: Omit<GroupSummary, "expected">;
}

/** A group on its way. */
export interface OpenScoring {
  add(response: string): void;
  close(): void;
  result(): Promise<ScoredMembers>;
}

/** What an answer without siblings is measured against. */
export interface Fallback {
  readonly reference?: string | undefined;
  readonly anchors?: readonly Anchor[] | undefined;
}

/** Judges for the server. */
export interface Scorer {
  readonly name: string;
  open(group: ScoredGroup): OpenScoring;
  /** One answer against a reference or anchors. `null` when there is nothing to measure it against. */
  alone(group: ScoredGroup, response: string, against: Fallback): Promise<ScoredMembers | null>;
  pair(question: readonly Part[], responses: readonly [string, string], signal: AbortSignal): Promise<PairResult>;
}

const placeOf = (item: GroupItem): number => (item.kind === "response" ? item.index : -1);

const summarised = ({ pair: [a, b], p }: GroupComparison): ComparisonSummary => ({ i: placeOf(a), j: placeOf(b), p });

const numberOf = (value: number | null | undefined): number | null =>
  value !== null && value !== undefined && Number.isFinite(value) ? value : null;

/** Group scores as the server keeps them: without texts. */
export const membersOf = (scores: GroupScores): ScoredMembers => ({
  members: scores.rewards.map(({ value, parts }) => ({
    value: numberOf(value),
    uncertainty: numberOf(parts["uncertainty"]),
    empty: parts["empty"] === 1,
  })),
  gated: scores.gated,
  summary: {
    members: scores.rewards.length,
    calls: scores.calls,
    failed: scores.failed,
    unreadable: scores.unreadable,
    orderBias: scores.orderBias?.value ?? null,
    flipRate: scores.flipRate,
    spread: scores.spread,
    comparisons: scores.comparisons.map(summarised),
  },
});

const decided = ({ probability, consistent, judgments }: Decision): PairResult => ({
  probability: numberOf(probability),
  consistent,
  reasoning: judgments.find(({ verdict }) => verdict.kind !== "unreadable")?.reasoning ?? "",
});

/** Options of a judge's groups and pairs. */
export interface JudgeScorerOptions {
  readonly group?: Omit<GroupOptions, "signal"> | undefined;
  readonly compare?: Omit<CompareOptions, "signal"> | undefined;
}

/** A scorer from a pairwise judge: pairs are judged as soon as both answers are there. */
export const judgeScorer = (judge: PairwiseJudge, options: JudgeScorerOptions = {}): Scorer => ({
  name: judge.name,
  open({ id, question, size, signal }) {
    const group = openGroup(judge, { ...options.group, id, question, size, signal });
    return {
      add: (response) => void group.add(response),
      close: () => group.close(),
      result: async () => membersOf(await group.result()),
    };
  },
  async alone({ id, question, signal }, response, { reference, anchors = [] }) {
    if (reference === undefined && anchors.length === 0) return null;
    const group = { id, question, responses: [response], reference, anchors };
    return membersOf(await scoreGroup(judge, group, { ...options.group, signal }));
  },
  async pair(question, responses, signal) {
    const pair = { id: "pair", question, responses };
    return decided(await comparePair(judge, pair, { ...options.compare, signal }));
  },
});

const modelMembers = (values: readonly (number | null)[], responses: readonly string[]): ScoredMembers => ({
  members: values.map((value, at) => ({
    value: numberOf(value),
    uncertainty: null,
    empty: responses[at]!.trim() === "",
  })),
  gated: false,
  summary: {
    members: values.length,
    calls: 0,
    failed: 0,
    unreadable: 0,
    orderBias: null,
    flipRate: null,
    spread: null,
    comparisons: [],
  },
});

const modelGroup = (model: RewardModel, { question, signal }: ScoredGroup): OpenScoring => {
  const responses: string[] = [];
  let scored: Promise<ScoredMembers> | undefined;
  const score = async () => {
    if (responses.length === 1) return modelMembers([null], responses);
    const rewards = await model.score(question, responses, { signal });
    if (rewards.length !== responses.length) {
      throw new Error(`${model.name}: expected ${responses.length} rewards, got ${rewards.length}`);
    }
    const values = rewards.map(({ value }) => value);
    return modelMembers(values, responses);
  };
  return {
    add: (response) => void responses.push(response),
    close: () => {
      scored ??= score();
      scored.catch(() => undefined); // whoever asks for the result gets the error
    },
    result: () => (scored ??= score()),
  };
};

/** A scorer from a reward model: a group is scored when it is whole; a lone answer is compared with its reference. */
export const modelScorer = (model: RewardModel): Scorer => ({
  name: model.name,
  open: (group) => modelGroup(model, group),
  async alone({ id, question, signal }, response, { reference }) {
    if (reference === undefined) return null;
    const { probability: p } = await model.compare({ id, question, responses: [response, reference] }, { signal });
    return modelMembers([p === null ? null : 2 * p - 1], [response]);
  },
  async pair(question, responses, signal) {
    return decided(await model.compare({ id: "pair", question, responses }, { signal }));
  },
});
