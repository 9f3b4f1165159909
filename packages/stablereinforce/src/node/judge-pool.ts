/**
 * A local model in several workers with one thread each. Decoding small models is many small products, which threads of one run
 * share badly; whole replies they share well.
 */
import { AbortError, ModelError, throwIfAborted, type Completion, type SampleOptions } from "@r1reward/core";
import type { LocalChatModel } from "../qwen/chat/index.ts";
import type { Identity, JudgeReply, JudgeRequest, JudgeSetup } from "./judge-messages.ts";
import { chooser, load, type Loaded } from "./choose-member.ts";
import { askMember, endMember, release, startMember, type Member } from "./pool-member.ts";
import { errorFrom } from "./posted-error.ts";

interface JudgeWaiter extends Loaded {
  readonly told: (reply: Exclude<JudgeReply, { error: unknown }>) => void;
}

type JudgeMember = Member<JudgeWaiter>;

const start = (url: URL, setup: JudgeSetup): JudgeMember => {
  const model = setup.options.name ?? setup.path;
  const wrap = (message: string): Error => new ModelError(message, { model, retryable: false });
  return startMember<JudgeWaiter, JudgeReply>(url, setup, {
    reply: (member, reply) => {
      const waiter = release(member, reply.id);
      if ("error" in reply) waiter?.reject(errorFrom(reply.error, wrap));
      else waiter?.told(reply);
    },
    died: (problem) => wrap(`judging worker: ${problem}`),
  });
};

/** When a worker's model is open. @throws what opening throws, ModelError when the worker dies */
const opened = (member: JudgeMember): Promise<Identity> =>
  new Promise((resolve, reject) => {
    const told: JudgeWaiter["told"] = (reply) => void ("opened" in reply && resolve(reply.opened));
    member.waiting.set(0, { told, reject, sequences: 0 });
  });

const endAll = async (members: readonly JudgeMember[], why: Error): Promise<void> => {
  await Promise.all(members.map((member) => endMember(member, why)));
};

/** When all are open; if one cannot be, the others are ended first. */
const allOpened = async (members: readonly JudgeMember[], signal: AbortSignal | undefined): Promise<Identity> => {
  const abort = (): void =>
    void endAll(members, new AbortError("aborted by the caller", { cause: signal?.reason as unknown }));
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const [identity] = await Promise.all(members.map(opened));
    return identity as Identity;
  } catch (error) {
    await endAll(members, error as Error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
};

const ask = (
  member: JudgeMember,
  request: Extract<JudgeRequest, { kind: "complete" }>,
  signal: AbortSignal | undefined,
): Promise<readonly Completion[]> =>
  new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const abort = (): void => member.worker.postMessage({ kind: "abort", id: request.id } satisfies JudgeRequest);
    signal?.addEventListener("abort", abort, { once: true });
    const leave = (): void => signal?.removeEventListener("abort", abort);
    askMember(member, request, {
      sequences: request.n,
      told: (reply) => {
        leave();
        if ("made" in reply) resolve(reply.made);
      },
      reject: (error) => {
        leave();
        const aborted = signal?.aborted === true;
        reject(aborted ? new AbortError("aborted by the caller", { cause: signal.reason }) : error);
      },
    });
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
 * @throws what opening throws, in its own class; AbortError; ModelError when a worker cannot start
 */
export const openJudgePool = async (
  url: URL,
  setup: JudgeSetup,
  { workers, signal }: { readonly workers: number; readonly signal: AbortSignal | undefined },
): Promise<LocalChatModel> => {
  const members = Array.from({ length: workers }, () => start(url, setup));
  const identity = await allOpened(members, signal);
  const { add, began, stats } = counter();
  const choose = chooser(members);
  const ids = { next: 1 };
  const completeMany: LocalChatModel["completeMany"] = async (messages, n, call: SampleOptions = {}) => {
    const { signal, ...options } = call;
    const request = { kind: "complete" as const, id: ids.next++, messages, n, options };
    const asked = ask(choose(messages), request, signal);
    began(members.reduce((sum, member) => sum + load(member), 0));
    const made = await asked;
    add(made);
    return made;
  };
  return {
    ...identity,
    complete: async (messages, call) => (await completeMany(messages, 1, call))[0] as Completion,
    completeMany,
    stats,
    [Symbol.asyncDispose]: () => endAll(members, new AbortError("the model was closed")),
  };
};
