/** A policy measured as a judge: every pair in both orders, sampled together, judged by core's own `evaluate`. */
import {
  ConfigError,
  customBenchmark,
  evaluate,
  hasR1Format,
  r1Protocol,
  swapPair,
  swapVerdict,
  throwIfAborted,
  type EvalReport,
  type JudgeProtocol,
  type Judgment,
  type PairwiseJudge,
  type Preference,
  type Winner,
} from "@r1reward/core";
import { isEngineTensor, type EngineTensor, type HostTensor } from "../engine/tensor.ts";
import type { Params, Policy, Sampled, SampleRequest } from "../policy/index.ts";
import { sequenceSeed } from "../sample/index.ts";
import { place } from "./place.ts";
import { meanOrNull } from "../train/measure.ts";
import type { EvaluatePolicyOptions, LabelledPair, PolicyEvaluation } from "./types.ts";

/** One order of one pair. */
interface Showing {
  readonly pair: LabelledPair;
  readonly swapped: boolean;
  readonly request: SampleRequest<Winner>;
}

/** What was written about it. */
interface Written extends Showing {
  readonly sampled: Sampled<Winner>;
  readonly latencyMs: number;
}

const showingsOf = ({ pairs, protocol = r1Protocol, seed = 0, votes = 1 }: EvaluatePolicyOptions): readonly Showing[] =>
  pairs.flatMap((pair, n) =>
    [false, true].map((swapped): Showing => {
      const shown = (swapped ? swapPair(pair) : pair) as LabelledPair;
      const id = `${pair.id}/${swapped ? "swapped" : "stored"}`;
      const prompt = { id, prompt: protocol.prompt(shown), truth: shown.human };
      const seeds = Array.from({ length: votes }, (_, k) => sequenceSeed(seed, 11, n, Number(swapped), k));
      return { pair, swapped, request: { prompt, group: id, seeds } };
    }),
  );

const sampleBatch = async (
  policy: Policy<Winner>,
  params: Params<EngineTensor>,
  showings: readonly Showing[],
  options: EvaluatePolicyOptions,
): Promise<Written[]> => {
  const began = performance.now();
  const { temperature = 0, maxTokens = 1024, signal } = options;
  const requests = showings.map(({ request }) => request);
  const written: Written[] = [];
  for await (const sampled of policy.sample(params, requests, { temperature, maxTokens, signal })) {
    const showing = showings[sampled.place[0]] as Showing;
    written.push({ ...showing, sampled, latencyMs: performance.now() - began });
  }
  const wanted = requests.reduce((sum, { seeds }) => sum + seeds.length, 0);
  if (written.length !== wanted)
    throw new ConfigError(`policy sample: expected ${wanted} replies, got ${written.length}`);
  return written.sort((a, b) => a.sampled.place[0] - b.sampled.place[0] || a.sampled.place[1] - b.sampled.place[1]);
};

const judgmentOf = ({ swapped, sampled, latencyMs }: Written, protocol: JudgeProtocol): Judgment => {
  const { verdict, reasoning } = protocol.parse({ text: sampled.text, finishReason: sampled.finishReason });
  return {
    verdict: swapped ? swapVerdict(verdict) : verdict,
    reasoning,
    text: sampled.text,
    swapped,
    usage: { promptTokens: sampled.promptTokens.length, completionTokens: sampled.tokens.length },
    latencyMs,
    cached: false,
    warnings: [],
  };
};

/** A judge that has judged already. */
const recallJudge = (name: string, judgments: ReadonlyMap<Preference, readonly Judgment[]>): PairwiseJudge => ({
  name,
  judge: (pair, { swapped = false, sample = 0 } = {}) => {
    const found = judgments.get(pair)?.filter((judgment) => judgment.swapped === swapped)[sample];
    if (found === undefined) throw new ConfigError(`pair ${pair.id}: expected a critique, none was sampled`);
    return Promise.resolve(found);
  },
});

const summaryOf = (report: EvalReport, written: readonly Written[], seconds: number): PolicyEvaluation => {
  const share = (test: (one: Written) => boolean): number => written.filter(test).length / Math.max(1, written.length);
  const unreadable = Object.values(report.unreadableReasons).reduce((sum, n) => sum + n, 0);
  return {
    n: report.n,
    accuracy: report.overall.accuracy,
    interval95: report.overall.interval95,
    averageAccuracy: report.averageAccuracy,
    consistency: report.consistency.rate,
    firstRate: report.positionBias.firstRate,
    unreadable: unreadable / Math.max(1, report.judgments),
    format: share(({ sampled }) => hasR1Format(sampled.text)),
    length: meanOrNull(written.map(({ sampled }) => sampled.tokens.length)),
    seconds,
    report,
  };
};

const isHeld = (weights: Params<EngineTensor> | Params<HostTensor>): weights is Params<EngineTensor> =>
  Object.values(weights).every(isEngineTensor);

const checkOptions = ({ pairs, votes = 1, temperature = 0, batch = 64 }: EvaluatePolicyOptions): void => {
  if (pairs.length === 0) throw new ConfigError("evaluatePolicy: expected at least one pair, got none");
  if (!(votes >= 1 && batch >= 1)) throw new ConfigError("evaluatePolicy: expected votes and batch from 1");
  if (votes > 1 && !(temperature > 0))
    throw new ConfigError("evaluatePolicy: several votes need a temperature above 0, at 0 all are the same");
};

/**
 * Measures a policy as a judge. A pair is right when the joint decision of both orders names the human's choice.
 *
 * @throws ConfigError on settings that cannot be, what sampling throws, AbortError
 */
export const evaluatePolicy = async (options: EvaluatePolicyOptions): Promise<PolicyEvaluation> => {
  checkOptions(options);
  const { protocol = r1Protocol, batch = 64, votes = 1, seed = 0, signal } = options;
  const { policy } = options.model;
  const began = performance.now();
  const given = options.weights ?? policy.parameters();
  const held = isHeld(given);
  const params = held ? given : place(policy.engine, given);
  const written: Written[] = [];
  try {
    const showings = showingsOf(options);
    for (let at = 0; at < showings.length; at += batch) {
      throwIfAborted(signal);
      written.push(...(await sampleBatch(policy, params, showings.slice(at, at + batch), options)));
    }
  } finally {
    if (!held) policy.engine.dispose(params);
  }
  const judgments = new Map<Preference, Judgment[]>();
  for (const one of written) judgments.set(one.pair, [...(judgments.get(one.pair) ?? []), judgmentOf(one, protocol)]);
  const judge = recallJudge(`${protocol.name}@${policy.name}`, judgments);
  const benchmark = customBenchmark("held out");
  const report = await evaluate(benchmark, judge, options.pairs, { votes: 2 * votes, orders: "both", seed, signal });
  return summaryOf(report, written, (performance.now() - began) / 1000);
};
