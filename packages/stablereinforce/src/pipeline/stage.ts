/**
 * What both kinds of training share in the pipeline: going on from a checkpoint, telling the recorder, measuring, keeping the best,
 * acting on alarms, and stopping between two steps.
 */
import { ConfigError, throwIfAborted, type JsonValue } from "@r1reward/core";
import { loadCheckpoint, saveCheckpoint, type CheckpointStore, type LoadedCheckpoint } from "../checkpoint/index.ts";
import { foldersOf } from "../checkpoint/folders.ts";
import type { HostTensor } from "../engine/tensor.ts";
import type { Params, Policy } from "../policy/index.ts";
import { place } from "./place.ts";
import type { Alarm } from "../train/monitor.ts";
import type { Snapshot, TrainingReport, Yielded } from "../train/types.ts";
import { watch, withIdentity, type Watched } from "../train/watch.ts";
import { adviseOnMemory } from "./advice.ts";
import { clearAfter } from "./clear.ts";
import type { PolicyEvaluation, ReplySample, StageOptions, StageRecorder, StageResult } from "./types.ts";

/** A kind of training, as the stage runs it. */
export interface StagePlan<Y extends Yielded<TrainingReport>> {
  readonly kind: "sft" | "rl";
  readonly options: StageOptions;
  readonly policy: Pick<Policy, "engine" | "parameters">;
  readonly steps: number;
  /** Begins, or goes on; `weights` are those to begin with. */
  readonly start: (how: {
    readonly from: Snapshot | undefined;
    readonly seed: number;
  }) => AsyncGenerator<Y, void, undefined>;
  readonly samplesOf: (report: Y) => readonly ReplySample[];
}

/** What changes while a stage runs; kept in checkpoints. */
interface Progress {
  step: number;
  attempt: number;
  best: StageResult["best"];
  evaluation: PolicyEvaluation | null;
  alarms: readonly Alarm[];
  weights: Params<HostTensor> | null;
}

interface Run<Y extends Yielded<TrainingReport>> {
  readonly plan: StagePlan<Y>;
  readonly recorder: StageRecorder;
  readonly loaded: LoadedCheckpoint | null;
  readonly progress: Progress;
}

