/** `@r1reward/adapters/ax`: metrics, rewards and feedback for `@ax-llm/ax` (AxGEPA, bootstrap, bestOfN, refine). */
import type { AxGEPAAdapter, AxGenOut, AxMetricFn, AxMultiMetricFn, AxRewardFn } from "@ax-llm/ax";
import { RewardError, type Part } from "@r1reward/core";
import { runningChampion } from "../scoring/champion.ts";
import { createGepa, type GepaOptions, type GepaTrajectory } from "../scoring/gepa.ts";
import { imageOfBase64 } from "../scoring/question.ts";
import { createScoring, numberOf, withHealth } from "../scoring/scoring.ts";
import type { Health, OnErrorNumeric, Scored, ScoringOptions, ScoringTask } from "../scoring/types.ts";

/** Values by field name. */
export type AxFields = Readonly<Record<string, unknown>>;

/** What the judge sees: of the prediction, and of the example (metrics) or the input (rewards). */
export type AxRead = (args: { readonly prediction: AxFields; readonly example: AxFields }) => ScoringTask;

/** Options of the metrics and of the reward. */
export type AxOptions = ScoringOptions<OnErrorNumeric> & { readonly read: AxRead };

/** What a metric remembers for `axFeedback`. */
export interface AxCritiques extends Health {
  /** What was said about a prediction that was scored; `undefined` for any other. */
  critiqueOf(prediction: unknown): string | undefined;
}

/** Fields of a signature. */
export interface AxFieldNames {
  readonly question: string;
  readonly answer: string;
  /** Fields of type `image`. */
  readonly images?: readonly string[] | undefined;
  /** The field of the example with the known answer; the one named like the answer unless told otherwise. */
  readonly reference?: string | undefined;
}

const isImage = (value: unknown): value is { mimeType: string; data: string } =>
  typeof value === "object" && value !== null && "mimeType" in value && "data" in value;

const imagesOf = (field: string, value: unknown): readonly Part[] =>
  (Array.isArray(value) ? value : [value]).map((one: unknown) => {
    if (isImage(one)) return imageOfBase64(one.mimeType, one.data);
    throw new RewardError("ax", undefined, `field ${field}: expected an image of mimeType and data, got ${typeof one}`);
  });

/** Reads a task from fields by their names. */
export const axFields = ({ question, answer, images = [], reference = answer }: AxFieldNames): AxRead => {
  const text = (value: unknown) => value as string | undefined;
  return ({ prediction, example }) => {
    const asked = example[question];
    if (typeof asked !== "string") {
      throw new RewardError("ax", undefined, `field ${question}: expected text, got ${typeof asked}`);
    }
    const pictures = images.flatMap((field) => (example[field] === undefined ? [] : imagesOf(field, example[field])));
    return {
      question: [...pictures, { type: "text", text: asked }],
      response: text(prediction[answer])!, // checked by the scoring, with the error that names it
      reference: text(example[reference] ?? undefined),
    };
  };
};

const createMetric = (name: string, options: AxOptions) => {
  const scoring = createScoring({ name, abstains: false }, options);
  const critiques = new WeakMap<object, string>();
  const score = async ({ prediction, example }: { prediction: unknown; example: AxFields }): Promise<number> => {
    const scored: Scored = await scoring.score(() => options.read({ prediction: prediction as AxFields, example }));
    if (typeof prediction === "object" && prediction !== null) critiques.set(prediction, scored.critique);
    return numberOf(scored);
  };
  const critiqueOf = (prediction: unknown) => critiques.get(prediction as object);
  return { scoring, score, critiqueOf };
};

/** A metric for `optimize`, `AxGEPA` and `AxBootstrapFewShot`: against the example's own answer unless told otherwise. */
export const axMetric = (options: AxOptions): AxMetricFn & AxCritiques => {
  const { scoring, score, critiqueOf } = createMetric("ax metric", options);
  const metric: AxMetricFn = (args) => score(args);
  return withHealth(Object.assign(metric, { critiqueOf }), scoring);
};

/** Objectives besides the judge's, e.g. brevity. */
export type AxObjectives = (args: {
  readonly prediction: AxFields;
  readonly example: AxFields;
}) => Record<string, number>;

/** A metric with several objectives, of which one, `r1reward` unless told otherwise, is the judge's. */
export const axMultiMetric = (
  options: AxOptions & { readonly objective?: string | undefined; readonly also?: AxObjectives | undefined },
): AxMultiMetricFn & AxCritiques => {
  const { objective = "r1reward", also } = options;
  const { scoring, score, critiqueOf } = createMetric("ax multi-metric", options);
  const metric: AxMultiMetricFn = async (args) => {
    const others = also?.({ prediction: args.prediction as AxFields, example: args.example });
    return { ...others, [objective]: await score(args) };
  };
  return withHealth(Object.assign(metric, { critiqueOf }), scoring);
};

/**
 * A reward for `bestOfN` and `refine`. Attempts come one by one and without a reference, so each meets the best one so far
 * (`runningChampion`) unless told otherwise; the highest reward is then always the latest champion's.
 */
export const axReward = <IN, OUT extends AxGenOut>(options: AxOptions): AxRewardFn<IN, OUT> & Health => {
  const host = { name: "ax reward", scalarise: runningChampion(), abstains: false };
  const scoring = createScoring(host, options);
  const reward: AxRewardFn<IN, OUT> = async ({ prediction, input }) =>
    numberOf(await scoring.score(() => options.read({ prediction, example: input as AxFields })));
  return withHealth(reward, scoring);
};

/** `feedbackFn` for `compile` and `optimize`: what the judge wrote about the prediction goes into the reflection prompt. */
export const axFeedback =
  (metric: Pick<AxCritiques, "critiqueOf">) =>
  ({ prediction }: Readonly<{ prediction: unknown }>): string | undefined =>
    metric.critiqueOf(prediction) || undefined;

/** A `gepaAdapter`: whole batches, so that `withinGroup()` is possible too, with critiques as feedback. */
export const axGepaAdapter = <Datum, Output>(
  options: GepaOptions<Datum, Output>,
): AxGEPAAdapter<Datum, GepaTrajectory<Datum, Output>, Output | null> & Health => {
  const gepa = createGepa({ name: "ax GEPA adapter", abstains: false }, options);
  return {
    stats: gepa.stats,
    assertHealthy: gepa.assertHealthy,
    evaluate: gepa.evaluate,
    make_reflective_dataset: (_candidate, { trajectories }, components) => gepa.reflect(trajectories, components),
  };
};
