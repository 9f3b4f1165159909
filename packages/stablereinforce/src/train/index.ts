/** Training: supervised, and with rewards. */
export { metricsOf, reportLine, type Metrics } from "./metrics.ts";
export { diagnose, type Alarm, type AlarmKind, type MonitorLimits } from "./monitor.ts";
export { progressLine } from "./progress.ts";
export { trainSft } from "./sft.ts";
export { progressSink, type ProgressSinkOptions, type ReportSink } from "./sink.ts";
export { scalarsRecord, versionRecord } from "./tensorboard.ts";
export { trainStableReinforce } from "./train.ts";
export type * from "./types.ts";
export { watch, withIdentity, type StartTraining, type Watched, type WatchOptions } from "./watch.ts";
