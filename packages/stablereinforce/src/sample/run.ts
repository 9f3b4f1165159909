/** One run of the sampler: sequences join a batch, are decoded step by step, and leave it. */
import { throwIfAborted } from "@r1reward/core";
import { EngineError } from "../engine/errors.ts";
import { int32Tensor, type HostTensor } from "../engine/tensor.ts";
import type { Given } from "../engine/types.ts";
import {
  cacheMemory,
  capacityFor,
  copyRows,
  rowsFor,
  shrinkRows,
  writeRows,
  type Cache,
  type CacheMemory,
} from "./cache.ts";
import type { Graphs, HostStep, StepResult } from "./compiled.ts";
import type { Decoder } from "./decoder.ts";
import { completionOf, finishOf, type Plan, type Sequence } from "./sequence.ts";
import type { Completion, SamplePrompt } from "./types.ts";

/** The model and its graphs. */
export interface Machine<P> {
  readonly decoder: Decoder<P>;
  readonly graphs: Graphs<Given<P>>;
  /** Memory of runs that are over. */
  readonly spare: CacheMemory[];
}

/** Largest memory of a cache that is kept for the next run, in bytes. */
const KEPT = 256 * 2 ** 20;

/** What a run is about. */
export interface Job<P> {
  readonly params: Given<P>;
  readonly maxBatch: number;
  readonly plan: Plan;
  /** More sequences, `room` at most; asked before every step. */
  readonly more: (room: number) => readonly Sequence[];
  readonly done: (sequence: Sequence, completion: Completion) => void;
  readonly signal: AbortSignal | undefined;
}

interface Run<P> extends Job<P> {
  readonly queue: Sequence[];
  /** Prompts that were read, as long as sequences of them wait. */
  readonly read: Map<unknown, { rows: Pick<Cache, "keys" | "values">; row: number }>;
  /** Row i of the cache belongs to `active[i]`. */
  active: Sequence[];
  cache: Cache;
  readonly memory: CacheMemory;
}

/** Sequences with one key have the same prompt. */
const keyOf = ({ source }: Sequence): unknown => source.key ?? source;

/** Reads prompts of one length bucket, 16 at most, into `run.read`. */
const readPrompts = async <P>(
  { decoder, graphs }: Machine<P>,
  run: Run<P>,
  some: readonly Sequence[],
  bucket: number,
): Promise<void> => {
  const rows = 2 ** Math.ceil(Math.log2(some.length));
  const prompts = some.map(({ source }): SamplePrompt => source);
  const inputs = await decoder.layPrompts(prompts, [rows, bucket], run.params);
  const made = await graphs.prefill(run.params, inputs);
  some.forEach((sequence, row) => run.read.set(keyOf(sequence), { rows: made, row }));
};

const readNewPrompts = async <P>(machine: Machine<P>, run: Run<P>, admitted: readonly Sequence[]): Promise<void> => {
  const buckets = new Map<number, Sequence[]>();
  for (const sequence of new Map(admitted.map((one) => [keyOf(one), one])).values()) {
    const length = sequence.source.tokens.length - 1;
    if (length === 0 || run.read.has(keyOf(sequence))) continue;
    const bucket = capacityFor(length);
    buckets.set(bucket, [...(buckets.get(bucket) ?? []), sequence]);
  }
  for (const [bucket, some] of buckets) {
    for (let at = 0; at < some.length; at += 16) await readPrompts(machine, run, some.slice(at, at + 16), bucket);
  }
};

/** Makes the cache large enough for `count` rows and one more position of each; rows keep their contents. */
const fitCache = <P>(run: Run<P>, sequences: readonly Sequence[]): void => {
  const positions = sequences.reduce((most, sequence) => Math.max(most, sequence.position + 1), 1);
  const rows = rowsFor(sequences.length);
  const capacity = capacityFor(positions);
  if (run.cache.rows >= rows && run.cache.capacity >= capacity) return;
  const larger = run.memory.make(Math.max(rows, run.cache.rows), Math.max(capacity, run.cache.capacity));
  copyRows(
    run.cache,
    larger,
    run.active.map(({ position }, row) => ({ from: row, to: row, length: position })),
  );
  run.cache = larger;
};

/** Takes waiting sequences into the batch when enough rows are free for reading prompts to be worth a stop. */
const admit = async <P>(machine: Machine<P>, run: Run<P>): Promise<void> => {
  const free = run.maxBatch - run.active.length;
  if (free > run.queue.length) run.queue.push(...run.more(free - run.queue.length));
  if (run.queue.length === 0 || (run.active.length > 0 && free * 4 < run.maxBatch)) return;
  const admitted = run.queue.splice(0, free);
  await readNewPrompts(machine, run, admitted);
  const first = run.active.length;
  fitCache(run, [...run.active, ...admitted]);
  admitted.forEach((sequence, i) => {
    const source = run.read.get(keyOf(sequence));
    const copy = { from: source?.row ?? 0, to: first + i, length: sequence.position };
    if (source !== undefined) copyRows(source.rows, run.cache, [copy]);
  });
  run.active.push(...admitted);
  const waiting = new Set(run.queue.map(keyOf));
  for (const key of [...run.read.keys()]) if (!waiting.has(key)) run.read.delete(key);
};

