/** Sampling with a key/value cache: prompts are read once, rows join and leave a running batch. */
import { ConfigError, throwIfAborted } from "@r1reward/core";
import type { HostTensor } from "../engine/tensor.ts";
import type { Engine } from "../engine/types.ts";
import { fullConfig, type TransformerConfig } from "../model/config.ts";
import { capacityFor, copyRows, makeCache, rowsFor, shrinkRows, writeRows, type Cache } from "./cache.ts";
import { compileGraphs, type Graphs, type HostStep, type SampleParams, type StepResult } from "./compiled.ts";
import { completionOf, finishOf, planOf, sequencesOf, type Plan, type Sequence } from "./sequence.ts";
import type { Completion, SampleOptions, SamplePrompt } from "./types.ts";

/** Samples from a model. One call runs at a time per sampler; graphs are kept between calls. */
export interface Sampler extends AsyncDisposable {
  /**
   * Samples every sequence of every prompt. → `[prompt][sequence]`, in the order asked.
   *
   * @param onCompletion Is told of each sequence as soon as it is finished, while others are still being sampled.
   * @throws ConfigError on options or prompts that cannot be, AbortError, EngineError.
   */
  readonly sample: (
    params: SampleParams,
    prompts: readonly SamplePrompt[],
    options: SampleOptions,
    onCompletion?: OnCompletion,
  ) => Promise<Completion[][]>;
}

/** A finished sequence, and its prompt and place among its prompt's sequences. */
export type OnCompletion = (completion: Completion, place: readonly [prompt: number, sequence: number]) => void;

/** Limits of a sampler. */
export interface SamplerOptions {
  /** Most sequences decoded side by side. Default 64. The cache takes `2 · layers · kvHeads · headSize · 4` bytes a token. */
  readonly maxBatch?: number | undefined;
}

/** One call of `sample`. */
interface Run {
  readonly params: SampleParams;
  readonly prompts: readonly SamplePrompt[];
  readonly maxBatch: number;
  readonly plan: Plan;
  readonly queue: Sequence[];
  /** Prompts that were read, as long as sequences of them wait. */
  readonly read: Map<number, { rows: Pick<Cache, "keys" | "values">; row: number }>;
  readonly results: Completion[][];
  readonly onCompletion: OnCompletion | undefined;
  /** Row i of the cache belongs to `active[i]`. */
  active: Sequence[];
  cache: Cache;
}

const int32 = (data: Int32Array, shape: readonly number[]): HostTensor => ({ data, shape, dtype: "int32" });

/** Reads prompts of one length bucket, 16 at most, into `run.read`. */
const readPrompts = async (graphs: Graphs, run: Run, indices: readonly number[], bucket: number): Promise<void> => {
  const rows = 2 ** Math.ceil(Math.log2(indices.length));
  const tokens = new Int32Array(rows * bucket);
  indices.forEach((index, row) => {
    const prompt = (run.prompts[index] as SamplePrompt).tokens;
    for (let i = 0; i < prompt.length - 1; i++) tokens[row * bucket + i] = prompt[i] as number;
  });
  const made = await graphs.prefill(run.params, int32(tokens, [rows, bucket]));
  indices.forEach((index, row) => run.read.set(index, { rows: made, row }));
};

const readNewPrompts = async (graphs: Graphs, run: Run, admitted: readonly Sequence[]): Promise<void> => {
  const buckets = new Map<number, number[]>();
  for (const index of new Set(admitted.map((sequence) => sequence.prompt))) {
    const length = (run.prompts[index] as SamplePrompt).tokens.length - 1;
    if (length === 0 || run.read.has(index)) continue;
    const bucket = capacityFor(length);
    buckets.set(bucket, [...(buckets.get(bucket) ?? []), index]);
  }
  for (const [bucket, indices] of buckets) {
    for (let at = 0; at < indices.length; at += 16) await readPrompts(graphs, run, indices.slice(at, at + 16), bucket);
  }
};

/** Makes the cache large enough for `count` rows and one more position of each; rows keep their contents. */
const fitCache = (graphs: Graphs, run: Run, sequences: readonly Sequence[]): void => {
  const positions = sequences.reduce((most, sequence) => Math.max(most, sequence.position + 1), 1);
  const rows = rowsFor(sequences.length);
  const capacity = capacityFor(positions);
  if (run.cache.rows >= rows && run.cache.capacity >= capacity) return;
  const larger = makeCache(graphs.c, Math.max(rows, run.cache.rows), Math.max(capacity, run.cache.capacity));
  copyRows(
    run.cache,
    larger,
    run.active.map(({ position }, row) => ({ from: row, to: row, length: position })),
  );
  run.cache = larger;
};

