/**
 * Sampling in several workers with one thread each. Decoding is bound by memory and by many small products, which intra-op
 * threads share badly; whole sequences they share well.
 */
import { AbortError, ConfigError, throwIfAborted } from "@r1reward/core";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { EngineError } from "../engine/errors.ts";
import type { RuntimeName } from "../engine/types.ts";
import { fullConfig, type TransformerConfig } from "../model/config.ts";
import { planOf, sequencesOf } from "../sample/sequence.ts";
import type { Completion, HostSampler, OnCompletion, SampleOptions, SamplePrompt } from "../sample/types.ts";
import type { Finished, Reply, Request, WorkerSetup } from "./sample-messages.ts";
import { weightsWriter, type SharedWeights } from "./shared-weights.ts";

/** How a pool is made. */
export interface SamplePoolOptions {
  /** Default: as many as the machine runs at once. */
  readonly workers?: number | undefined;
  /** Threads of each worker. Default 1. */
  readonly threads?: number | undefined;
  /** Default `onnx-node`. */
  readonly runtime?: RuntimeName | undefined;
  /** Most sequences side by side in one worker. Default 64. */
  readonly maxBatch?: number | undefined;
  /** The worker's module, for bundlers that move it. */
  readonly workerUrl?: URL | undefined;
}

/** A sampler spread over workers. Results equal a single sampler's: a sequence depends on its seed alone. */
export interface SamplePool extends HostSampler, AsyncDisposable {
  readonly workers: number;
  /**
   * Samples every sequence of every prompt. → `[prompt][sequence]`. Parameters go to the workers when they are another object than
   * in the call before; change numbers in place and they go unnoticed.
   *
   * @throws ConfigError, AbortError, EngineError (`runtime`, also when a worker dies).
   */
  readonly sample: HostSampler["sample"];
}

interface Waiter {
  readonly finish: (finished: readonly Finished[]) => void;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiter>;
  dead: Error | undefined;
}

const failure = (error: unknown): Error => {
  const { code, message } = error as { code?: string; message?: string };
  if (code === "R1_ABORTED") return new AbortError("aborted by the caller", { cause: error });
  return new EngineError(`sampling worker: ${message ?? String(error)}`, { reason: "runtime" }, { cause: error });
};

const lose = (member: Member, error: Error): void => {
  member.dead ??= error;
  for (const { reject } of member.waiting.values()) reject(error);
  member.waiting.clear();
};

const startMember = (url: URL, setup: WorkerSetup): Member => {
  const member: Member = {
    worker: new Worker(url, { workerData: setup }),
    waiting: new Map(),
    dead: undefined,
  };
  member.worker.on("message", (reply: Reply) => {
    const waiter = member.waiting.get(reply.id);
    if (reply.kind === "some") return waiter?.finish(reply.finished);
    member.waiting.delete(reply.id);
    if (member.waiting.size === 0) member.worker.unref(); // an idle pool does not keep the process alive
    if (reply.kind === "done") waiter?.resolve();
    else waiter?.reject(failure(reply.error));
  });
  member.worker.on("error", (error) => lose(member, failure(error)));
  member.worker.on("exit", (code) => lose(member, failure({ message: `ended with exit code ${code}` })));
  member.worker.unref();
  return member;
};

/** Which sequences of which prompts a worker gets. */
interface Share {
  readonly prompts: SamplePrompt[];
  /** Prompt and first sequence of each entry of `prompts` in the whole. */
  readonly places: { readonly prompt: number; readonly first: number }[];
}

/**
 * Whole prompts go in turn when there are at least two for every worker, so that each is read once in all; otherwise every
 * prompt's sequences are cut into equal runs.
 */
const shares = (prompts: readonly SamplePrompt[], workers: number): Share[] => {
  const all = Array.from({ length: workers }, (): Share => ({ prompts: [], places: [] }));
  const pieces = prompts.length >= 2 * workers ? 1 : workers;
  let next = 0;
  prompts.forEach((whole, prompt) => {
    const { seeds } = whole;
    const each = Math.max(1, Math.ceil(seeds.length / pieces));
    for (let first = 0; first < seeds.length; first += each) {
      const share = all[next++ % workers] as Share;
      share.prompts.push({ ...whole, seeds: seeds.slice(first, first + each) });
      share.places.push({ prompt, first });
    }
  });
  return all.filter((share) => share.prompts.length > 0);
};

const withoutSignal = ({ signal: _signal, ...rest }: SampleOptions): Omit<SampleOptions, "signal"> => rest;

interface Job {
  readonly id: number;
  readonly weights: SharedWeights;
  readonly prompts: readonly SamplePrompt[];
  readonly options: SampleOptions;
  readonly onCompletion: OnCompletion | undefined;
}

const ask = (member: Member, job: Job, share: Share, finish: Waiter["finish"]): Promise<void> =>
  new Promise((resolve, reject) => {
    if (member.dead !== undefined) return reject(member.dead);
    const { id, weights, options } = job;
    member.waiting.set(id, { finish, resolve, reject });
    member.worker.ref();
    const { prompts } = share;
    member.worker.postMessage({
      kind: "sample",
      id,
      weights,
      prompts,
      options: withoutSignal(options),
    } satisfies Request);
  });

const checkWhole = (name: string, value: number): number => {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new ConfigError(`sample pool ${name}: expected a positive whole number, got ${value}`);
};

const spread = async (members: readonly Member[], job: Job, returned: () => void): Promise<Completion[][]> => {
  const { id, prompts, options, onCompletion } = job;
  const results = prompts.map((): Completion[] => []);
  const abort = (): void => {
    for (const { worker } of members) worker.postMessage({ kind: "abort", id } satisfies Request);
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  const asked = shares(prompts, members.length).map((share, i) =>
    ask(members[i] as Member, job, share, (finished) => {
      for (const { completion, place } of finished) {
        const { prompt, first } = share.places[place[0]] as Share["places"][number];
        (results[prompt] as Completion[])[first + place[1]] = completion;
        onCompletion?.(completion, [prompt, first + place[1]]);
      }
    }),
  );
  void Promise.allSettled(asked).then(returned);
  try {
    await Promise.all(asked);
    return results;
  } catch (error) {
    abort(); // the others need not finish
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
};

/**
 * Starts the workers.
 *
 * @throws ConfigError on options that cannot be.
 */
export const createSamplePool = (config: TransformerConfig, options: SamplePoolOptions = {}): SamplePool => {
  const c = fullConfig(config);
  const workers = checkWhole("workers", options.workers ?? availableParallelism());
  const setup: WorkerSetup = {
    config,
    runtime: options.runtime ?? "onnx-node",
    threads: checkWhole("threads", options.threads ?? 1),
    maxBatch: checkWhole("maxBatch", options.maxBatch ?? 64),
  };
  const url = options.workerUrl ?? new URL("./sample-worker.js", import.meta.url);
  const members = Array.from({ length: workers }, () => startMember(url, setup));
  const jobs = { next: 1 };
  const writer = weightsWriter(config);
  return {
    workers,
    sample: async (params, prompts, options, onCompletion) => {
      throwIfAborted(options.signal);
      sequencesOf(prompts, planOf(options, c.vocabSize), c.vocabSize); // bad options fail here, as they do without workers
      const weights = writer.write(params);
      return spread(members, { id: jobs.next++, weights, prompts, options, onCompletion }, writer.lend());
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(members.map(({ worker }) => worker.terminate()));
    },
  };
};
