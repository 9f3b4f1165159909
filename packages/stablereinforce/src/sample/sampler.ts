/** Sampling with a key/value cache: prompts are read once, rows join and leave a running batch. */
import { ConfigError, throwIfAborted } from "@r1reward/core";
import type { HostTensor } from "../engine/tensor.ts";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Engine, Given } from "../engine/types.ts";
import { fullConfig, type TransformerConfig } from "../model/config.ts";
import type { TransformerParams } from "../model/params.ts";
import { capacityFor, copyRows, makeCache, rowsFor, shrinkRows, writeRows, type Cache } from "./cache.ts";
import { compileGraphs, type Graphs, type HostStep, type StepResult } from "./compiled.ts";
import type { Decoder } from "./decoder.ts";
import { transformerDecoder } from "./graphs.ts";
import { completionOf, finishOf, planOf, sequencesOf, type Plan, type Sequence } from "./sequence.ts";
import type { Completion, OnCompletion, SampleOptions, SamplePrompt } from "./types.ts";

/** Samples from a model. One call runs at a time per sampler; graphs are kept between calls. P is the tree of its parameters. */
export interface Sampler<P = TransformerParams<Tensor>> extends AsyncDisposable {
  /**
   * Samples every sequence of every prompt. → `[prompt][sequence]`, in the order asked.
   *
   * @param onCompletion Is told of each sequence as soon as it is finished, while others are still being sampled.
   * @throws ConfigError on options or prompts that cannot be, AbortError, EngineError.
   */
  readonly sample: (
    params: Given<P>,
    prompts: readonly SamplePrompt[],
    options: SampleOptions,
    onCompletion?: OnCompletion,
  ) => Promise<Completion[][]>;
}

/** Limits of a sampler. */
export interface SamplerOptions {
  /** Most sequences decoded side by side. Default 64. The cache takes `2 · layers · kvHeads · headSize · 4` bytes a token. */
  readonly maxBatch?: number | undefined;
}

/** The model and its graphs. */
interface Machine<P> {
  readonly decoder: Decoder<P>;
  readonly graphs: Graphs<Given<P>>;
}

