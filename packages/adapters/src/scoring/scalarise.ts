/** How pairwise verdicts become a number for each answer: measured against a reference, or within a group. */
import {
  RewardError,
  scoreGroup,
  type Decision,
  type GroupOptions,
  type GroupScores,
  type Preference,
  type Reward,
} from "@r1reward/core";
import { critiqueOfDecision, critiqueOfJudgment } from "./critique.ts";
import { shortName } from "./question.ts";
import type { Court, PreparedTask, Scalar, Scalariser } from "./types.ts";

/**
 * Wins minus losses of `responses[0]` over the readable critiques of a decision, from −1 to 1: two orders that
 * contradict each other give 0. `null` when nothing was readable.
 */
export const decisionValue = ({ votes: [won, lost], ties }: Decision): number | null =>
  won + lost + ties === 0 ? null : (won - lost) / (won + lost + ties);

/** How `vsReference` reads a decision. */
export interface VsReferenceOptions {
  /** From −1 to 1, or `null`; `decisionValue` unless told otherwise. */
  readonly value?: ((decision: Decision) => number | null) | undefined;
}

const blank = (text: string): boolean => text.trim() === "";

const LOST: Scalar = { value: -1, critique: "This answer is empty." };

/** Compares an answer with another that is there already. Empty answers lose and equal ones tie without being judged. */
export const against = async (
  other: { readonly text: string; readonly called: string },
  task: PreparedTask,
  call: {
    readonly court: Court;
    readonly signal?: AbortSignal | undefined;
    readonly value?: VsReferenceOptions["value"];
  },
): Promise<Scalar> => {
  const { court, signal, value = decisionValue } = call;
  if (blank(task.response)) return blank(other.text) ? { value: 0, critique: LOST.critique } : LOST;
  if (task.response === other.text) return { value: 0, critique: `This answer is equal to ${other.called}.` };
  const responses = [task.response, other.text] as const;
  const pair: Preference = { id: shortName(task.group), question: task.question, responses };
  const decision = await court.rewardModel.compare(pair, { signal });
  return { value: value(decision), critique: critiqueOfDecision(decision, other.called) };
};

/**
 * Each answer against its reference: −1 when the judge prefers the reference in both orders, 0 when the orders disagree
 * or the texts are equal, 1 when it prefers the answer. Absolute: comparable across questions, batches and runs.
 * An answer without a reference is `not-comparable`.
 */
export const vsReference = ({ value }: VsReferenceOptions = {}): Scalariser => ({
  name: "vs-reference",
  scalarise: (tasks, court, { signal }) =>
    tasks.map(async (task): Promise<Scalar> => {
      if (task.reference === undefined || blank(task.reference)) {
        return { value: null, critique: "", why: "not-comparable" };
      }
      return against({ text: task.reference, called: "the reference answer" }, task, { court, signal, value });
    }),
});

/** How groups are scored; what `scoreGroup` takes, used when the adapter was given a judge. */
export type WithinGroupOptions = Omit<GroupOptions, "signal">;

const scalarOf = (reward: Reward | undefined, critique: string): Scalar => {
  if (reward === undefined) throw new RewardError("within-group", undefined, "expected one reward per answer");
  return { value: reward.value, critique, why: (reward.parts["missing"] ?? 0) > 0 ? "unreadable" : "not-comparable" };
};

/** At most this many critiques per answer. */
const CRITIQUES = 2;

/** Critiques of the comparisons that one answer took part in, those that it lost first: they say what to improve. */
const groupCritique = ({ comparisons }: GroupScores, index: number): string => {
  const told = comparisons.flatMap(({ pair, judgment, p }) => {
    const mine = pair.findIndex((item) => item.kind === "response" && item.index === index);
    if (mine < 0 || judgment === null || p === null) return [];
    const text = critiqueOfJudgment(judgment, mine === 0 ? 0 : 1, "another answer of the group");
    return text === "" ? [] : [{ text, p: mine === 0 ? p : 1 - p }];
  });
  const chosen = told.sort((a, b) => a.p - b.p).slice(0, CRITIQUES);
  return chosen.map(({ text }) => text).join("\n\n");
};

/** Without a value because the judge failed at every comparison: that failure is the answer's own. */
const errorOf = ({ comparisons }: GroupScores, index: number): Error | null =>
  comparisons.find(
    ({ pair, error }) => error !== null && pair.some((item) => item.kind === "response" && item.index === index),
  )?.error ?? null;

const scoreMembers = async (
  members: readonly PreparedTask[],
  court: Court,
  options: GroupOptions,
): Promise<readonly (Scalar | Error)[]> => {
  const { question, group } = members[0]!;
  const responses = members.map(({ response }) => response);
  const { judge, rewardModel } = court;
  if (judge === undefined) {
    const rewards = await rewardModel.score(question, responses, { signal: options.signal });
    return members.map((_, at) => scalarOf(rewards[at], ""));
  }
  const scores = await scoreGroup(judge, { question, responses, id: shortName(group) }, options);
  return responses.map((text, at) => {
    const first = responses.indexOf(text); // a copy is judged by its first occurrence
    const scalar = scalarOf(scores.rewards[at], groupCritique(scores, first));
    return scalar.value === null ? (errorOf(scores, first) ?? scalar) : scalar;
  });
};

const memberAt = (scalars: readonly (Scalar | Error)[], at: number): Scalar => {
  const scalar = scalars[at]!;
  if (scalar instanceof Error) throw scalar;
  return scalar;
};

const groupsOf = (tasks: readonly PreparedTask[]): ReadonlyMap<string, readonly PreparedTask[]> => {
  const groups = new Map<string, PreparedTask[]>();
  for (const task of tasks) groups.set(task.group, [...(groups.get(task.group) ?? []), task]);
  return groups;
};

/**
 * Answers to one question against each other: expected wins minus losses within the group, with sum 0. For hosts that hand
 * over several answers at once (GRPO groups, reranking, best of n). Values say nothing across groups, and an answer that
 * comes alone is `not-comparable`.
 */
export const withinGroup = (options: WithinGroupOptions = {}): Scalariser => ({
  name: "within-group",
  scalarise: (tasks, court, { signal }) => {
    const scores = new Map<PreparedTask, Promise<Scalar>>();
    for (const members of groupsOf(tasks).values()) {
      const scored = scoreMembers(members, court, { ...options, signal });
      members.forEach((task, at) =>
        scores.set(
          task,
          scored.then((scalars) => memberAt(scalars, at)),
        ),
      );
    }
    return tasks.map((task) => scores.get(task)!);
  },
});
