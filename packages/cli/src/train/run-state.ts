/** What a run is, what it is told, and what it leaves behind: its state and the exported model. */
import { messageOf, OutputError } from "@r1reward/core";
import {
  loadBest,
  type PairData,
  type PipelineModel,
  type ReportSink,
  type StageResult,
} from "@r1reward/stablereinforce";
import { stageFolder } from "@r1reward/stablereinforce/node";
import type { RunData } from "./data.ts";
import { runFiles, writeWhole, type OpenRun } from "./folder.ts";

/** A stage by name. */
export type StageName = "sft" | "rl";

/** What a run is told beside its configuration. */
export interface RunOptions {
  /** Finishes the step under way, saves it, and ends. */
  readonly stop: AbortSignal;
  /** Drops everything. */
  readonly signal: AbortSignal;
  /** Stages that are wanted, as far as the configuration has them. */
  readonly stages: readonly StageName[];
  readonly tell: (text: string) => void;
  /** Shows the steps of a stage. */
  readonly progress: (stage: StageName, steps: number) => readonly ReportSink[];
}

/** A run that is open. */
export interface Run extends OpenRun {
  readonly options: RunOptions;
  readonly data: RunData;
  readonly model: PipelineModel;
}

/** What `run.json` says of a run. */
export interface RunState {
  readonly name: string;
  readonly data: {
    readonly train: number;
    readonly hard: number;
    readonly heldOut: number;
    readonly skipped: number;
    /** The first hundred. */
    readonly problems: PairData["skipped"];
  };
  readonly policy: string;
  readonly parameters: number;
  readonly stages: Readonly<
    Record<string, Omit<StageResult, "weights" | "evaluation"> & { readonly accuracy: number | null }>
  >;
}

/** How a run ended. */
export interface RunOutcome {
  readonly status: StageResult["status"];
  readonly results: Readonly<Partial<Record<StageName, StageResult>>>;
  /** Folder of the exported model. */
  readonly exported: string | null;
}

const stateOf = (run: Run, results: RunOutcome["results"]): RunState => {
  const { config, data, model } = run;
  const skipped = [...data.train.skipped, ...(data.held?.skipped ?? [])];
  const told = Object.entries(results).map(([stage, { weights: _w, evaluation, ...rest }]) => [
    stage,
    { ...rest, accuracy: evaluation?.accuracy ?? null },
  ]);
  const parameters = Object.values(model.policy.parameters()).reduce(
    (sum, { data: numbers }) => sum + numbers.length,
    0,
  );
  return {
    name: config.name,
    data: {
      train: data.train.pairs.length,
      hard: data.hard.pairs.length,
      heldOut: data.held?.pairs.length ?? 0,
      skipped: skipped.length,
      problems: skipped.slice(0, 100),
    },
    policy: model.policy.name,
    parameters,
    stages: Object.fromEntries(told) as RunState["stages"],
  };
};

/** Writes `run.json`. @throws OutputError */
export const writeState = (run: Run, results: RunOutcome["results"]): Promise<void> =>
  writeWhole(runFiles(run.folder).state, `${JSON.stringify(stateOf(run, results), null, 2)}\n`);

/** Writes the trained model as a Hugging Face folder, where it has such a form. @throws OutputError */
export const exportModel = async (run: Run, stage: StageName, result: StageResult): Promise<string | null> => {
  const { config, model, folder, options } = run;
  if (config.export === null) return null;
  if (model.save === undefined) {
    options.tell(
      `export: a model of kind ${config.model.kind} has no Hugging Face form; its weights are in ${stage}/checkpoints`,
    );
    return null;
  }
  const { best } = stageFolder(runFiles(folder)[stage]);
  const kept = config.export.weights === "best" && result.best !== null ? await loadBest(best) : null;
  const target = runFiles(folder).model;
  try {
    await model.save(target, kept ?? result.weights, {
      overwrite: true,
      dtype: config.export.dtype,
      signal: options.signal,
    });
  } catch (cause) {
    throw new OutputError(`${target}: ${messageOf(cause)}`, { cause });
  }
  options.tell(
    `export: ${target} (${kept === null ? `step ${result.step}` : `step ${result.best?.step}, the best`} of ${stage})`,
  );
  return target;
};
