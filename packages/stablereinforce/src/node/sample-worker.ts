/** A sampling worker: an engine with few threads, its own copy of the weights, one job at a time. */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { createEngine } from "../engine/engine.ts";
import type { HostTensor } from "../engine/tensor.ts";
import type { TransformerParams } from "../model/params.ts";
import { createSampler } from "../sample/sampler.ts";
import type { Reply, Request, WorkerSetup } from "./sample-messages.ts";

const setup = workerData as WorkerSetup;
const port = parentPort as MessagePort;
const jobs = new Map<number, AbortController>();
const held: { params: TransformerParams<HostTensor> | undefined } = { params: undefined };

const started = createEngine({ runtime: setup.runtime, threads: setup.threads }).then((engine) =>
  createSampler(engine, setup.config, { maxBatch: setup.maxBatch }),
);

const run = async (request: Extract<Request, { kind: "sample" }>): Promise<Reply> => {
  const control = new AbortController();
  jobs.set(request.id, control);
  try {
    held.params = request.params ?? held.params;
    if (held.params === undefined) throw new Error("a job came before the first parameters");
    const sampler = await started;
    const options = { ...request.options, signal: control.signal };
    return { id: request.id, made: await sampler.sample(held.params, request.prompts, options) };
  } catch (error) {
    const { code } = error as { code?: string }; // posting an error keeps its message and drops its fields
    return { id: request.id, error: { code, message: error instanceof Error ? error.message : String(error) } };
  } finally {
    jobs.delete(request.id);
  }
};

port.on("message", (request: Request) => {
  if (request.kind === "abort") jobs.get(request.id)?.abort();
  else void run(request).then((reply) => port.postMessage(reply));
});
