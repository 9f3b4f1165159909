/** Best of n as a middleware: the policy is sampled n times and the judge picks. */
import { ConfigError, RewardError, type Part } from "@r1reward/core";
import { withinGroup } from "../scoring/scalarise.ts";
import { createScoring, withHealth } from "../scoring/scoring.ts";
import type { Health, Scored, ScoringOptions } from "../scoring/types.ts";
import { questionOfPrompt } from "./question.ts";
import type { BestOfNMiddleware, Generated, GenerateParams, SpecificationVersion, WrapGenerate } from "./shapes.ts";

/** Options of the middleware. */
export type BestOfNOptions<V extends SpecificationVersion> = ScoringOptions & {
  /** `v3` for `ai` 6, `v4` for `ai` 7. */
  readonly specificationVersion: V;
  /** Replies to sample, 2 at least. With a seed they get the seed, the seed + 1, … */
  readonly n: number;
  /** What the judge sees as the question; the prompt without its system turns unless told otherwise. */
  readonly question?: ((params: GenerateParams) => readonly Part[]) | undefined;
};

type Call = Parameters<WrapGenerate>[0];

const sample = async ({ doGenerate, params, model }: Call, n: number): Promise<readonly Generated[]> => {
  const { seed } = params;
  const draw = (at: number) => (seed === undefined ? doGenerate() : model.doGenerate({ ...params, seed: seed + at }));
  const drawn = await Promise.allSettled(Array.from({ length: n }, async (_, at) => draw(at)));
  const replies = drawn.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  // All failed alike, so the first error goes back to the SDK, whose retries know what to do with it.
  if (replies.length === 0) throw (drawn[0] as PromiseRejectedResult).reason;
  return replies;
};

const textOf = ({ content }: Generated): string => {
  const other = content.find(({ type }) => type !== "text" && type !== "reasoning");
  if (other !== undefined) {
    throw new RewardError("best of n", undefined, `reply: expected text alone, got a part of type ${other.type}`);
  }
  return content.map(({ type, text }) => (type === "text" ? String(text) : "")).join("");
};

const sum = (counts: readonly unknown[]): unknown => {
  const numbers = counts.filter((count) => typeof count === "number");
  return numbers.length === 0 ? undefined : numbers.reduce((total, count) => total + count, 0);
};

/** Adds up token counts of the same shape, field by field; fields that are no numbers are the chosen reply's. */
const addUp = <T extends object>(chosen: T, all: readonly T[]): T =>
  Object.fromEntries(
    Object.entries(chosen).map(([key, value]: [string, unknown]) => {
      const others = all.map((one) => (one as Record<string, unknown>)[key]);
      if (typeof value === "number") return [key, sum(others)];
      return [key, value];
    }),
  ) as T;

const usageOf = (chosen: Generated, replies: readonly Generated[]): Generated["usage"] => ({
  ...chosen.usage,
  inputTokens: addUp(
    chosen.usage.inputTokens,
    replies.map(({ usage }) => usage.inputTokens),
  ),
  outputTokens: addUp(
    chosen.usage.outputTokens,
    replies.map(({ usage }) => usage.outputTokens),
  ),
});

/** The first of the best; the first of all when none could be judged. */
const best = (scored: readonly Scored[]): number =>
  scored.reduce((at, { score }, i) => ((score ?? -Infinity) > (scored[at]!.score ?? -Infinity) ? i : at), 0);

const metadataOf = (scored: readonly Scored[], chosen: number) => ({
  candidates: scored.length,
  chosen,
  judged: scored[chosen]!.failure === null,
  scores: scored.map(({ score }) => score),
  critique: scored[chosen]!.critique,
});

const checkN = (n: number): void => {
  if (!Number.isInteger(n) || n < 2)
    throw new ConfigError(`best of n: expected n to be a whole number from 2, got ${n}`);
};

/**
 * A middleware for `wrapLanguageModel`: samples n replies at once and gives back the one that the judge prefers
 * (`withinGroup()`), with the usage of all of them and `providerMetadata.r1reward` (scores, critique, whether it was judged).
 *
 * Sampling that fails is made up for by the other replies. Replies with tool calls cannot be judged; with
 * `onError: "abstain"` a reply that could not be judged loses to any that could, and the first one is taken when none could.
 * Streaming is refused, for there is nothing to stream before all replies are there.
 *
 * @throws {ConfigError} naming the option that cannot work.
 */
export const bestOfN = <V extends SpecificationVersion>(options: BestOfNOptions<V>): BestOfNMiddleware<V> & Health => {
  const { specificationVersion, n, question = ({ prompt }) => questionOfPrompt(prompt) } = options;
  checkN(n);
  const scoring = createScoring({ name: "best of n", scalarise: withinGroup(), abstains: true }, options);
  const wrap = async (call: Call): Promise<Generated> => {
    const replies = await sample(call, n);
    const { params } = call;
    const ask = () => question(params);
    const sources = replies.map((reply) => () => ({ question: ask(), response: textOf(reply), group: "candidates" }));
    const scored = await scoring.scoreAll(sources, { signal: params.abortSignal });
    const at = best(scored);
    const chosen = replies[at]!;
    const providerMetadata = { ...chosen.providerMetadata, r1reward: metadataOf(scored, at) };
    return { ...chosen, usage: usageOf(chosen, replies), providerMetadata };
  };
  const wrapStream = () =>
    Promise.reject<never>(new ConfigError("best of n: expected generateText, got a stream: nothing can be streamed"));
  return withHealth({ specificationVersion, wrapGenerate: wrap as WrapGenerate, wrapStream }, scoring);
};
