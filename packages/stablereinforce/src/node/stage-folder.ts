/** A stage of the pipeline in a folder: checkpoints, metrics, measurements and samples, each in the form its readers know. */
import { join } from "node:path";
import { folderStore } from "./folder-store.ts";
import { jsonlLog, type JsonlLog } from "./jsonl-log.ts";
import { tensorBoardSink } from "./sinks.ts";
import type { CheckpointStore } from "../checkpoint/index.ts";
import type { PolicyEvaluation, ReplySample, StageEvent, StageRecorder } from "../pipeline/types.ts";
import { reportLine } from "../train/metrics.ts";
import type { Alarm } from "../train/monitor.ts";
import type { ReportSink } from "../train/sink.ts";
import type { TrainingReport } from "../train/types.ts";

/** What a stage's folder gives `runSft` and `runRl`. */
export interface StageFolder {
  /** `checkpoints/` */
  readonly store: CheckpointStore;
  /** `best/` */
  readonly best: CheckpointStore;
  /** Writes `metrics.jsonl`, `evaluations.jsonl`, `samples.jsonl`, `alarms.jsonl` and TensorBoard's `events/`. */
  readonly record: (after: number) => Promise<StageRecorder>;
}

/** How the folder is written. */
export interface StageFolderOptions {
  /** Also told of every step: a progress sink, usually. */
  readonly sinks?: readonly ReportSink[] | undefined;
  /** Told of everything. */
  readonly onEvent?: ((event: StageEvent) => void) | undefined;
  /** Event files for TensorBoard; written unless this says `false`. */
  readonly tensorBoard?: boolean | undefined;
}

/** A line of `evaluations.jsonl`. */
export interface EvaluationLine {
  readonly step: number;
  readonly evaluation: PolicyEvaluation;
}

/** A line of `alarms.jsonl`. */
export interface AlarmLine extends Alarm {
  readonly action: string;
}

const NOT_FINITE = new Set(["NaN", "Infinity", "-Infinity"]);

/** A report as `reportLine` wrote it, NaN and infinities included. */
export const parseReportLine = (line: string): TrainingReport =>
  JSON.parse(line, (_key, value: unknown) =>
    typeof value === "string" && NOT_FINITE.has(value) ? Number(value) : value,
  ) as TrainingReport;

interface Logs {
  readonly metrics: JsonlLog<TrainingReport>;
  readonly evaluations: JsonlLog<EvaluationLine>;
  readonly samples: JsonlLog<ReplySample>;
  readonly alarms: JsonlLog<AlarmLine>;
}

const openLogs = async (folder: string, after: number): Promise<Logs> => ({
  metrics: await jsonlLog(join(folder, "metrics.jsonl"), { after, encode: reportLine, decode: parseReportLine }),
  evaluations: await jsonlLog(join(folder, "evaluations.jsonl"), { after }),
  samples: await jsonlLog(join(folder, "samples.jsonl"), { after }),
  alarms: await jsonlLog(join(folder, "alarms.jsonl"), { after }),
});

const writeEvent = async (logs: Logs, sinks: readonly ReportSink[], event: StageEvent): Promise<void> => {
  switch (event.kind) {
    case "step":
      await logs.metrics.write(event.report);
      for (const sink of sinks) await sink.write(event.report);
      for (const alarm of event.alarms) await logs.alarms.write({ ...alarm, action: event.action });
      return;
    case "samples":
      for (const sample of event.samples) await logs.samples.write(sample);
      return;
    case "evaluation":
      return logs.evaluations.write({ step: event.step, evaluation: event.evaluation });
    case "rewound":
      // Alarms stay: that the stage went back, and why, is part of its story.
      for (const log of [logs.metrics, logs.evaluations, logs.samples]) await log.rewind(event.step);
      return;
    case "saved":
  }
};

const recorderOf = async (folder: string, after: number, options: StageFolderOptions): Promise<StageRecorder> => {
  const logs = await openLogs(folder, after);
  const board = options.tensorBoard === false ? [] : [await tensorBoardSink(join(folder, "events"))];
  const sinks = [...board, ...(options.sinks ?? [])];
  return {
    history: logs.metrics.before,
    write: async (event) => {
      await writeEvent(logs, sinks, event);
      options.onEvent?.(event);
    },
    [Symbol.asyncDispose]: async () => {
      for (const one of [...Object.values(logs), ...board]) await (one as AsyncDisposable)[Symbol.asyncDispose]();
    },
  };
};

/**
 * A stage in a folder, which is made when something is written.
 * `record` throws OutputError when a file cannot be opened or written.
 */
export const stageFolder = (folder: string, options: StageFolderOptions = {}): StageFolder => ({
  store: folderStore(join(folder, "checkpoints")),
  best: folderStore(join(folder, "best")),
  record: (after) => recorderOf(folder, after, options),
});
