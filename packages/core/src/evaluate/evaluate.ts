/** Runs a judge over labelled pairs. */
import type { OnTie } from "../aggregate.ts";
import { comparePair } from "../compare.ts";
import { AbortError, boundary, ConfigError, isR1Error, messageOf, OutputError, throwIfAborted } from "../errors.ts";
import type { Awaitable, CallOptions, PairwiseJudge } from "../interfaces.ts";
import type { Preference } from "../types.ts";
import type { Orders } from "../vote-plan.ts";
import type { Benchmark } from "./benchmark.ts";
import { clusteredBootstrap } from "./bootstrap.ts";
import {
  decidedRecord,
  failedRecord,
  latestRecords,
  outcomeOf,
  recordHead,
  recordKeys,
  SETTINGS,
  type EvalRecord,
  type RecordHead,
  type RunSettings,
} from "./records.ts";
import type { EvalReport } from "./report-types.ts";
import { reportRecords, settingsOf, type ReportOptions } from "./report.ts";

/** How to evaluate. */
export interface EvaluateOptions extends ReportOptions, CallOptions {
  /** Critiques per pair in all; left out, one per order. */
  readonly votes?: number | undefined;
  /** `both` unless told. `as-stored` is for parity with published scripts alone. */
  readonly orders?: Orders | undefined;
  /** Seed of random orders, and of the bootstrap unless that has its own; 0 unless told. */
  readonly seed?: number | undefined;
  /** What a pair counts as that no majority decides; `tie` unless told. */
  readonly onTie?: OnTie | undefined;
  /** Take no more critiques of a pair than can change its verdict. */
  readonly earlyStop?: boolean | undefined;
  /** Pairs under way at once; 8 unless told. */
  readonly concurrency?: number | undefined;
  /** Stop with the judge's error once more pairs than this have failed; unless told, a failed pair never stops a run. */
  readonly maxFailures?: number | undefined;
  /** Called once per new record, one at a time, in the order in which pairs finish. The run waits for it. */
  readonly onRecord?: ((record: EvalRecord) => Awaitable<void>) | undefined;
  /** Records of an earlier run with the same settings: pairs it decided are not judged again, those that failed are. */
  readonly resume?: Iterable<EvalRecord> | undefined;
}

/** Errors that say nothing about the pair at hand, and would come again with the next. */
const FATAL: readonly string[] = ["R1_CONFIG", "R1_CACHE", "R1_OUTPUT", "R1_ABORTED"];
const isFatal = (error: unknown): boolean => isR1Error(error) && FATAL.includes(error.code);

const makeSettings = (benchmark: Benchmark, judge: PairwiseJudge, options: EvaluateOptions): RunSettings => {
  const { orders = "both", seed = 0, onTie = "tie", earlyStop = false } = options;
  const votes = options.votes ?? (orders === "both" ? 2 : 1);
  return { benchmark: benchmark.name, judge: judge.name, placement: orders, votes, seed, onTie, earlyStop };
};

/** Records to go on from, by key. */
const finishedBefore = (resume: Iterable<EvalRecord>, settings: RunSettings): ReadonlyMap<string, EvalRecord> => {
  const records = latestRecords(resume);
  const before = settingsOf(records);
  const other = before === null ? undefined : SETTINGS.find((name) => before[name] !== settings[name]);
  if (before !== null && other !== undefined) {
    const [now, then] = [settings[other], before[other]].map((value) => JSON.stringify(value));
    throw new ConfigError(`resume: expected records with ${other} ${now}, got ${then}`);
  }
  return new Map(records.filter(({ status }) => status === "ok").map((record) => [record.key, record]));
};

interface Run {
  readonly judge: PairwiseJudge;
  readonly settings: RunSettings;
  readonly options: EvaluateOptions;
  readonly records: EvalRecord[];
  /** What stops the run; the first is thrown. */
  readonly errors: unknown[];
  readonly stop: AbortController;
  readonly signal: AbortSignal;
  readonly emit: (record: EvalRecord) => Promise<void>;
}

/** Hands records to the caller one at a time. */
const emitter = (onRecord: EvaluateOptions["onRecord"]): Run["emit"] => {
  const wrap = (cause: unknown) => new OutputError(`onRecord: ${messageOf(cause)}`, { cause });
  let last: Promise<void> = Promise.resolve();
  return (record) => (last = last.then(() => boundary(wrap, () => onRecord?.(record))));
};

