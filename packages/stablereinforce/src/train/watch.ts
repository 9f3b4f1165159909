/** Training under watch: alarms with every step, and a stop or a return to better weights when one is fatal. */
import { ConfigError } from "@r1reward/core";
import { diagnose, type Alarm, type MonitorLimits } from "./monitor.ts";
import type { Snapshot, TrainingReport, Yielded } from "./types.ts";

/** What is done about alarms. */
export interface WatchOptions {
  readonly limits?: Partial<MonitorLimits> | undefined;
  /** `continue` only reports; `stop` ends the training; `roll-back` begins again from the last good snapshot. */
  readonly onAlarm?: "continue" | "stop" | "roll-back" | undefined;
  /** Which alarms are acted on; those that are fatal by default. */
  readonly acts?: ((alarm: Alarm) => boolean) | undefined;
  /** Steps between the snapshots that are kept for going back; 10 by default. */
  readonly snapshotEvery?: number | undefined;
  /** 3 by default; after that many, the next alarm stops. */
  readonly maxRollBacks?: number | undefined;
  /** Reports of before, when a run goes on: without them the monitor must learn anew what is usual. */
  readonly history?: readonly TrainingReport[] | undefined;
}

/** A report with what is wrong and what was done about it. */
export interface Watched<Y> {
  readonly report: Y;
  readonly alarms: readonly Alarm[];
  readonly action: "none" | "stopped" | "rolled-back";
  /** Roll-backs so far. */
  readonly attempt: number;
}

/** Starts the training, from its beginning or from a snapshot. `attempt` counts the roll-backs. */
export type StartTraining<Y> = (from: Snapshot | undefined, attempt: number) => AsyncGenerator<Y, void, undefined>;

/** What outlives an attempt. */
interface Memory {
  snapshot: Snapshot | undefined;
  step: number;
  /** Reports up to now; after a roll-back those up to the snapshot, so that the monitor knows what is usual. */
  history: TrainingReport[];
}

/** Runs one attempt; ends with whether it is to be tried again. */
async function* attemptOnce<Y extends Yielded<TrainingReport>>(
  training: AsyncGenerator<Y, void, undefined>,
  memory: Memory,
  how: { readonly options: WatchOptions; readonly attempt: number; readonly may: boolean },
): AsyncGenerator<Watched<Y>, boolean, undefined> {
  const {
    limits,
    onAlarm = "stop",
    acts = ({ severity }: Alarm) => severity === "fatal",
    snapshotEvery = 10,
  } = how.options;
  const { attempt } = how;
  for await (const report of training) {
    memory.history.push(report);
    const alarms = diagnose(memory.history, limits);
    if (onAlarm !== "continue" && alarms.some(acts)) {
      const again = onAlarm === "roll-back" && how.may;
      yield { report, alarms, action: again ? "rolled-back" : "stopped", attempt };
      return again;
    }
    if (onAlarm === "roll-back" && alarms.length === 0 && report.step - memory.step >= snapshotEvery) {
      memory.snapshot = await report.snapshot();
      memory.step = report.step;
    }
    yield { report, alarms, action: "none", attempt };
  }
  return false;
}

/**
 * Watches a training. Going back to a snapshot and doing the same again would fail the same way, since every step is decided
 * by the seed: let `start` change something with the attempt, such as the learning rate's recipe or the seed — a snapshot of
 * another seed is refused unless it is re-labelled, see `withIdentity`.
 * @throws ConfigError, and what the training throws
 */
export async function* watch<Y extends Yielded<TrainingReport>>(
  start: StartTraining<Y>,
  options: WatchOptions = {},
): AsyncGenerator<Watched<Y>, void, undefined> {
  const { maxRollBacks = 3, snapshotEvery = 10 } = options;
  if (!(snapshotEvery >= 1)) throw new ConfigError(`watch snapshotEvery: expected from 1, got ${snapshotEvery}`);
  const memory: Memory = { snapshot: undefined, step: 0, history: [...(options.history ?? [])] };
  for (let attempt = 0; ; attempt++) {
    const how = { options, attempt, may: attempt < maxRollBacks };
    const again = yield* attemptOnce(start(memory.snapshot, attempt), memory, how);
    if (!again) return;
    memory.history = memory.history.filter(({ step }) => step <= memory.step);
  }
}

/** A snapshot for a run with other settings, named one by one: `withIdentity(snapshot, { seed: 2 })`. */
export const withIdentity = (snapshot: Snapshot, changes: Snapshot["state"]): Snapshot => ({
  ...snapshot,
  state: { ...snapshot.state, ...changes },
});
