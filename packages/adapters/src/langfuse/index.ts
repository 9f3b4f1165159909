/** `@r1reward/adapters/langfuse`: an evaluator for experiments of `@langfuse/client`. */
import type { Evaluation, Evaluator } from "@langfuse/client";
import { createScoring, withHealth } from "../scoring/scoring.ts";
import type { Health, ScoringOptions, ScoringTask } from "../scoring/types.ts";

/** What an experiment hands over. */
export interface LangfuseArgs {
  readonly input: unknown;
  readonly output: unknown;
  readonly expectedOutput?: unknown;
  readonly metadata?: unknown;
}

/** Options of the evaluator. */
export type LangfuseOptions = ScoringOptions & {
  /** Name of the score; `r1reward` unless told otherwise. */
  readonly name?: string | undefined;
  /** What the judge sees. Left out: input, output and expectedOutput, which must be texts then. */
  readonly read?: ((args: LangfuseArgs) => ScoringTask) | undefined;
};

const asTexts = ({ input, output, expectedOutput }: LangfuseArgs): ScoringTask => ({
  question: input as string, // checked by the scoring, with the error that names it
  response: output as string,
  reference: (expectedOutput ?? undefined) as string | undefined,
});

/**
 * An evaluator: a numeric score with the critique as its comment. `onError: "abstain"` records no score for the item. The
 * experiment logs an evaluator's error and goes on, so look at `stats()` or call `assertHealthy()` afterwards.
 */
export const langfuseEvaluator = (options: LangfuseOptions): Evaluator & Health => {
  const { name = "r1reward", read = asTexts } = options;
  const scoring = createScoring({ name: "langfuse", abstains: true }, options);
  const evaluator: Evaluator = async (args) => {
    const { score, critique, failure } = await scoring.score(() => read(args));
    if (score === null) return [];
    const metadata = failure === null ? {} : { metadata: { failure: failure.kind, why: failure.message } };
    const evaluation: Evaluation = { name, value: score, dataType: "NUMERIC", comment: critique, ...metadata };
    return evaluation;
  };
  return withHealth(evaluator, scoring);
};
