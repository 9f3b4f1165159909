/**
 * The paper's pipeline as values and functions: pairs → promptsOf / examplesOf → runSft → runRl → evaluatePolicy → model.save.
 * Nothing here reads a file or a flag: where things are kept and what is told to whom are arguments. Shapes only.
 */
import type {
  CallOptions,
  DatasetLocation,
  EvalReport,
  GroupRewardFunction,
  Interval,
  JudgeProtocol,
  Message,
  Preference,
  Reward,
  RewardFunction,
  Winner,
} from "@r1reward/core";
import type { Recipe, RunSettings } from "../algorithm/index.ts";
import type { CheckpointStore } from "../checkpoint/index.ts";
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Params, TrainingPrompt } from "../policy/index.ts";
import type { Alarm } from "../train/monitor.ts";
import type { SftSettings, TrainingReport, TrainSftOptions, TrainStableReinforceOptions } from "../train/types.ts";
import type { WatchOptions } from "../train/watch.ts";
import type { PipelineModel } from "./pipeline-model.ts";
export type { PipelineModel, SaveModelOptions } from "./pipeline-model.ts";

/** A pair with the human's choice. */
export type LabelledPair = Preference & { readonly human: Winner };

/** Pairs to learn from or to be measured on. */
export interface PairData {
  /** What reports call it. */
  readonly name: string;
  readonly pairs: readonly LabelledPair[];
  /**
   * What a good critique of a pair says when its responses are shown in this order; `null` where nobody wrote one. The cold
   * start learns from these.
   */
  readonly critique?: ((pair: LabelledPair, swapped: boolean) => string | null) | undefined;
  /** Rows that were left out, and why. */
  readonly skipped: readonly SkippedRow[];
  /** Where a pair stands in its source, for errors; its id by default. */
  readonly where?: ((pair: LabelledPair) => DatasetLocation | undefined) | undefined;
}

/** A row of the data that could not be used. */
export interface SkippedRow {
  /** Where it stands: `train.jsonl:17`, or the pair's id. */
  readonly where: string;
  readonly problem: string;
}

/** In which order the responses of pairs are shown while training. `balanced`: the better one is first in half of them. */
export type ShownOrder = "balanced" | "both" | "as-stored";

/** A supervised example before it is tokens. */
export interface CritiqueExample {
  readonly id: string;
  readonly prompt: readonly Message[];
  readonly reply: string;
}

/** Examples that are made when their turn comes. Arrays are one. */
export interface CritiqueSource {
  readonly length: number;
  /** The same example on every call. */
  readonly at: (index: number) => CritiqueExample | undefined;
}

/** Something happened in a stage. */
export type StageEvent =
  | {
      readonly kind: "step";
      readonly step: number;
      readonly report: TrainingReport;
      readonly alarms: readonly Alarm[];
      readonly action: "none" | "stopped" | "rolled-back";
    }
  | { readonly kind: "samples"; readonly step: number; readonly samples: readonly ReplySample[] }
  | { readonly kind: "evaluation"; readonly step: number; readonly evaluation: PolicyEvaluation }
  | { readonly kind: "saved"; readonly step: number; readonly name: string; readonly best: boolean }
  /** What was told of later steps does not count any more: the stage went back. */
  | { readonly kind: "rewound"; readonly step: number };

/** A reply to look at. */
export interface ReplySample {
  readonly step: number;
  readonly id: string;
  readonly truth: unknown;
  readonly text: string;
  readonly finishReason: string;
  readonly reward: Reward;
}

/** Where a stage's events go. */
export interface StageRecorder extends AsyncDisposable {
  /** Reports that are there already, when the stage goes on: what the monitor takes for usual. */
  readonly history: readonly TrainingReport[];
  readonly write: (event: StageEvent) => Promise<void>;
}

/** What every stage takes. */
export interface StageOptions extends CallOptions {
  /** Weights to begin with; the policy's own by default. */
  readonly weights?: Params<HostTensor> | undefined;
  /** Steps in all; by default as many as the passes over the data make. */
  readonly steps?: number | undefined;
  readonly seed?: number | undefined;
  /** Where checkpoints are kept. */
  readonly store: CheckpointStore;
  /** Where the weights that measured best are kept; needs `evaluation`. */
  readonly best?: CheckpointStore | undefined;
  /** Go on from the store's latest checkpoint, when there is one. Default true. */
  readonly resume?: boolean | undefined;
  /** Steps between checkpoints; 25 by default, as released. The last step is always saved. */
  readonly saveEvery?: number | undefined;
  /** Checkpoints that are kept; 2 by default. */
  readonly keep?: number | undefined;
  /** What is done about alarms: `stop` by default. */
  readonly watch?: WatchOptions | undefined;
  /** Measures the policy at step 0, every so many steps, and at the end. */
  readonly evaluation?: StageEvaluation | undefined;
  /** Opens the recorder. `after` is the step that the stage goes on from: what was written of later steps is to be dropped; −1 at a new start. */
  readonly record?: ((after: number) => Promise<StageRecorder>) | undefined;
  /** When it fires, the step under way is finished and saved, and the stage ends as `interrupted`. `signal` drops everything at once. */
  readonly stop?: AbortSignal | undefined;
}

