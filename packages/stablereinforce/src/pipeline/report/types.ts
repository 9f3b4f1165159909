/** What a report is made of: the files of a run, read. Shapes only. */
import type { Alarm } from "../../train/monitor.ts";
import type { TrainingReport } from "../../train/types.ts";
import type { PolicyEvaluation, ReplySample, SkippedRow } from "../types.ts";

/** A stage, as its folder tells it. */
export interface StageStory {
  /** `sft` or `rl`. */
  readonly stage: string;
  /** `finished`, `interrupted`, `stopped`, or `running` when nothing says so. */
  readonly status: string;
  readonly reports: readonly TrainingReport[];
  readonly evaluations: readonly { readonly step: number; readonly evaluation: PolicyEvaluation }[];
  readonly samples: readonly ReplySample[];
  readonly alarms: readonly (Alarm & { readonly action: string })[];
  readonly best: { readonly step: number; readonly accuracy: number } | null;
}

/** A run. */
export interface RunStory {
  readonly name: string;
  readonly policy: string | null;
  readonly parameters: number | null;
  readonly data: {
    readonly train: number;
    readonly hard: number;
    readonly heldOut: number;
    readonly skipped: number;
    readonly problems: readonly SkippedRow[];
  } | null;
  readonly stages: readonly StageStory[];
  /** The whole configuration, as it is kept. */
  readonly config: string;
}
