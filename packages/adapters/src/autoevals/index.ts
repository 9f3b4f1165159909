/** `@r1reward/adapters/autoevals`: a scorer for autoevals, Braintrust, evalite and whatever else takes that shape. */
import type { Scorer } from "autoevals";
import { createScoring, withHealth } from "../scoring/scoring.ts";
import type { Health, Referee, ScoringSettings, ScoringTask } from "../scoring/types.ts";

/** What a host hands over. */
export interface AutoevalsArgs<Input, Output> {
  readonly input: Input;
  readonly output: Output;
  readonly expected?: Output | undefined;
}

/** Options of the scorer. Hosts expect 0 to 1 and do not check it, so the range is fixed. */
export type AutoevalsOptions<Input, Output> = Referee &
  Omit<ScoringSettings, "range"> & {
    /** `R1Reward` unless told otherwise. */
    readonly name?: string | undefined;
    /** What the judge sees. Left out: input, output and expected, which must be texts then. */
    readonly read?: ((args: AutoevalsArgs<Input, Output>) => ScoringTask) | undefined;
  };

const asTexts = ({ input, output, expected }: AutoevalsArgs<unknown, unknown>): ScoringTask => ({
  question: input as string, // checked by the scoring, with the error that names it
  response: output as string,
  reference: (expected ?? undefined) as string | undefined,
});

/**
 * A scorer: 0 when the judge prefers the expected answer, ½ when it cannot decide, 1 when it prefers the output.
 *
 * `onError: "abstain"` gives the score `null`, which Braintrust leaves out of its mean and evalite counts as 0. The
 * metadata hold the critique, and the failure where there was one.
 */
export const autoevalsScorer = <Input = string, Output = string>(
  options: AutoevalsOptions<Input, Output>,
): Scorer<Output, { input: Input }> & Health => {
  const { name = "R1Reward", read = asTexts } = options;
  const scoring = createScoring({ name, abstains: true }, { ...options, range: [0, 1] });
  const scorer: Scorer<Output, { input: Input }> = async (args) => {
    const { score, critique, failure } = await scoring.score(() => read(args));
    const metadata = { critique, ...(failure === null ? {} : { failure: failure.kind, why: failure.message }) };
    return { name, score, metadata };
  };
  // Braintrust lists scorers by their function's name.
  return withHealth(Object.defineProperty(scorer, "name", { value: name }), scoring);
};
