/** What a run is, what it is told, and what it leaves behind: its state and the exported model. */
import { ConfigError, isR1Error, messageOf, OutputError } from "@r1reward/core";
import {
  loadBest,
  type PairData,
  type PipelineModel,
  type ReportSink,
  type StageResult,
} from "@r1reward/stablereinforce";
import { stageFolder } from "@r1reward/stablereinforce/node";
import type { RunConfig } from "./config/schema.ts";
import type { RunData } from "./data.ts";
import { judgeFile } from "../judge-file.ts";
import { readOptional, runFiles, writeWhole, type OpenRun } from "./folder.ts";

/** A stage by name. */
export type StageName = "sft" | "rl";

const CALLED: Readonly<Record<StageName, string>> = { sft: "the cold start", rl: "reinforcement learning" };

/** The stages that are asked for, as far as the configuration has them. @throws ConfigError when it has none */
export const wantedStages = (config: RunConfig, stages: readonly StageName[]): readonly StageName[] => {
  const wanted = stages.filter((stage) => config[stage] !== null);
  if (wanted.length > 0) return wanted;
  const missing = stages.map((stage) => `${stage}: expected settings of ${CALLED[stage]}, got null`);
  throw new ConfigError(`${missing.join("; ")}: there is nothing to train`);
};

/** What a run is told beside its configuration. */
export interface RunOptions {
  /** Finishes the step under way, saves it, and ends. */
  readonly stop: AbortSignal;
  /** Drops everything. */
  readonly signal: AbortSignal;
  /** Stages that are wanted, as far as the configuration has them. */
  readonly stages: readonly StageName[];
  /** Begin although the machine has less memory than the run takes by its own account. */
  readonly forceMemory: boolean;
  /** Begin reinforcement learning with a cold start that has steps to go. */
  readonly unfinishedStart: boolean;
  readonly tell: (text: string) => void;
  /** Shows the steps of a stage. */
  readonly progress: (stage: StageName, steps: number) => readonly ReportSink[];
}

/** A run that is open. */
export interface Run extends OpenRun {
  readonly options: RunOptions;
  readonly data: RunData;
  readonly model: PipelineModel;
  /** What `run.json` says of stages that earlier calls made. */
  readonly earlier: RunState["stages"];
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

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/**
 * What a folder's `run.json` says; `null` when there is none.
 * @throws ConfigError naming the file when it is damaged, OutputError
 */
export const readState = async (folder: string): Promise<RunState | null> => {
  const { state: file } = runFiles(folder);
  const text = await readOptional(file);
  if (text === null) return null;
  try {
    const state = JSON.parse(text) as RunState;
    if (isObject(state) && isObject(state.stages) && isObject(state.data)) return state;
    throw new TypeError("expected name, data and stages");
  } catch (cause) {
    throw new ConfigError(
      `${file}: damaged: ${messageOf(cause)}; \`r1reward train run --resume\` writes it anew, and without it the report is written from the rest`,
      { cause },
    );
  }
};

/** Stages that earlier calls left behind: the others begin or go on now. A damaged state is told of, and written anew. */
export const earlierStages = async (
  folder: string,
  { stages, tell }: Pick<RunOptions, "stages" | "tell">,
): Promise<RunState["stages"]> => {
  try {
    const told = Object.entries((await readState(folder))?.stages ?? {});
    return Object.fromEntries(told.filter(([stage, { status }]) => !(stages as readonly string[]).includes(stage) || status === "finished")); // prettier-ignore
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    tell(`resume: ${messageOf(error)}`);
    return {};
  }
};

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
    stages: { ...run.earlier, ...(Object.fromEntries(told) as RunState["stages"]) },
  };
};

/** Writes `run.json`. @throws OutputError */
export const writeState = (run: Run, results: RunOutcome["results"]): Promise<void> =>
  writeWhole(runFiles(run.folder).state, `${JSON.stringify(stateOf(run, results), null, 2)}\n`);

/** The best weights; `null` when they are damaged: the last ones are whole, and better than none. */
const bestOf = async ({ folder, options }: Run, stage: StageName, { step, best }: StageResult) => {
  try {
    return await loadBest(stageFolder(runFiles(folder)[stage]).best);
  } catch (error) {
    if (!isR1Error(error) || error.code !== "R1_CHECKPOINT") throw error;
    options.tell(
      `export: the best weights, of step ${best?.step}, cannot be read, those of step ${step} take their place: ${messageOf(error)}`,
    );
    return null;
  }
};

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
  const kept = config.export.weights === "best" && result.best !== null ? await bestOf(run, stage, result) : null;
  const target = runFiles(folder).model;
  try {
    await model.save(target, kept ?? result.weights, {
      overwrite: true,
      dtype: config.export.dtype,
      files: judgeFile(config),
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