const stepInputs = <P>({ decoder }: Machine<P>, run: Run<P>): HostStep => {
  const { rows } = run.cache;
  const each = (value: (sequence: Sequence) => number): HostTensor => {
    const data = new Int32Array(rows);
    run.active.forEach((sequence, i) => void (data[i] = value(sequence)));
    return int32Tensor(data, [rows]);
  };
  const uniforms = new Float32Array(rows);
  run.active.forEach((sequence, i) => void (uniforms[i] = sequence.uniform()));
  const step: HostStep = {
    tokens: each(({ last }) => last),
    filled: each(({ position }) => position),
    positions: each(({ position, offset }) => position + offset),
    uniforms: { data: uniforms, shape: [rows], dtype: "float32" },
  };
  if (run.plan.repetitionPenalty === 1) return step;
  const vocab = decoder.vocabSize;
  const seen = new Float32Array(rows * vocab);
  run.active.forEach((sequence, i) => seen.set(sequence.seen as Float32Array, i * vocab));
  return { ...step, seen: { data: seen, shape: [rows, vocab], dtype: "float32" } };
};

/**
 * Comparing with NaN is false everywhere, so what is drawn from NaN looks like any other token: only the log-probabilities tell. A token
 * of probability 0 is never drawn, so minus infinity is as wrong. Rows beyond `active` are padding and may be anything.
 */
const checkNumbers = (active: readonly Sequence[], { logp, behaviourLogp }: StepResult): void => {
  active.forEach(({ prompt, sample, tokens }, row) => {
    const [own, drawn] = [logp[row] as number, behaviourLogp[row] as number];
    if (Number.isFinite(own) && Number.isFinite(drawn)) return;
    const problem =
      `prompt ${prompt}, sequence ${sample}, new token ${tokens.length}: expected finite log-probabilities, got ${own} ` +
      `(${drawn} as drawn): the weights, or the scores that they give, hold NaN or infinities`;
    throw new EngineError(problem, { reason: "not-finite" });
  });
};

const advance = (sequence: Sequence, made: StepResult, row: number): void => {
  const token = made.token[row] as number;
  sequence.tokens.push(token);
  sequence.logp.push(made.logp[row] as number);
  sequence.behaviourLogp.push(made.behaviourLogp[row] as number);
  if (made.topTokens !== undefined && made.topLogp !== undefined) {
    const k = made.topTokens.length / made.token.length;
    const [tokens, logp] = [made.topTokens, made.topLogp].map((x) => Array.from(x.subarray(row * k, row * k + k)));
    sequence.alternatives.push({ tokens: tokens as number[], logp: logp as number[] });
  }
  sequence.position++;
  sequence.last = token;
  if (sequence.seen !== null) sequence.seen[token] = 1;
};

/** Takes finished sequences out; the last row moves into each gap, and the batch shrinks when half of it is empty. */
const retire = <P>(run: Run<P>): void => {
  for (let row = run.active.length - 1; row >= 0; row--) {
    const sequence = run.active[row] as Sequence;
    const finish = finishOf(sequence, run.plan);
    if (finish === null) continue;
    run.done(sequence, completionOf(sequence, finish));
    const last = run.active.pop() as Sequence;
    if (last === sequence) continue;
    run.active[row] = last;
    copyRows(run.cache, run.cache, [{ from: run.active.length, to: row, length: last.position }]);
  }
  run.cache = shrinkRows(run.cache, rowsFor(run.active.length));
};

const step = async <P>(machine: Machine<P>, run: Run<P>): Promise<void> => {
  fitCache(run, run.active);
  const inputs = stepInputs(machine, run);
  const { temperature, topK, topP, repetitionPenalty, alternatives } = run.plan;
  const settings = { temperature, topK, topP, repetitionPenalty, alternatives };
  const made = await machine.graphs.decode(run.params, inputs, run.cache, settings);
  checkNumbers(run.active, made); // before any row is taken for finished
  const positions = inputs.filled.data as Int32Array;
  writeRows(run.cache, { keys: made.keys, values: made.values, positions }, run.active.length);
  run.active.forEach((sequence, row) => advance(sequence, made, row));
  retire(run);
};

/**
 * Runs until nothing is left and nothing more comes.
 * @throws AbortError, EngineError; `not-finite` when scores hold NaN
 */
export const runJob = async <P>(machine: Machine<P>, job: Job<P>): Promise<void> => {
  const memory = machine.spare.pop() ?? cacheMemory(machine.decoder.cache);
  const run: Run<P> = { ...job, queue: [], read: new Map(), active: [], cache: memory.make(0, 0), memory };
  try {
    for (;;) {
      throwIfAborted(job.signal);
      await admit(machine, run);
      if (run.active.length === 0) return;
      await step(machine, run);
    }
  } finally {
    memory.rest(KEPT);
    machine.spare.push(memory);
  }
};
