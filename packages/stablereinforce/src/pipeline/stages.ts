/** The two stages of the paper: the cold start, and reinforcement learning. */
import type { CritiqueExample, ReplySample, RlStage, SftStage, StageResult } from "./types.ts";
import { ConfigError } from "@r1reward/core";
import { presets } from "../algorithm/index.ts";
import { trainSft } from "../train/sft.ts";
import { trainStableReinforce } from "../train/train.ts";
import type { TrainingStep } from "../train/types.ts";
import { cachedRows } from "./rows.ts";
import { runStage } from "./stage.ts";

/** Steps that a cold start makes: whole passes over the examples. */
export const sftSteps = (
  examples: number,
  { epochs = 1, batch = 256 }: Pick<NonNullable<SftStage["run"]>, "epochs" | "batch"> = {},
): number => Math.max(1, Math.ceil((epochs * examples) / batch));

/** Steps that reinforcement learning makes: whole rollout batches in so many passes over the prompts. */
export const rlSteps = (
  prompts: number,
  { episodes = 5, rolloutBatch = 256 }: Partial<Pick<NonNullable<RlStage["run"]>, "episodes" | "rolloutBatch">> = {},
): number => Math.max(1, Math.floor((episodes * prompts) / rolloutBatch));

/**
 * The cold start: the policy learns to write the critiques (paper, section 4.1).
 *
 * @throws ConfigError, CheckpointError, EngineError, AbortError
 */
export const runSft = async <Truth = unknown>(options: SftStage<Truth>): Promise<StageResult> => {
  const { model, examples, run, weights, microBatch, nonFinite, signal } = options;
  if (examples.length === 0) throw new ConfigError("examples: expected at least one, got none");
  const steps = options.steps ?? sftSteps(examples.length, run);
  const rows = cachedRows(examples.length, (i) => {
    const { prompt, reply } = examples.at(i) as CritiqueExample;
    return model.encode(prompt, reply);
  });
  return runStage({
    kind: "sft",
    options,
    policy: model.policy,
    steps,
    start: ({ from, seed }) =>
      trainSft<Truth>({
        ...{ policy: model.policy, examples: rows, run, steps, seed, weights, from, signal },
        ...{ microBatch, nonFinite },
      }),
    samplesOf: () => [],
  });
};

/** Some replies of a step: those of the best and the worst reward first. */
const samplesOf = <Truth>({ step, samples }: TrainingStep<Truth>, count: number): readonly ReplySample[] => {
  const sorted = [...samples].sort((a, b) => (b.reward.value as number) - (a.reward.value as number));
  const ends = sorted.map((_, i) => sorted[i % 2 === 0 ? i / 2 : sorted.length - 1 - (i - 1) / 2]);
  return ends.slice(0, count).flatMap((sample) =>
    sample === undefined
      ? []
      : [
          {
            step,
            id: sample.id,
            truth: sample.truth,
            text: sample.text,
            finishReason: sample.finishReason,
            reward: sample.reward,
          },
        ],
  );
};

/**
 * Reinforcement learning with StableReinforce, or whatever the recipe says (paper, section 3).
 *
 * @throws ConfigError, CheckpointError, RewardError, NumericError, EngineError, AbortError
 */
export const runRl = async <Truth = unknown>(options: RlStage<Truth>): Promise<StageResult> => {
  const { model, prompts, reward, recipe = presets.paper, weights, reference, signal, samplesKept = 2 } = options;
  const run = { ...recipe.run, ...options.run };
  const steps = options.steps ?? rlSteps(prompts.length, run);
  const { rewardConcurrency, onRewardError, microBatch, nonFinite, oldLogp, dynamicSampling } = options;
  const passedOn = { rewardConcurrency, onRewardError, microBatch, nonFinite, oldLogp, dynamicSampling };
  const fixed = { policy: model.policy, prompts, reward, recipe, run, steps, weights, reference, signal };
  return runStage({
    kind: "rl",
    options,
    policy: model.policy,
    steps,
    start: ({ from, seed }) => trainStableReinforce<Truth>({ ...fixed, ...passedOn, seed, from }),
    samplesOf: (report) => samplesOf(report, samplesKept),
  });
};
