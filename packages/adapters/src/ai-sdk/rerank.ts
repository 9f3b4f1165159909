/** R1-Reward as a reranking model. */
import { withinGroup } from "../scoring/scalarise.ts";
import { imageOfUrl } from "../scoring/question.ts";
import { createScoring, withHealth } from "../scoring/scoring.ts";
import type { Health, ScoringOptions } from "../scoring/types.ts";
import type { RerankCall, Reranker, SpecificationVersion } from "./shapes.ts";

/** Options of the reranking model. */
export type RerankOptions<V extends SpecificationVersion> = ScoringOptions & {
  /** `v3` for `ai` 6, `v4` for `ai` 7. */
  readonly specificationVersion: V;
  /** What of a document that is an object the judge sees; its JSON unless told otherwise. */
  readonly text?: ((document: Readonly<Record<string, unknown>>) => string) | undefined;
};

const given = (call: RerankCall, key: string): unknown => call.providerOptions?.["r1reward"]?.[key];

const imagesOf = (call: RerankCall) => {
  const images = given(call, "images") ?? [];
  return (Array.isArray(images) ? images : [images]).map((image: unknown) => imageOfUrl(image as string));
};

/**
 * A reranking model for `rerank` of the AI SDK: documents are answers to the query, compared with each other
 * (`withinGroup()`), best first. The score is 0 to 1, and ½ for an answer that wins as often as it loses.
 *
 * The query is text; pictures go into `providerOptions: { r1reward: { images: [dataUri] } }`, a known answer for
 * `vsReference()` into `reference` next to them. A document that could not be judged is left out of the ranking with
 * `onError: "abstain"`.
 */
export const r1Reranker = <V extends SpecificationVersion>(options: RerankOptions<V>): Reranker<V> & Health => {
  const { specificationVersion, text = (document) => JSON.stringify(document) } = options;
  const scoring = createScoring({ name: "ai-sdk rerank", scalarise: withinGroup(), abstains: true }, options);
  const doRerank = async (call: RerankCall) => {
    const { documents, query, topN, abortSignal } = call;
    const answers = documents.type === "text" ? documents.values : documents.values.map(text);
    const sources = answers.map((response) => () => ({
      question: [...imagesOf(call), { type: "text" as const, text: query }],
      response,
      reference: given(call, "reference") as string | undefined,
      group: query,
    }));
    const all = await scoring.scoreAll(sources, { signal: abortSignal });
    const ranking = all.flatMap(({ score }, index) => (score === null ? [] : [{ index, relevanceScore: score }]));
    // The sort is stable: equal scores keep the order of the documents.
    return { ranking: ranking.sort((a, b) => b.relevanceScore - a.relevanceScore).slice(0, topN) };
  };
  const modelId = (options.judge ?? options.rewardModel).name;
  return withHealth({ specificationVersion, provider: "r1reward", modelId, doRerank }, scoring);
};