/** When and how a stage is measured. */
export interface StageEvaluation {
  /** Steps between measurements. */
  readonly every: number;
  readonly run: (params: Params<EngineTensor>, options: CallOptions) => Promise<PolicyEvaluation>;
}

/** How a stage came out. */
export interface StageResult {
  /** `finished`: all steps; `interrupted`: by `stop`, can go on; `stopped`: by an alarm. */
  readonly status: "finished" | "interrupted" | "stopped";
  readonly step: number;
  readonly steps: number;
  /** Of the last step. */
  readonly weights: Params<HostTensor>;
  /** The last measurement, and the best with its step. */
  readonly evaluation: PolicyEvaluation | null;
  readonly best: { readonly step: number; readonly accuracy: number } | null;
  /** Those of the last step. */
  readonly alarms: readonly Alarm[];
  /** The step the stage went on from; `null` when it began anew. */
  readonly resumedAt: number | null;
}

/** The cold start (paper, section 4.1). */
export interface SftStage<Truth = Winner>
  extends StageOptions, Pick<TrainSftOptions<Truth>, "microBatch" | "nonFinite"> {
  readonly model: PipelineModel<Truth>;
  readonly examples: CritiqueSource;
  readonly run?: SftSettings | undefined;
}

/** What a stage of reinforcement learning hands on to `trainStableReinforce` as it is. */
export type RlPassedOn =
  "microBatch" | "nonFinite" | "oldLogp" | "dynamicSampling" | "rewardConcurrency" | "onRewardError";

/** Reinforcement learning (paper, section 3). */
export interface RlStage<Truth = Winner> extends StageOptions, Pick<TrainStableReinforceOptions<Truth>, RlPassedOn> {
  readonly model: PipelineModel<Truth>;
  readonly prompts: readonly TrainingPrompt<Truth>[];
  readonly reward: RewardFunction<Truth> | GroupRewardFunction<Truth>;
  readonly recipe?: Recipe | undefined;
  readonly run?: Partial<RunSettings> | undefined;
  /** π_ref; by default the weights to begin with, when the recipe's KL coefficient is not 0. */
  readonly reference?: Params<HostTensor> | undefined;
  /** Replies that are kept of every step for people to read; 2 by default. */
  readonly samplesKept?: number | undefined;
}

/** How a policy is measured. */
export interface EvaluatePolicyOptions extends CallOptions {
  readonly model: Pick<PipelineModel, "policy">;
  /** The policy's fresh weights by default. */
  readonly weights?: Params<EngineTensor> | Params<HostTensor> | undefined;
  readonly pairs: readonly LabelledPair[];
  /** `r1Protocol` by default. */
  readonly protocol?: JudgeProtocol | undefined;
  /** Longest critique; 1024 by default. */
  readonly maxTokens?: number | undefined;
  /** 0 by default: the likeliest token. */
  readonly temperature?: number | undefined;
  readonly seed?: number | undefined;
  /** Critiques per pair and order; 1 by default. */
  readonly votes?: number | undefined;
  /** Requests that are sampled together; 64 by default. */
  readonly batch?: number | undefined;
}

/** A policy, measured as a judge in both orders. */
export interface PolicyEvaluation {
  /** Pairs. */
  readonly n: number;
  /** Right in the joint decision of both orders; ties and unreadable replies are wrong. */
  readonly accuracy: number | null;
  readonly interval95: Interval | null;
  /** What a single critique scores. */
  readonly averageAccuracy: number | null;
  /** Share of pairs whose two orders agree. */
  readonly consistency: number | null;
  /** Share of readable critiques that name the response shown first: 0.5 is unbiased. */
  readonly firstRate: number | null;
  /** Share of critiques whose verdict could not be read. */
  readonly unreadable: number;
  /** Share of critiques in the exact form. */
  readonly format: number;
  /** Mean tokens of a critique. */
  readonly length: number | null;
  readonly seconds: number;
  /** The whole report of core's `evaluate`. */
  readonly report: EvalReport;
}
