/** A judging worker: a model of its own on one thread. */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import type { JudgeReply, JudgeRequest, JudgeSetup } from "./judge-messages.ts";
import { openHere } from "./open-here.ts";
import { postedError } from "./posted-error.ts";

const { path, options, revision } = workerData as JudgeSetup;
const port = parentPort as MessagePort;
const closing = new AbortController();
const calls = new Map<number, AbortController>();
const say = (reply: JudgeReply): void => port.postMessage(reply);

const opened = openHere(path, { ...options, signal: closing.signal }, revision);
opened.then(
  ({ name, revision, fingerprint }) => say({ id: 0, opened: { name, revision, fingerprint } }),
  (error: unknown) => say({ id: 0, error: postedError(error) }),
);

const complete = async ({ id, messages, n, options: call }: Extract<JudgeRequest, { kind: "complete" }>) => {
  const control = new AbortController();
  calls.set(id, control);
  try {
    const model = await opened;
    say({ id, made: await model.completeMany(messages, n, { ...call, signal: control.signal }) });
  } catch (error) {
    say({ id, error: postedError(error) });
  } finally {
    calls.delete(id);
  }
};

/** Ends the thread between two runs of the runtime: in the middle of one it would take the whole process with it. */
const close = async (): Promise<void> => {
  closing.abort();
  await opened.then((model) => model[Symbol.asyncDispose]()).catch(() => undefined);
  port.close();
};

port.on("message", (request: JudgeRequest) => {
  if (request.kind === "abort") calls.get(request.id)?.abort();
  else if (request.kind === "close") void close();
  else void complete(request);
});
