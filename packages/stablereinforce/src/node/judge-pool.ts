/**
 * A local model in several workers with one thread each. Decoding small models is many small products, which threads of one run
 * share badly; whole replies they share well.
 */
import { AbortError, ConfigError, MediaError, ModelError, type Completion, type SampleOptions } from "@r1reward/core";
import { Worker } from "node:worker_threads";
import type { LocalChatModel } from "../qwen/chat/index.ts";
import type { Identity, JudgeReply, JudgeRequest, JudgeSetup, PostedError } from "./judge-messages.ts";

interface Waiter {
  readonly resolve: (made: readonly Completion[]) => void;
  readonly reject: (error: Error) => void;
  readonly sequences: number;
}

interface Member {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiter>;
  dead: Error | undefined;
}

const ERRORS: Readonly<Record<string, (error: PostedError) => Error>> = {
  R1_ABORTED: ({ message }) => new AbortError(message),
  R1_CONFIG: ({ message }) => new ConfigError(message),
  R1_MEDIA: ({ message, reason }) => new MediaError(reason ?? "unreadable", message),
};

const errorOf = (posted: PostedError, model: string): Error =>
  ERRORS[posted.code ?? ""]?.(posted) ?? new ModelError(posted.message, { model, retryable: false });

const lose = (member: Member, error: Error): void => {
  member.dead ??= error;
  for (const { reject } of member.waiting.values()) reject(error);
  member.waiting.clear();
};

const receive = (member: Member, reply: JudgeReply, name: string): void => {
  const waiter = member.waiting.get(reply.id);
  member.waiting.delete(reply.id);
  if (member.waiting.size === 0) member.worker.unref(); // an idle pool does not keep the process alive
  if ("made" in reply) waiter?.resolve(reply.made);
  else if ("error" in reply) waiter?.reject(errorOf(reply.error, name));
};

/** Starts a worker. → when its model is open. @throws what opening throws, but for its class; ModelError when it dies */
const start = (url: URL, setup: JudgeSetup): Promise<{ member: Member; identity: Identity }> =>
  new Promise((resolve, reject) => {
    const member: Member = { worker: new Worker(url, { workerData: setup }), waiting: new Map(), dead: undefined };
    const fail = (message: string): void => {
      const error = new ModelError(`judging worker: ${message}`, { model: setup.path, retryable: false });
      lose(member, error);
      reject(error);
    };
    member.worker.on("error", (error: Error) => fail(error.message));
    member.worker.on("exit", (code) => fail(`ended with exit code ${code}`));
    member.worker.once("message", (first: JudgeReply) => {
      if ("error" in first) {
        member.worker.postMessage({ kind: "close" } satisfies JudgeRequest);
        return reject(errorOf(first.error, setup.path));
      }
      if (!("opened" in first)) return fail("spoke before its model was open");
      member.worker.on("message", (reply: JudgeReply) => receive(member, reply, first.opened.name));
      member.worker.unref();
      resolve({ member, identity: first.opened });
    });
  });

/** Lets a worker finish the step it is at, and end. Terminating it in native code would end the process. */
const end = (member: Member): Promise<void> =>
  new Promise((resolve) => {
    if (member.dead !== undefined) return resolve(); // it has ended, or is about to
    lose(member, new AbortError("the model was closed"));
    member.worker.ref();
    member.worker.once("exit", () => resolve());
    member.worker.postMessage({ kind: "close" } satisfies JudgeRequest);
  });

const load = ({ waiting }: Member): number => [...waiting.values()].reduce((sum, { sequences }) => sum + sequences, 0);

const freest = (members: readonly Member[]): Member =>
  members.reduce((best, member) => (load(member) < load(best) && member.dead === undefined ? member : best));

const ask = (
  member: Member,
  request: Extract<JudgeRequest, { kind: "complete" }>,
  signal: AbortSignal | undefined,
): Promise<readonly Completion[]> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(new AbortError("aborted by the caller", { cause: signal.reason }));
    if (member.dead !== undefined) return reject(member.dead);
    const abort = (): void => member.worker.postMessage({ kind: "abort", id: request.id } satisfies JudgeRequest);
    const settled =
      <A>(settle: (value: A) => void) =>
      (value: A): void => {
        signal?.removeEventListener("abort", abort);
        settle(value);
      };
    signal?.addEventListener("abort", abort, { once: true });
    member.waiting.set(request.id, { resolve: settled(resolve), reject: settled(reject), sequences: request.n });
    member.worker.ref();
    member.worker.postMessage(request);
  });

const counter = () => {
  const counted = { completions: 0, promptTokens: 0, completionTokens: 0, mostAtOnce: 0 };
  return {
    began: (now: number): void => void (counted.mostAtOnce = Math.max(counted.mostAtOnce, now)),
    add: (made: readonly Completion[]): void => {
      counted.completions += made.length;
      counted.promptTokens += made[0]?.usage.promptTokens ?? 0;
      counted.completionTokens += made.reduce((sum, { usage }) => sum + (usage.completionTokens ?? 0), 0);
    },
    stats: () => ({ ...counted }),
  };
};

/**
 * Opens a folder in several workers. Each has its own copy of the weights, and gets the calls that come when it has least to do.
 *
 * @throws ConfigError, ModelError when a worker cannot start
 */
export const openJudgePool = async (url: URL, setup: JudgeSetup, workers: number): Promise<LocalChatModel> => {
  const started = await Promise.allSettled(Array.from({ length: workers }, () => start(url, setup)));
  const all = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const members = all.map(({ member }) => member);
  const close = async (): Promise<void> => {
    await Promise.all(members.map(end));
  };
  const failed = started.find((one) => one.status === "rejected");
  if (failed !== undefined || all[0] === undefined) {
    await close();
    throw failed?.reason ?? new ConfigError(`workers: expected a positive whole number, got ${workers}`);
  }
  const { add, began, stats } = counter();
  const ids = { next: 1 };
  const completeMany: LocalChatModel["completeMany"] = async (messages, n, call: SampleOptions = {}) => {
    const { signal, ...options } = call;
    const request = { kind: "complete" as const, id: ids.next++, messages, n, options };
    const asked = ask(freest(members), request, signal);
    began(members.reduce((sum, member) => sum + load(member), 0));
    const made = await asked;
    add(made);
    return made;
  };
  return {
    ...all[0].identity,
    complete: async (messages, call) => (await completeMany(messages, 1, call))[0] as Completion,
    completeMany,
    stats,
    [Symbol.asyncDispose]: close,
  };
};