const silent: StageRecorder = {
  history: [],
  write: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

const progressOf = (loaded: LoadedCheckpoint | null): Progress => {
  const { attempt = 0, best = null, evaluation = null } = (loaded?.meta ?? {}) as unknown as Partial<Progress>;
  const { step = 0, weights = null } = loaded?.snapshot ?? {};
  return { step, attempt, best, evaluation, alarms: [], weights };
};

const metaOf = (kind: string, { attempt, best, evaluation }: Progress): Record<string, JsonValue> =>
  ({ stage: kind, attempt, best, evaluation }) as unknown as Record<string, JsonValue>;

const openStore = async ({ store, resume = true, signal }: StageOptions): Promise<LoadedCheckpoint | null> => {
  if (resume) return loadCheckpoint(store, { signal });
  if ((await foldersOf(store)).length === 0) return null;
  throw new ConfigError(`${store.name}: there are checkpoints already: go on from them, or choose another place`);
};

/** The best so far, this measurement included; `null` when it is not this one. */
const newBest = (step: number, { accuracy }: PolicyEvaluation, best: StageResult["best"]): StageResult["best"] =>
  accuracy !== null && (best === null || accuracy > best.accuracy) ? { step, accuracy } : null;

const keepBest = async <Y extends Yielded<TrainingReport>>(
  { plan, recorder, progress }: Run<Y>,
  evaluation: PolicyEvaluation,
  weightsAt: { readonly step: number; readonly weights: () => Promise<Params<HostTensor>> },
): Promise<void> => {
  const { best: store, signal } = plan.options;
  const { step } = weightsAt;
  const best = newBest(step, evaluation, progress.best);
  if (best === null) return;
  progress.best = best;
  if (store === undefined) return;
  const snapshot: Snapshot = { step, weights: await weightsAt.weights(), optimiser: {}, state: { best: true } };
  const meta = { accuracy: best.accuracy, stage: plan.kind };
  const name = await saveCheckpoint(store, snapshot, { keep: 1, meta, signal });
  await clearAfter(store, step);
  await recorder.write({ kind: "saved", step, name, best: true });
};

/** Measures the weights that the stage begins with. */
const measureStart = async <Y extends Yielded<TrainingReport>>(run: Run<Y>): Promise<void> => {
  const { plan, recorder, progress } = run;
  const { evaluation, signal } = plan.options;
  if (evaluation === undefined) return;
  const weights = plan.options.weights ?? plan.policy.parameters();
  const params = place(plan.policy.engine, weights);
  try {
    const measured = await evaluation.run(params, { signal });
    progress.evaluation = measured;
    await recorder.write({ kind: "evaluation", step: 0, evaluation: measured });
    await keepBest(run, measured, { step: 0, weights: () => Promise.resolve(weights) });
  } finally {
    plan.policy.engine.dispose(params);
  }
};

const save = async <Y extends Yielded<TrainingReport>>(
  { plan, recorder, progress }: Run<Y>,
  snapshot: Snapshot,
): Promise<void> => {
  const { store, keep = 2, signal } = plan.options;
  const name = await saveCheckpoint(store, snapshot, { keep, meta: metaOf(plan.kind, progress), signal });
  progress.weights = snapshot.weights;
  await recorder.write({ kind: "saved", step: snapshot.step, name, best: false });
};

/** Everything that follows a step that went well. → is the stage to end here? */
const afterStep = async <Y extends Yielded<TrainingReport>>(run: Run<Y>, report: Y): Promise<boolean> => {
  const { plan, recorder, progress } = run;
  const { evaluation, saveEvery = 25, stop, signal } = plan.options;
  const { step } = report;
  const last = step >= plan.steps;
  const once: { snapshot?: Promise<Snapshot> } = {};
  const snapshot = (): Promise<Snapshot> => (once.snapshot ??= report.snapshot());
  if (evaluation !== undefined && (last || step % evaluation.every === 0)) {
    const measured = await evaluation.run(report.params(), { signal });
    progress.evaluation = measured;
    await recorder.write({ kind: "evaluation", step, evaluation: measured });
    await keepBest(run, measured, { step, weights: async () => (await snapshot()).weights });
  }
  const stopping = stop?.aborted === true && !last;
  if (last || stopping || step % saveEvery === 0) await save(run, await snapshot());
  return stopping;
};

const onWatched = async <Y extends Yielded<TrainingReport>>(
  run: Run<Y>,
  { report, alarms, action }: Watched<Y>,
): Promise<StageResult["status"] | null> => {
  const { plan, recorder, progress } = run;
  const { snapshot: _snapshot, params: _params, samples: _samples, ...told } = report as Y & { samples?: unknown };
  const event = { kind: "step", step: report.step, report: told as unknown as TrainingReport, alarms, action } as const;
  await recorder.write(event);
  progress.alarms = alarms;
  if (action === "stopped") return "stopped";
  if (action === "rolled-back") return null;
  progress.step = report.step;
  const samples = plan.samplesOf(report);
  if (samples.length > 0) await recorder.write({ kind: "samples", step: report.step, samples });
  return (await afterStep(run, report)) ? "interrupted" : null;
};

/** Starts the training; after a roll-back, with what was told and saved of the steps that are to be made again taken back. */
async function* begin<Y extends Yielded<TrainingReport>>(
  { plan, recorder, loaded, progress }: Run<Y>,
  rolledBackTo: Snapshot | undefined,
  attempt: number,
): AsyncGenerator<Y, void, undefined> {
  const first = attempt === 0;
  const base = plan.options.seed ?? 42;
  const before = progressOf(loaded).attempt;
  progress.attempt = before + attempt;
  const seed = base + progress.attempt;
  const from = rolledBackTo ?? loaded?.snapshot;
  if (!first) {
    const step = from?.step ?? 0;
    progress.step = step;
    await clearAfter(plan.options.store, step);
    await recorder.write({ kind: "rewound", step });
  }
  yield* plan.start({ from: from === undefined || first ? from : withIdentity(from, { seed }), seed });
}

const train = async <Y extends Yielded<TrainingReport>>(run: Run<Y>): Promise<StageResult["status"]> => {
  const { plan, recorder } = run;
  const options = { ...plan.options.watch, history: recorder.history };
  for await (const watched of watch<Y>((from, attempt) => begin(run, from, attempt), options)) {
    const status = await onWatched(run, watched);
    if (status !== null) return status;
  }
  return "finished";
};

/** Weights of the result: those of the last checkpoint, since a stopped training's own are not to be trusted. */
const weightsOf = ({ plan, progress }: { plan: StagePlan<never>; progress: Progress }): Params<HostTensor> =>
  progress.weights ?? plan.options.weights ?? plan.policy.parameters();

/**
 * Runs a stage to its end, or to where it is stopped.
 *
 * @throws ConfigError, CheckpointError, EngineError with advice when memory ran out, AbortError, and what training throws
 */
export const runStage = async <Y extends Yielded<TrainingReport>>(plan: StagePlan<Y>): Promise<StageResult> => {
  const { options, steps } = plan;
  throwIfAborted(options.signal);
  const loaded = await openStore(options);
  await using recorder = await (options.record?.(loaded?.snapshot.step ?? -1) ?? Promise.resolve(silent));
  const run: Run<Y> = { plan, recorder, loaded, progress: progressOf(loaded) };
  const status = await adviseOnMemory(plan.kind, async () => {
    if (loaded === null) await measureStart(run);
    if (options.stop?.aborted) return "interrupted";
    // A checkpoint of another number of steps is another run's: training refuses it by name.
    return loaded?.snapshot.step === steps && loaded.snapshot.state.steps === steps ? "finished" : train(run);
  });
  const { step, evaluation, best, alarms } = run.progress;
  const weights = weightsOf(run as unknown as Parameters<typeof weightsOf>[0]);
  return { status, step, steps, weights, evaluation, best, alarms, resumedAt: loaded?.snapshot.step ?? null };
};

/** The weights that a stage's best store holds; `null` when nothing was measured. @throws CheckpointError */
export const loadBest = async (store: CheckpointStore): Promise<Params<HostTensor> | null> =>
  (await loadCheckpoint(store))?.snapshot.weights ?? null;
