/** The data of the algorithm: rollouts and their scores in doubles, tensors for the loss. Shapes only, no behaviour. */
import type { Scalar, Tensor2D } from "@tensorflow/tfjs-core";
import type { Sample } from "@r1reward/core";

/** A sampled reply as the trainer sees it. Any `RewardFunction` of core takes one as it is. */
export interface Rollout<Truth = unknown> extends Sample<Truth> {
  /** Rollouts of one prompt share it; what it says does not matter. */
  readonly group: string;
  /** `[P]` */
  readonly promptTokens: Int32Array;
  /** `[T]`, the stop token included. */
  readonly tokens: Int32Array;
  /** `[T]` log π_old(a_t|s_t) in nats at temperature 1, by the trainer's own forward pass. */
  readonly logpOld: Float32Array;
  /** `[T]` the same by the program that sampled, in nats: what rollout corrections compare `logpOld` with. */
  readonly logpRollout?: Float32Array | undefined;
  /** What the policy reads of the prompt beside its tokens: see `TokenRow`. */
  readonly media?: unknown;
}

/** What an advantage estimator needs of a rollout; a `Rollout` with a reward is one. */
export interface Scored {
  readonly group: string;
  /** A finite number: rollouts whose reward is `null` are left out (and counted) before. */
  readonly reward: number;
  /** The reward's parts, which GDPO normalises one by one; `null` means "cannot tell". */
  readonly parts?: Readonly<Record<string, number | null>> | undefined;
  /** `[T]` nats. Its length is the rollout's. */
  readonly logpOld: ArrayLike<number>;
  /** `[T]` log π_ref in nats: needed where KL is part of the reward. */
  readonly logpRef?: ArrayLike<number> | undefined;
  /** `[T]` a critic's values: needed by GAE. */
  readonly values?: ArrayLike<number> | undefined;
}

/** What changes from step to step. */
export interface EstimatorContext {
  /** β of KL in the reward, as the KL controller has it now; stands above the estimator's own option. */
  readonly klCoef?: number | undefined;
}

/** Token advantages `[N][T_n]` of a whole rollout batch, in doubles. */
export type AdvantageEstimator = (batch: readonly Scored[], context?: EstimatorContext) => readonly Float64Array[];

/** What is done to the advantages of a whole rollout batch, `[N][T_n]` → `[N][T_n]`. */
export type AdvantageTransform = (rows: readonly Float64Array[]) => readonly Float64Array[];

/** Sizes of the batch that a micro-batch is part of. Losses of micro-batches that are given it add up to the batch's. */
export interface BatchTotal {
  /** Sequences that have at least one token. */
  readonly sequences: Scalar;
  /** Tokens whose mask is 1. */
  readonly tokens: Scalar;
}

/** Everything `[B, T]`, float32; only `logp` and `entropy` carry gradient. Padding may hold anything, NaN included. */
export interface LossInputs {
  /** log π_θ(a_t|s_t), nats. */
  readonly logp: Tensor2D;
  /** log π_old(a_t|s_t), nats. */
  readonly logpOld: Tensor2D;
  /** log π_ref(a_t|s_t), nats: needed by KL in the loss. */
  readonly logpRef?: Tensor2D | undefined;
  /** By the program that sampled, nats: needed by rollout corrections. */
  readonly logpRollout?: Tensor2D | undefined;
  /** Entropy of π_θ(·|s_t), nats: needed by the entropy bonus. */
  readonly entropy?: Tensor2D | undefined;
  readonly advantage: Tensor2D;
  /** 1 for tokens the policy wrote, 0 for padding. */
  readonly mask: Tensor2D;
  /** Left out: these rows are the whole batch. */
  readonly total?: BatchTotal | undefined;
}

/**
 * What a loss tells beside its value; scalars without gradient. Shares are of unmasked tokens.
 *
 * | name | meaning |
 * |---|---|
 * | `tokens` | unmasked tokens |
 * | `nonFinite` | tokens with NaN or ±Inf in any input: left out of the loss, to be treated as an alarm |
 * | `preClipped` | share outside the Pre-CLIP bounds |
 * | `clipped` | share that the surrogate clipped |
 * | `zeroAdvantage` | share with advantage 0, filtered ones included |
 * | `ratioMin`, `ratioMax` | extremes of 1 and ρ after Pre-CLIP |
 * | `logRatioMax` | largest magnitude of log π_θ − log π_old, nats |
 * | `klOld` | mean of log π_old − log π_θ, nats |
 */
export type LossStats = Readonly<
  Record<
    | "tokens"
    | "nonFinite"
    | "preClipped"
    | "clipped"
    | "zeroAdvantage"
    | "ratioMin"
    | "ratioMax"
    | "logRatioMax"
    | "klOld",
    Scalar
  >
>;

/** A loss to be minimised. Runs eagerly and while tracing: it reads no data. */
export type Loss = (inputs: LossInputs) => { readonly loss: Scalar; readonly stats: LossStats };

/** β of the KL term over time. Stateless: the trainer holds the value. */
export interface KlController {
  readonly initial: number;
  /** β after a step that saw a mean KL of `current` nats over `samples` rollouts. */
  readonly next: (value: number, current: number, samples: number) => number;
}

/** Settings of a run that are no part of the equations. */
export interface RunSettings {
  readonly learningRate: number;
  /** Passes over the prompts. */
  readonly episodes: number;
  /** Prompts per rollout batch. */
  readonly rolloutBatch: number;
  readonly samplesPerPrompt: number;
  /** Rollouts per optimiser step. */
  readonly trainBatch: number;
  /** Passes over a rollout batch. */
  readonly passes: number;
  readonly adam: { readonly beta1: number; readonly beta2: number; readonly weightDecay: number };
  /** Largest global gradient norm. */
  readonly maxGradNorm: number;
  /** Share of all optimiser steps spent warming up. */
  readonly warmup: number;
  /** Last learning rate of the cosine, as a share of the first. */
  readonly finalLearningRate: number;
  readonly temperature: number;
  /** Longest reply. */
  readonly maxTokens: number;
}

/** An algorithm put together: rewards → returns → advantages → loss, and the settings it was published with. */
export interface Recipe {
  readonly name: string;
  readonly estimate: AdvantageEstimator;
  readonly normalise: AdvantageTransform;
  readonly loss: Loss;
  readonly klController: KlController;
  /**
   * Share of a rollout batch's tokens that get policy gradient: those with the highest entropy, from 0 (none) to 1; all tokens when left
   * out (arXiv 2506.01939; 0.2 there). The policy must give entropies.
   */
  readonly entropyShare?: number | undefined;
  readonly run: RunSettings;
}
