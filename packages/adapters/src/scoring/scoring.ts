/** One way through for every adapter: read, compare, check, map to the host's range, count. */
import {
  ConfigError,
  isR1Error,
  messageOf,
  RewardError,
  rewardModel as rewardModelOf,
  throwIfAborted,
  type CallOptions,
} from "@r1reward/core";
import { prepare } from "./question.ts";
import { vsReference } from "./scalarise.ts";
import { createTally, type Tally } from "./tally.ts";
import type {
  Court,
  Failure,
  OnError,
  PreparedTask,
  Referee,
  Scalar,
  Scalariser,
  Scored,
  Scoring,
  ScoringOptions,
  TaskSource,
} from "./types.ts";

/** What an adapter knows about its host. */
export interface HostSettings {
  /** Name of the adapter, for errors. */
  readonly name: string;
  readonly scalarise?: Scalariser | undefined;
  readonly range?: readonly [number, number] | undefined;
  /** Has the host a way to say "cannot tell"? */
  readonly abstains: boolean;
}

interface Setup {
  readonly name: string;
  readonly court: Court;
  readonly scalariser: Scalariser;
  readonly range: readonly [number, number];
  readonly onError: OnError;
  readonly onScore: (scored: Scored) => void;
  readonly tally: Tally;
}

const check = (ok: boolean, where: string, expected: string, got: unknown): void => {
  if (!ok) throw new ConfigError(`${where}: expected ${expected}, got ${String(got)}`);
};

const courtOf = (name: string, { judge, rewardModel }: Referee): Court => {
  const given = [judge, rewardModel].filter((one) => one !== undefined).length;
  check(given === 1, `${name} judge, rewardModel`, "one of the two", given === 0 ? "none" : "both");
  return { judge, rewardModel: rewardModel ?? rewardModelOf({ judge: judge! }) };
};

const setupOf = (host: HostSettings, options: ScoringOptions): Setup => {
  const { name } = host;
  const range = options.range ?? host.range ?? [0, 1];
  const { onError = "throw", onScore = () => undefined } = options;
  check(range.every(Number.isFinite) && range[0] < range[1], `${name} range`, "[low, high]", JSON.stringify(range));
  const accepted = host.abstains
    ? `"throw", "abstain" or a number`
    : `"throw" or a number, since ${name} cannot abstain`;
  const known = onError === "throw" || (onError === "abstain" && host.abstains) || Number.isFinite(onError);
  check(known, `${name} onError`, accepted, onError);
  const scalariser = options.scalarise ?? host.scalarise ?? vsReference();
  return { name, court: courtOf(name, options), scalariser, range, onError, onScore, tally: createTally(name) };
};

/** Errors that no fallback may cover: the caller stopped it, or nothing could ever have worked. */
const isFatal = (error: unknown): boolean =>
  isR1Error(error) && (error.code === "R1_ABORTED" || error.code === "R1_CONFIG");

const failureOf = (error: unknown): Failure => ({ kind: "threw", message: messageOf(error), cause: error });

const whyNot = (scalar: Scalar): Failure | null => {
  if (scalar.value === null) {
    const kind = scalar.why ?? "unreadable";
    const message = kind === "unreadable" ? "no verdict could be read" : "there was nothing to compare the answer with";
    return { kind, message };
  }
  return Number.isFinite(scalar.value)
    ? null
    : { kind: "not-finite", message: `expected a number, got ${scalar.value}` };
};

const inRange = (value: number, { range: [low, high], tally }: Setup): number => {
  const kept = Math.max(-1, Math.min(1, value));
  if (kept !== value) tally.addClamped();
  return low + ((kept + 1) / 2) * (high - low);
};

const fallback = ({ onError }: Setup): number | null => (typeof onError === "number" ? onError : null);

const scoredOf = (setup: Setup, task: PreparedTask | undefined, outcome: PromiseSettledResult<Scalar>): Scored => {
  const scalar = outcome.status === "fulfilled" ? outcome.value : undefined;
  const failure = scalar === undefined ? failureOf((outcome as PromiseRejectedResult).reason) : whyNot(scalar);
  const critique = scalar?.critique ?? "";
  if (failure !== null) return { task, score: fallback(setup), critique, failure };
  return { task, score: inRange(scalar!.value!, setup), critique, failure };
};

const raise = ({ name }: Setup, { failure, task }: Scored): never => {
  if (isR1Error(failure?.cause)) throw failure.cause;
  const sample = task === undefined ? undefined : task.group.slice(0, 80);
  throw new RewardError(name, sample, failure?.message ?? "no score", { cause: failure?.cause });
};

const read = async (source: TaskSource): Promise<PreparedTask> => prepare(await source());

/** Scores those that could be read; a task that could not keeps its place with its own error. */
const outcomesOf = async (
  { scalariser, court, name }: Setup,
  tasks: readonly PromiseSettledResult<PreparedTask>[],
  call: CallOptions,
): Promise<readonly PromiseSettledResult<Scalar>[]> => {
  const readable = tasks.flatMap((task) => (task.status === "fulfilled" ? [task.value] : []));
  const promises = readable.length === 0 ? [] : scalariser.scalarise(readable, court, call);
  const settled = await Promise.allSettled(promises);
  if (settled.length !== readable.length) {
    const problem = `${scalariser.name}: expected ${readable.length} values, got ${settled.length}`;
    throw new RewardError(name, undefined, problem);
  }
  let next = 0;
  return tasks.map((task) => (task.status === "fulfilled" ? settled[next++]! : task));
};

const scoreAll = async (
  setup: Setup,
  sources: readonly TaskSource[],
  call: CallOptions,
): Promise<readonly Scored[]> => {
  throwIfAborted(call.signal);
  const tasks = await Promise.allSettled(sources.map(read));
  const outcomes = await outcomesOf(setup, tasks, call);
  const all = outcomes.map((outcome, at) => {
    const task = tasks[at]!;
    return scoredOf(setup, task.status === "fulfilled" ? task.value : undefined, outcome);
  });
  for (const scored of all) {
    setup.tally.add(scored);
    setup.onScore(scored);
  }
  const failed = all.filter(({ failure }) => failure !== null);
  const worst = failed.find(({ failure }) => isFatal(failure?.cause)) ?? failed[0];
  if (worst !== undefined && (setup.onError === "throw" || isFatal(worst.failure?.cause))) raise(setup, worst);
  return all;
};

/**
 * What an adapter is built on: scores answers, keeps NaN from its host and counts what failed.
 *
 * @throws {ConfigError} naming the option that cannot work. `score` and `scoreAll` reject with what `onError: "throw"`
 *   lets through, with `AbortError`, and with any `ConfigError`.
 */
export const createScoring = (host: HostSettings, options: ScoringOptions): Scoring => {
  const setup = setupOf(host, options);
  return {
    stats: setup.tally.stats,
    assertHealthy: setup.tally.assertHealthy,
    scoreAll: (sources, call = {}) => scoreAll(setup, sources, call),
    score: async (source, call = {}) => (await scoreAll(setup, [source], call))[0]!,
  };
};

/** Puts what a scoring can say about itself on the function or object that a host takes. */
export const withHealth = <T extends object>(
  value: T,
  { stats, assertHealthy }: Scoring,
): T & Pick<Scoring, "stats" | "assertHealthy"> => Object.assign(value, { stats, assertHealthy });

/** The score for a host that knows no "cannot tell"; `createScoring` has refused `abstain` for it. */
export const numberOf = ({ score }: Scored): number => {
  if (score === null) throw new RewardError("scoring", undefined, "expected a number for a host that cannot abstain");
  return score;
};
