/** What training reports and what it can be resumed from. Shapes only. */
import type {
  Awaitable,
  CallOptions,
  GroupRewardFunction,
  JsonValue,
  Reward,
  RewardFunction,
  RewardResult,
  R1Error,
  Sample,
} from "@r1reward/core";
import type { Recipe, Rollout, RunSettings } from "../algorithm/index.ts";
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Params, Policy, Sampled, TokenRow, TrainingPrompt } from "../policy/index.ts";

/** Everything that decides how training goes on: tensors and a JSON value. What checkpoints keep. */
export interface Snapshot {
  /** Steps that were finished. */
  readonly step: number;
  readonly weights: Params<HostTensor>;
  /** Moments and step count of AdamW by name: `m.…`, `v.…`, `step`. */
  readonly optimiser: Params<HostTensor>;
  /** Seed, data position, KL coefficient and what the run must agree with. */
  readonly state: Readonly<Record<string, JsonValue>>;
}

/** What is measured in every kind of training. `null` means there was nothing to measure. */
export interface CommonReport {
  readonly step: number;
  /** Optimiser steps made since training began. */
  readonly updates: number;
  /** Mean over this step's updates. */
  readonly loss: number | null;
  /** Of each of this step's updates, in order. */
  readonly losses: readonly number[];
  /** Largest global gradient norm of this step's updates, before clipping. */
  readonly gradNorm: number | null;
  /** Updates that were left out because loss or gradient was NaN or infinite. */
  readonly skippedUpdates: number;
  /** Updates whose loss or gradient was NaN or infinite, and numbers of the batch that were. */
  readonly nanCount: number;
  readonly learningRate: number;
  /** Tokens learnt from. */
  readonly tokens: number;
  /** Tokens learnt from over the seconds of the whole step. */
  readonly tokensPerSecond: number;
  /** Resident memory of the process in bytes; `null` where it cannot be told. */
  readonly memory: number | null;
  /** The whole step. */
  readonly seconds: number;
}

/** One step of supervised training. */
export interface SftReport extends CommonReport {
  readonly kind: "sft";
  readonly epoch: number;
}

/** Mean, deviation and extremes of what was measured; `null` of nothing. */
export interface Spread {
  readonly mean: number | null;
  readonly std: number | null;
  readonly min: number | null;
  readonly max: number | null;
}

/** One rollout batch of reinforcement learning, and the updates made with it. */
export interface StepReport extends CommonReport {
  readonly kind: "rl";
  /** Passes over the prompts that were begun, as a fraction. */
  readonly episode: number;
  /** Rollouts that had a reward. */
  readonly rollouts: number;
  /** Rollouts left out because their reward was `null`. */
  readonly dropped: number;
  /** Rollouts that dynamic sampling left out, since all rewards of their group were equal. */
  readonly uninformative: number;
  /** Times that prompts were sampled from: 1 without dynamic sampling. */
  readonly rounds: number;
  readonly reward: Spread;
  /** Mean of each part over the rollouts that have it. */
  readonly rewardParts: Readonly<Record<string, number | null>>;
  /** Mean over tokens of log π_old − log π_ref, nats; `null` without a reference. */
  readonly kl: number | null;
  /** β of KL in the reward in this step. */
  readonly klCoef: number;
  /** Mean over tokens of log π_old − log π_θ as the updates saw it, nats: how far they have gone from the rollouts. */
  readonly klOld: number | null;
  /** Mean of −log π_old over the sampled tokens, nats: an unbiased estimate at temperature 1. */
  readonly entropy: number | null;
  readonly ratioMin: number | null;
  readonly ratioMax: number | null;
  /** Largest |log π_θ − log π_old|, nats. */
  readonly logRatioMax: number | null;
  /** Share of tokens outside the Pre-CLIP bounds. */
  readonly preClipped: number | null;
  /** Share of tokens that the surrogate clipped. */
  readonly clipped: number | null;
  /** Share of tokens whose advantage the filter set to 0. */
  readonly filtered: number | null;
  /** Share of tokens that got no policy gradient because others had more entropy; `null` without `entropyShare` in the recipe. */
  readonly lowEntropy: number | null;
  /** Share of groups of two and more whose rewards are all equal; of the whole batch where there are no such groups. */
  readonly zeroSpread: number | null;
  /** Tokens of a reply. */
  readonly length: Spread;
  /** Share of replies that were cut at the longest length. */
  readonly lengthAtCap: number | null;
  /** Mean share of a reply's token 3-grams that occurred in it before. */
  readonly repetition: number | null;
  /** Largest |log-probability of the sampler − of the trainer|, nats: numerics, or a bug; `null` when the sampler's are used for both. */
  readonly samplerGap: number | null;
  /**
   * Mean of log-probability of the sampler − of the trainer over the tokens that the sampler told of, nats: how far away the program
   * that sampled is, in weights or numerics. `null` as `samplerGap`.
   */
  readonly samplerKl: number | null;
  /** Sampling and rewards, which overlap. */
  readonly sampleSeconds: number;
  /** Log-probabilities, advantages and updates. */
  readonly updateSeconds: number;
}

/** A report of either kind: what sinks take. */
export type TrainingReport = SftReport | StepReport;

/** A rollout with its reward; `logpOld` is the trainer's. */
export interface RatedRollout<Truth = unknown> extends Rollout<Truth> {
  readonly reward: Reward;
}

