/** A sampling worker: an engine with few threads, its own copy of the weights, one job at a time. */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { createEngine } from "../engine/engine.ts";
import { createSampler } from "../sample/sampler.ts";
import { postedError } from "./posted-error.ts";
import type { Finished, Reply, Request, WorkerSetup } from "./sample-messages.ts";
import { weightsReader } from "./shared-weights.ts";

const setup = workerData as WorkerSetup;
const port = parentPort as MessagePort;
const jobs = new Map<number, AbortController>();
const read = weightsReader(setup.config);
const queue: { last: Promise<unknown> } = { last: Promise.resolve() };

const started = createEngine({ runtime: setup.runtime, threads: setup.threads }).then((engine) => ({
  engine,
  sampler: createSampler(engine, setup.config, { maxBatch: setup.maxBatch }),
}));

const tell = (reply: Reply, transfer: ArrayBuffer[] = []): void => port.postMessage(reply, transfer);

/** What finishes in one step of decoding is told in one message. */
const teller = (id: number) => {
  let waiting: Finished[] = [];
  const flush = (): void => {
    const finished = waiting;
    waiting = [];
    if (finished.length === 0) return;
    const arrays = finished.flatMap(({ completion: { tokens, logp, behaviourLogp } }) => [tokens, logp, behaviourLogp]);
    tell(
      { id, kind: "some", finished },
      arrays.map((array) => array.buffer as ArrayBuffer),
    );
  };
  const push = (completion: Finished["completion"], place: Finished["place"]): void => {
    if (waiting.length === 0) queueMicrotask(flush);
    waiting.push({ completion, place });
  };
  return { push, flush };
};

const run = async ({ id, weights, prompts, options }: Extract<Request, { kind: "sample" }>): Promise<void> => {
  try {
    const { sampler } = await started;
    const { push, flush } = teller(id);
    await sampler.sample(read(weights), prompts, { ...options, signal: jobs.get(id)?.signal }, push);
    flush();
    tell({ id, kind: "done" });
  } catch (error) {
    tell({ id, kind: "failed", error: postedError(error) });
  } finally {
    jobs.delete(id);
  }
};

const endAll = async ({ engine, sampler }: Awaited<typeof started>): Promise<void> => {
  await sampler[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
};

/** Ends the thread between two runs of the runtime: in the middle of one it would take the whole process with it. */
const close = async (): Promise<void> => {
  for (const job of jobs.values()) job.abort();
  await queue.last;
  await started.then(endAll).catch(() => undefined); // whoever waited was told what failed
  port.close();
};

port.on("message", (request: Request) => {
  if (request.kind === "abort") return jobs.get(request.id)?.abort();
  if (request.kind === "close") return void close();
  jobs.set(request.id, new AbortController());
  queue.last = queue.last.then(() => run(request)); // the next job may bring other weights
});