/** Takes waiting sequences into the batch when enough rows are free for reading prompts to be worth a stop. */
const admit = async (graphs: Graphs, run: Run): Promise<void> => {
  const free = run.maxBatch - run.active.length;
  if (run.queue.length === 0 || (run.active.length > 0 && free * 4 < run.maxBatch)) return;
  const admitted = run.queue.splice(0, free);
  await readNewPrompts(graphs, run, admitted);
  const first = run.active.length;
  fitCache(graphs, run, [...run.active, ...admitted]);
  admitted.forEach((sequence, i) => {
    const source = run.read.get(sequence.prompt);
    const copy = { from: source?.row ?? 0, to: first + i, length: sequence.position };
    if (source !== undefined) copyRows(source.rows, run.cache, [copy]);
  });
  run.active.push(...admitted);
  const waiting = new Set(run.queue.map((sequence) => sequence.prompt));
  for (const index of [...run.read.keys()]) if (!waiting.has(index)) run.read.delete(index);
};

const stepInputs = (graphs: Graphs, run: Run): HostStep => {
  const { rows } = run.cache;
  const each = <A extends Int32Array | Float32Array>(data: A, value: (sequence: Sequence) => number): A => {
    run.active.forEach((sequence, i) => void (data[i] = value(sequence)));
    return data;
  };
  const tokens = int32(
    each(new Int32Array(rows), (sequence) => sequence.last),
    [rows],
  );
  const positions = int32(
    each(new Int32Array(rows), (sequence) => sequence.position),
    [rows],
  );
  const uniforms = each(new Float32Array(rows), (sequence) => sequence.uniform());
  const step = { tokens, positions, uniforms: { data: uniforms, shape: [rows], dtype: "float32" as const } };
  if (run.plan.repetitionPenalty === 1) return step;
  const vocab = graphs.c.vocabSize;
  const seen = new Float32Array(rows * vocab);
  run.active.forEach((sequence, i) => seen.set(sequence.seen as Float32Array, i * vocab));
  return { ...step, seen: { data: seen, shape: [rows, vocab], dtype: "float32" } };
};

const advance = (sequence: Sequence, made: StepResult, row: number): void => {
  const token = made.token[row] as number;
  sequence.tokens.push(token);
  sequence.logp.push(made.logp[row] as number);
  sequence.behaviourLogp.push(made.behaviourLogp[row] as number);
  sequence.position++;
  sequence.last = token;
  if (sequence.seen !== null) sequence.seen[token] = 1;
};

/** Takes finished sequences out; the last row moves into each gap, and the batch shrinks when half of it is empty. */
const retire = (run: Run): void => {
  for (let row = run.active.length - 1; row >= 0; row--) {
    const sequence = run.active[row] as Sequence;
    const finish = finishOf(sequence, run.plan);
    if (finish === null) continue;
    const completion = completionOf(sequence, finish);
    (run.results[sequence.prompt] as Completion[])[sequence.sample] = completion;
    run.onCompletion?.(completion, [sequence.prompt, sequence.sample]);
    const last = run.active.pop() as Sequence;
    if (last === sequence) continue;
    run.active[row] = last;
    copyRows(run.cache, run.cache, [{ from: run.active.length, to: row, length: last.position }]);
  }
  run.cache = shrinkRows(run.cache, rowsFor(run.active.length));
};

const step = async (graphs: Graphs, run: Run): Promise<void> => {
  fitCache(graphs, run, run.active);
  const inputs = stepInputs(graphs, run);
  const { temperature, topK, topP, repetitionPenalty } = run.plan;
  const settings = { temperature, topK, topP, repetitionPenalty };
  const made = await graphs.decode(run.params, inputs, run.cache, settings);
  const positions = inputs.positions.data as Int32Array;
  writeRows(run.cache, { keys: made.keys, values: made.values, positions }, run.active.length);
  run.active.forEach((sequence, row) => advance(sequence, made, row));
  retire(run);
};

const sampleAll = async (graphs: Graphs, run: Run, signal: AbortSignal | undefined): Promise<Completion[][]> => {
  while (run.queue.length > 0 || run.active.length > 0) {
    throwIfAborted(signal);
    await admit(graphs, run);
    await step(graphs, run);
  }
  return run.results;
};

/**
 * A sampler for one model on one engine. Parameters are arguments of every call, so a policy in training is sampled
 * with its newest weights and no graph is built again.
 *
 * @throws ConfigError on sizes that do not fit together.
 */
export const createSampler = (engine: Engine, config: TransformerConfig, options: SamplerOptions = {}): Sampler => {
  const c = fullConfig(config);
  const maxBatch = options.maxBatch ?? 64;
  if (!Number.isSafeInteger(maxBatch) || maxBatch < 1) {
    throw new ConfigError(`sampler maxBatch: expected a positive whole number, got ${maxBatch}`);
  }
  const graphs = compileGraphs(engine, c);
  return {
    sample: async (params, prompts, how, onCompletion) => {
      const plan = planOf(how, c.vocabSize);
      const queue = sequencesOf(prompts, plan, c);
      const results = prompts.map((): Completion[] => []);
      const cache = makeCache(c, 0, 0);
      const state = { queue, read: new Map(), results, active: [], cache };
      return sampleAll(graphs, { params, prompts, maxBatch, plan, onCompletion, ...state }, how.signal);
    },
    [Symbol.asyncDispose]: graphs.dispose,
  };
};
