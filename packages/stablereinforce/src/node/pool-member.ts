/** A worker of a pool, whatever it does: who waits for its answers, what they hear when it dies, and how it is ended. */
import { ConfigError, messageOf } from "@r1reward/core";
import { Worker } from "node:worker_threads";

/** Somebody who waits for the answer to a request. */
export interface Waiter {
  readonly reject: (error: Error) => void;
}

/** A worker, and who waits for it. */
export interface Member<W extends Waiter> {
  readonly worker: Worker;
  /** By the number of their request. */
  readonly waiting: Map<number, W>;
  /** When the thread is no more. */
  readonly ended: Promise<void>;
  /** Why it takes no more requests. */
  dead: Error | undefined;
}

/** What a pool does with its workers' messages and deaths. */
export interface MemberEvents<W extends Waiter, Reply> {
  readonly reply: (member: Member<W>, reply: Reply) => void;
  /** The error that everybody who waits is told. */
  readonly died: (problem: string) => Error;
}

const lose = (member: Member<Waiter>, error: Error): void => {
  member.dead ??= error;
  for (const { reject } of member.waiting.values()) reject(error);
  member.waiting.clear();
};

/** Starts a worker. It keeps the process alive until `letIdle`. */
export const startMember = <W extends Waiter, Reply>(
  url: URL,
  workerData: unknown,
  { reply, died }: MemberEvents<W, Reply>,
): Member<W> => {
  const worker = new Worker(url, { workerData });
  const ended = new Promise<void>((resolve) => void worker.once("exit", () => resolve()));
  const member: Member<W> = { worker, waiting: new Map(), ended, dead: undefined };
  worker.on("message", (message: Reply) => reply(member, message));
  worker.on("messageerror", (error: unknown) => lose(member, died(messageOf(error))));
  worker.on("error", (error: unknown) => lose(member, died(messageOf(error))));
  worker.on("exit", (code) => lose(member, died(`ended with exit code ${code}`)));
  return member;
};

/** An idle worker does not keep the process alive; one that is being ended does. */
export const letIdle = ({ worker, waiting, dead }: Member<Waiter>): void => {
  if (waiting.size === 0 && dead === undefined) worker.unref();
};

/** Posts a request for somebody who waits. They are told if the worker is dead, or the request cannot be posted (functions). */
export const askMember = <W extends Waiter>(member: Member<W>, request: { readonly id: number }, waiter: W): void => {
  if (member.dead !== undefined) return waiter.reject(member.dead);
  try {
    member.worker.postMessage(request);
  } catch (cause) {
    return waiter.reject(new ConfigError(`no data that can go to a worker: ${messageOf(cause)}`, { cause }));
  }
  member.waiting.set(request.id, waiter);
  member.worker.ref();
};

/** Takes out who waited for a request: nothing more comes. */
export const release = <W extends Waiter>(member: Member<W>, id: number): W | undefined => {
  const waiter = member.waiting.get(id);
  member.waiting.delete(id);
  letIdle(member);
  return waiter;
};

/**
 * Tells everybody who waits why there will be no answer, lets the worker finish the step it is at, and ends it. Workers understand
 * `{ kind: "close" }`: terminating one while it is in native code would end the process.
 */
export const endMember = async (member: Member<Waiter>, why: Error): Promise<void> => {
  member.worker.ref();
  if (member.dead === undefined) {
    lose(member, why);
    member.worker.postMessage({ kind: "close" });
  }
  await member.ended;
};