/** What a generator yields: a report, and the way to what it is about. */
export type Yielded<R extends TrainingReport> = R & {
  /** Copies the whole state. Only before the generator is asked for the next step. @throws ConfigError later */
  readonly snapshot: () => Promise<Snapshot>;
  /** The weights where they are, uncopied: to sample with. Only before the generator is asked for the next step. @throws ConfigError later */
  readonly params: () => Params<EngineTensor>;
};

/** A step of reinforcement learning. */
export type TrainingStep<Truth = unknown> = Yielded<StepReport> & { readonly samples: readonly RatedRollout<Truth>[] };

/** What both kinds of training take. */
export interface TrainingBase<Truth> extends CallOptions {
  readonly policy: Policy<Truth>;
  /** Weights to begin with; the policy's fresh ones by default. */
  readonly weights?: Params<HostTensor> | undefined;
  /** Decides order, minibatches and samples; 42 by default, as released. */
  readonly seed?: number | undefined;
  /** Steps in all, those before a resumption included. Default: as many as the passes over the data make. */
  readonly steps?: number | undefined;
  /** Goes on from here. The run must be the one that the snapshot was made in. */
  readonly from?: Snapshot | undefined;
  /**
   * What happens to an update whose loss or gradient is NaN or infinite. `skip` (the default) leaves the weights as they are and
   * counts it; `apply` does what an unguarded optimiser does.
   */
  readonly nonFinite?: "skip" | "apply" | undefined;
  /**
   * Rows in a graph at a time; by default all of a minibatch. Gradients are summed over its parts, each weighed as in the whole: the
   * same update but for rounding, with less memory.
   */
  readonly microBatch?: number | undefined;
}

/** Sampling again where rewards do not differ (DAPO, arXiv 2503.14476, section 3.2). */
export interface DynamicSamplingOptions {
  /** Most times that `rolloutBatch` prompts are sampled from in a step. A batch that is not full by then is learnt from as it is. */
  readonly maxRounds: number;
  /** Rewards of a group that differ by no more than this are equal; 0 by default. */
  readonly tolerance?: number | undefined;
}

/** Reinforcement learning. */
export interface TrainStableReinforceOptions<Truth = unknown> extends TrainingBase<Truth> {
  readonly prompts: readonly TrainingPrompt<Truth>[];
  /** Runs while other replies are still being sampled. */
  readonly reward: RewardFunction<Truth> | GroupRewardFunction<Truth>;
  /** `presets.paper` by default. */
  readonly recipe?: Recipe | undefined;
  /** Settings that differ from the recipe's. */
  readonly run?: Partial<RunSettings> | undefined;
  /** π_ref. Needed where KL is in the loss; by default the weights to begin with, when the recipe's KL coefficient is not 0. */
  readonly reference?: Params<HostTensor> | undefined;
  /**
   * Where log π_old comes from.
   *
   * - `first-update` (the default): rows of the first update of a step from that update's own forward pass, since its weights are
   *   still those that sampled: ρ is 1 there, exactly. All others from a forward pass before. With KL in the reward, as `forward`.
   * - `forward`: all from a forward pass before the updates. For estimators of your own that read `logpOld`.
   * - `sampler`: what the program that sampled said. Spares the pass, and takes the sampler's numerics for the policy's.
   */
  readonly oldLogp?: "first-update" | "forward" | "sampler" | undefined;
  /** Leave out groups whose rewards are all equal, and sample more prompts in their place. */
  readonly dynamicSampling?: DynamicSamplingOptions | undefined;
  /** A critic of yours, for GAE: the value of every token of every rollout, `[N][T_n]`. */
  readonly values?:
    | ((rollouts: readonly Sampled<Truth>[], options: CallOptions) => Awaitable<readonly ArrayLike<number>[]>)
    | undefined;
  /** Rewards asked for at once; 16 by default. */
  readonly rewardConcurrency?: number | undefined;
  /** Names the reward of a sample whose scoring failed; left out, the first failure ends the training. */
  readonly onRewardError?: ((error: R1Error, sample: Sample<Truth>) => RewardResult) | undefined;
}

/** Settings of supervised training. */
export interface SftSettings {
  /** 1e-5 by default, as in the paper (section 4.1). */
  readonly learningRate?: number | undefined;
  /** 1 by default. */
  readonly epochs?: number | undefined;
  /** Examples per update; 256 by default. */
  readonly batch?: number | undefined;
  /**
   * Batches whose rows are made ready and sorted by length together, so that less is padded; 1 by default, which sorts nothing. Rows
   * of so many batches are in memory at a time, and rows of one update are then more alike than by chance.
   */
  readonly groupByLength?: number | undefined;
  readonly adam?: Partial<RunSettings["adam"]> | undefined;
  /** 1 by default. */
  readonly maxGradNorm?: number | undefined;
  /** Share of all steps spent warming up; 0.03 by default. */
  readonly warmup?: number | undefined;
  /** Last learning rate of the cosine as a share of the first; 0.1 by default. */
  readonly finalLearningRate?: number | undefined;
}

/** Examples that are made when their turn comes: pictures of thousands of rows need not be in memory together. */
export interface ExampleSource {
  readonly length: number;
  /** The same row on every call. */
  readonly at: (index: number) => Awaitable<TokenRow>;
}

/** Supervised training: the policy learns to write the replies. */
export interface TrainSftOptions<Truth = unknown> extends TrainingBase<Truth> {
  readonly examples: readonly TokenRow[] | ExampleSource;
  readonly run?: SftSettings | undefined;
}