/** One call of `sample`. */
interface Run<P> {
  readonly params: Given<P>;
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
const readPrompts = async <P>(
  { decoder, graphs }: Machine<P>,
  run: Run<P>,
  indices: readonly number[],
  bucket: number,
): Promise<void> => {
  const rows = 2 ** Math.ceil(Math.log2(indices.length));
  const prompts = indices.map((index) => run.prompts[index] as SamplePrompt);
  const made = await graphs.prefill(run.params, decoder.layPrompts(prompts, [rows, bucket]));
  indices.forEach((index, row) => run.read.set(index, { rows: made, row }));
};

const readNewPrompts = async <P>(machine: Machine<P>, run: Run<P>, admitted: readonly Sequence[]): Promise<void> => {
  const buckets = new Map<number, number[]>();
  for (const index of new Set(admitted.map((sequence) => sequence.prompt))) {
    const length = (run.prompts[index] as SamplePrompt).tokens.length - 1;
    if (length === 0 || run.read.has(index)) continue;
    const bucket = capacityFor(length);
    buckets.set(bucket, [...(buckets.get(bucket) ?? []), index]);
  }
  for (const [bucket, indices] of buckets) {
    for (let at = 0; at < indices.length; at += 16) await readPrompts(machine, run, indices.slice(at, at + 16), bucket);
  }
};

/** Makes the cache large enough for `count` rows and one more position of each; rows keep their contents. */
const fitCache = <P>({ decoder }: Machine<P>, run: Run<P>, sequences: readonly Sequence[]): void => {
  const positions = sequences.reduce((most, sequence) => Math.max(most, sequence.position + 1), 1);
  const rows = rowsFor(sequences.length);
  const capacity = capacityFor(positions);
  if (run.cache.rows >= rows && run.cache.capacity >= capacity) return;
  const larger = makeCache(decoder.cache, Math.max(rows, run.cache.rows), Math.max(capacity, run.cache.capacity));
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
  if (run.queue.length === 0 || (run.active.length > 0 && free * 4 < run.maxBatch)) return;
  const admitted = run.queue.splice(0, free);
  await readNewPrompts(machine, run, admitted);
  const first = run.active.length;
  fitCache(machine, run, [...run.active, ...admitted]);
  admitted.forEach((sequence, i) => {
    const source = run.read.get(sequence.prompt);
    const copy = { from: source?.row ?? 0, to: first + i, length: sequence.position };
    if (source !== undefined) copyRows(source.rows, run.cache, [copy]);
  });
  run.active.push(...admitted);
  const waiting = new Set(run.queue.map((sequence) => sequence.prompt));
  for (const index of [...run.read.keys()]) if (!waiting.has(index)) run.read.delete(index);
};

const stepInputs = <P>({ decoder }: Machine<P>, run: Run<P>): HostStep => {
  const { rows } = run.cache;
  const each = (value: (sequence: Sequence) => number): HostTensor => {
    const data = new Int32Array(rows);
    run.active.forEach((sequence, i) => void (data[i] = value(sequence)));
    return int32(data, [rows]);
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
const retire = <P>(run: Run<P>): void => {
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

const step = async <P>(machine: Machine<P>, run: Run<P>): Promise<void> => {
  fitCache(machine, run, run.active);
  const inputs = stepInputs(machine, run);
  const { temperature, topK, topP, repetitionPenalty } = run.plan;
  const settings = { temperature, topK, topP, repetitionPenalty };
  const made = await machine.graphs.decode(run.params, inputs, run.cache, settings);
  const positions = inputs.filled.data as Int32Array;
  writeRows(run.cache, { keys: made.keys, values: made.values, positions }, run.active.length);
  run.active.forEach((sequence, row) => advance(sequence, made, row));
  retire(run);
};

const sampleAll = async <P>(
  machine: Machine<P>,
  run: Run<P>,
  signal: AbortSignal | undefined,
): Promise<Completion[][]> => {
  while (run.queue.length > 0 || run.active.length > 0) {
    throwIfAborted(signal);
    await admit(machine, run);
    await step(machine, run);
  }
  return run.results;
};

/**
 * A sampler for any model that can be decoded, on one engine. Parameters are arguments of every call, so a policy in
 * training is sampled with its newest weights and no graph is built again.
 *
 * @throws ConfigError on limits that cannot be.
 */
export const decoderSampler = <P>(engine: Engine, decoder: Decoder<P>, options: SamplerOptions = {}): Sampler<P> => {
  const maxBatch = options.maxBatch ?? 64;
  if (!Number.isSafeInteger(maxBatch) || maxBatch < 1) {
    throw new ConfigError(`sampler maxBatch: expected a positive whole number, got ${maxBatch}`);
  }
  const graphs = compileGraphs(engine, decoder);
  return {
    sample: async (params, prompts, how, onCompletion) => {
      const plan = planOf(how, decoder.vocabSize);
      const queue = sequencesOf(prompts, plan, decoder.vocabSize);
      const results = prompts.map((): Completion[] => []);
      const cache = makeCache(decoder.cache, 0, 0);
      const state = { queue, read: new Map(), results, active: [], cache };
      const run = { params, prompts, maxBatch, plan, onCompletion, ...state };
      return sampleAll({ decoder, graphs }, run, how.signal);
    },
    [Symbol.asyncDispose]: graphs.dispose,
  };
};

/**
 * A sampler for the small transformer.
 *
 * @throws ConfigError on sizes that do not fit together.
 */
export const createSampler = (engine: Engine, config: TransformerConfig, options: SamplerOptions = {}): Sampler =>
  decoderSampler(engine, transformerDecoder(fullConfig(config)), options);
