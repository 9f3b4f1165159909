/** `@r1reward/adapters/langsmith`: evaluators for `langsmith/evaluation`. */
import type { Run } from "langsmith/schemas";
import type { EvaluationResult } from "langsmith/evaluation";
import type { Part } from "@r1reward/core";
import { withinGroup } from "../scoring/scalarise.ts";
import { createScoring, withHealth } from "../scoring/scoring.ts";
import type { Health, ScoringOptions, ScoringTask } from "../scoring/types.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What `evaluate` hands over; `attachments` hold the pictures. */
export interface LangsmithArgs {
  readonly inputs: Fields;
  readonly outputs: Fields;
  readonly referenceOutputs?: Fields | undefined;
  readonly attachments?: Fields | undefined;
}

/** Options of the evaluator. */
export type LangsmithOptions = ScoringOptions & {
  /** Key of the feedback; `r1reward` unless told otherwise. */
  readonly key?: string | undefined;
  /** What the judge sees. Field names are the data set's, so there is no default. */
  readonly read: (args: LangsmithArgs) => ScoringTask;
};

/**
 * An evaluator for `evaluate`: the score with the critique as its comment, `null` when abstaining. An evaluator's error is
 * dropped without a word, so look at `stats()` or call `assertHealthy()` afterwards.
 */
export const langsmithEvaluator = (
  options: LangsmithOptions,
): ((args: LangsmithArgs) => Promise<EvaluationResult>) & Health => {
  const { key = "r1reward", read } = options;
  const scoring = createScoring({ name: "langsmith", abstains: true }, options);
  const evaluator = async (args: LangsmithArgs): Promise<EvaluationResult> => {
    const { score, critique, failure } = await scoring.score(() => read(args));
    return { key, score, comment: failure === null ? critique : `Not judged: ${failure.message}` };
  };
  return withHealth(evaluator, scoring);
};

/** What `evaluateComparative` hands over: the outputs of several experiments for one example. */
export interface LangsmithComparativeArgs {
  readonly runs: readonly Pick<Run, "id">[];
  readonly inputs: Fields;
  readonly outputs: readonly Fields[];
}

/** Options of the comparative evaluator. */
export type LangsmithComparativeOptions = ScoringOptions & {
  /** Key of the feedback; `r1reward` unless told otherwise. */
  readonly key?: string | undefined;
  readonly question: (inputs: Fields) => string | readonly Part[];
  readonly answer: (outputs: Fields) => string;
};

/**
 * An evaluator for `evaluateComparative`: the experiments' answers to one example against each other (`withinGroup()`).
 * A run that could not be judged has no score with `onError: "abstain"`.
 */
export const langsmithComparativeEvaluator = (
  options: LangsmithComparativeOptions,
): ((args: LangsmithComparativeArgs) => Promise<{ key: string; scores: Record<string, number> }>) & Health => {
  const { key = "r1reward", question, answer } = options;
  const scoring = createScoring({ name: "langsmith", scalarise: withinGroup(), abstains: true }, options);
  const evaluator = async ({ runs, inputs, outputs }: LangsmithComparativeArgs) => {
    const sources = outputs.map((output) => () => ({
      question: question(inputs),
      response: answer(output),
      group: "experiments",
    }));
    const all = await scoring.scoreAll(sources);
    const scores = runs.flatMap(({ id }, at) => {
      const score = all[at]?.score;
      return score === null || score === undefined ? [] : [[id, score] as const];
    });
    return { key, scores: Object.fromEntries(scores) };
  };
  return withHealth(evaluator, scoring);
};
