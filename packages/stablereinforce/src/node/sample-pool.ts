/**
 * Sampling in several workers with one thread each. Decoding is bound by memory and by many small products, which intra-op
 * threads share badly; whole sequences they share well.
 */
import { AbortError, ConfigError, throwIfAborted } from "@r1reward/core";
import { availableParallelism } from "node:os";
import { EngineError } from "../engine/errors.ts";
import type { RuntimeName } from "../engine/types.ts";
import { fullConfig, type TransformerConfig } from "../model/config.ts";
import { planOf, sequencesOf } from "../sample/sequence.ts";
import type { Completion, HostSampler, OnCompletion, SampleOptions, SamplePrompt } from "../sample/types.ts";
import { askMember, endMember, letIdle, release, startMember, type Member, type Waiter } from "./pool-member.ts";
import { errorFrom } from "./posted-error.ts";
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

interface SampleWaiter extends Waiter {
  readonly finish: (finished: readonly Finished[]) => void;
  readonly resolve: () => void;
}

type SampleMember = Member<SampleWaiter>;

const failed = (message: string): Error => new EngineError(`sampling worker: ${message}`, { reason: "runtime" });

const receive = (member: SampleMember, reply: Reply): void => {
  if (reply.kind === "some") return member.waiting.get(reply.id)?.finish(reply.finished);
  const waiter = release(member, reply.id);
  if (reply.kind === "done") waiter?.resolve();
  else waiter?.reject(errorFrom(reply.error, failed));
};

const start = (url: URL, setup: WorkerSetup): SampleMember => {
  const member = startMember<SampleWaiter, Reply>(url, setup, { reply: receive, died: failed });
  letIdle(member);
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

const ask = (member: SampleMember, job: Job, share: Share, finish: SampleWaiter["finish"]): Promise<void> =>
  new Promise((resolve, reject) => {
    const { id, weights, options } = job;
    const { prompts } = share;
    const request = { kind: "sample", id, weights, prompts, options: withoutSignal(options) } satisfies Request;
    askMember(member, request, { finish, resolve, reject });
  });

const checkWhole = (name: string, value: number): number => {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new ConfigError(`sample pool ${name}: expected a positive whole number, got ${value}`);
};

const spread = async (members: readonly SampleMember[], job: Job, returned: () => void): Promise<Completion[][]> => {
  const { id, prompts, options, onCompletion } = job;
  const results = prompts.map((): Completion[] => []);
  const abort = (): void => {
    for (const { worker } of members) worker.postMessage({ kind: "abort", id } satisfies Request);
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  const asked = shares(prompts, members.length).map((share, i) =>
    ask(members[i] as SampleMember, job, share, (finished) => {
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
    throwIfAborted(options.signal);
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
  const members = Array.from({ length: workers }, () => start(url, setup));
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
      const closed = new AbortError("the pool was closed");
      await Promise.all(members.map((member) => endMember(member, closed)));
    },
  };
};