const startRun = (benchmark: Benchmark, judge: PairwiseJudge, options: EvaluateOptions): Run => {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const settings = makeSettings(benchmark, judge, options);
  return { judge, settings, options, records: [], errors: [], stop, signal, emit: emitter(options.onRecord) };
};

const halt = (run: Run, error: unknown): void => {
  run.errors.push(error);
  run.stop.abort(error);
};

const decideRecord = async (run: Run, head: RecordHead, pair: Preference): Promise<EvalRecord> => {
  const { votes, placement: orders, seed, onTie, earlyStop } = run.settings;
  try {
    const options = { votes, orders, seed, onTie, earlyStop, signal: run.signal };
    return decidedRecord(head, await comparePair(run.judge, pair, options));
  } catch (error) {
    if (isFatal(error) || run.signal.aborted) throw error;
    const failed = run.records.filter(({ status }) => status === "failed").length;
    if (failed >= (run.options.maxFailures ?? Infinity)) throw error;
    return failedRecord(head, error);
  }
};

const evaluatePair = async (run: Run, head: RecordHead, pair: Preference): Promise<void> => {
  try {
    const record = await decideRecord(run, head, pair);
    run.records.push(record);
    await run.emit(record);
  } catch (error) {
    halt(run, error);
  }
};

/** Judges what is not finished yet, `concurrency` pairs at a time; returns when nothing is under way any more. */
const judgeAll = async (
  run: Run,
  benchmark: Benchmark,
  preferences: AsyncIterable<Preference> | Iterable<Preference>,
): Promise<void> => {
  const { concurrency = 8, resume = [], signal } = run.options;
  const finished = finishedBefore(resume, run.settings);
  const keyOf = recordKeys();
  const underWay = new Set<Promise<void>>();
  try {
    for await (const pair of preferences) {
      throwIfAborted(signal);
      const head = recordHead(benchmark, run.settings, pair, keyOf(pair));
      const done = finished.get(head.key);
      if (done !== undefined) {
        const correct = outcomeOf({ decision: done.decision, human: head.human }) === "correct";
        run.records.push({ ...done, ...head, correct });
        continue;
      }
      const task: Promise<void> = evaluatePair(run, head, pair).finally(() => underWay.delete(task));
      underWay.add(task);
      if (underWay.size >= concurrency) await Promise.race(underWay);
      if (run.errors.length > 0) break;
    }
  } catch (error) {
    halt(run, error);
  }
  await Promise.all(underWay);
};

const checkOptions = ({ concurrency = 8, maxFailures = Infinity, failures = "wrong", bootstrap }: EvaluateOptions) => {
  if (!(concurrency >= 1)) throw new ConfigError(`concurrency: expected at least 1, got ${concurrency}`);
  if (!(maxFailures >= 0)) throw new ConfigError(`maxFailures: expected at least 0, got ${maxFailures}`);
  if (!["wrong", "excluded", "coin-flip"].includes(failures)) {
    throw new ConfigError(`failures: expected "wrong", "excluded" or "coin-flip", got ${JSON.stringify(failures)}`);
  }
  clusteredBootstrap([], bootstrap);
};

/**
 * Judges every pair and reports. A pair is right when the joint decision of its critiques names the human's choice: with
 * both orders, a judge whose orders disagree has tied, and ties are wrong in the headline.
 *
 * A judge that throws fails that pair only: the record says why and the run goes on. What is under way when the run stops
 * is waited for and handed to `onRecord` when it succeeds.
 *
 * @throws {ConfigError} for an option out of range, a pair without a human choice, or records to resume from that were
 * made with other settings.
 * @throws {AbortError} when the signal fires.
 * @throws {OutputError} when `onRecord` throws an error that is none of ours.
 * @throws {CacheError} when the judge's cache cannot be used.
 */
export const evaluate = async (
  benchmark: Benchmark,
  judge: PairwiseJudge,
  preferences: AsyncIterable<Preference> | Iterable<Preference>,
  options: EvaluateOptions = {},
): Promise<EvalReport> => {
  checkOptions(options);
  throwIfAborted(options.signal);
  const run = startRun(benchmark, judge, options);
  await judgeAll(run, benchmark, preferences);
  if (run.errors.length > 0) {
    const { signal } = options;
    throw signal?.aborted ? new AbortError("aborted by the caller", { cause: signal.reason }) : run.errors[0];
  }
  const bootstrap = { seed: run.settings.seed, ...options.bootstrap };
  return reportRecords(benchmark, run.records, { failures: options.failures, bootstrap });
};
