/** One call: a turn, a request, a reply; again when that may help; until the deadline or the caller ends it. */
import { AbortError, ModelError, throwIfAborted, type R1Error } from "../errors.ts";
import type { Awaitable } from "../interfaces.ts";
import type { Completion } from "../types.ts";
import type { Pieces } from "./body.ts";
import { onAbort } from "../abort.ts";
import type { Clock } from "./clock.ts";
import { deadlineError, httpFailure, modelError, networkFailure, type Failure, type Speaker } from "./failure.ts";
import type { Lease, Limiter, Outcome } from "./limiter.ts";
import { readReply } from "./reply.ts";
import { backoffMs, type RetryBudget, type RetryPolicy } from "./retry.ts";
import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";

/** Counted since the client was made. */
export interface CallCounts {
  requests: number;
  succeeded: number;
  failed: number;
  aborted: number;
  retries: number;
}

/** Everything that calls share. */
export interface Engine {
  readonly transport: Transport;
  readonly limiter: Limiter;
  readonly budget: RetryBudget;
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly random: () => number;
  /** 0 when there is none. */
  readonly deadlineMs: number;
  /** Sees to it that calls end at their deadline. */
  readonly watch: () => void;
  /** Headers of a request; asked for each try, because keys may expire. */
  readonly headers: () => Awaitable<Readonly<Record<string, string>>>;
  readonly speaker: Speaker;
  readonly counts: CallCounts;
  /** Calls in progress; closing the client ends them. */
  readonly open: Set<Scope>;
}

/** A call in progress and what may end it early. */
export interface Scope {
  /** When the deadline passes; `undefined` until the first try, and without a deadline. */
  until: number | undefined;
  attempts: number;
  /** The last try that failed. */
  last: Failure | undefined;
  /** Ends the call with this error: leaves the line, hangs up, or stops waiting. Only the first one counts. */
  end(why: R1Error): void;
}

interface LiveScope extends Scope {
  ended: R1Error | undefined;
  onEnd: ((why: R1Error) => void) | undefined;
  stopWatching: (() => void) | undefined;
}

const openScope = (engine: Engine, signal: AbortSignal | undefined): LiveScope => {
  const scope: LiveScope = {
    ended: undefined,
    onEnd: undefined,
    attempts: 0,
    last: undefined,
    until: undefined,
    stopWatching: undefined,
    end: (why) => {
      if (scope.ended !== undefined) return;
      scope.ended = why;
      scope.onEnd?.(why);
    },
  };
  if (signal !== undefined) {
    scope.stopWatching = onAbort(signal, (reason) => {
      scope.end(new AbortError("aborted by the caller", { cause: reason }));
    });
  }
  engine.open.add(scope);
  return scope;
};

const closeScope = (engine: Engine, scope: LiveScope): void => {
  scope.onEnd = undefined;
  scope.stopWatching?.();
  engine.open.delete(scope);
};

// The deadline runs from a call's first turn: what waits in line here waits for the caller's own other calls.
const startDeadline = (engine: Engine, scope: LiveScope): void => {
  if (engine.deadlineMs === 0 || scope.until !== undefined) return;
  scope.until = engine.clock.now() + engine.deadlineMs;
  engine.watch();
};

const turn = async (engine: Engine, scope: LiveScope): Promise<Lease> => {
  const lease = await new Promise<Lease>((resolve, reject) => {
    const leave = engine.limiter.wait(resolve, scope.attempts > 0);
    const giveUp = (why: R1Error): void => {
      leave();
      reject(why);
    };
    scope.onEnd = giveUp;
  });
  if (scope.ended !== undefined) {
    lease.release("neutral");
    throw scope.ended;
  }
  return lease;
};

const pause = (engine: Engine, scope: LiveScope, ms: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const callOff = engine.clock.after(ms, resolve);
    const giveUp = (why: R1Error): void => {
      callOff();
      reject(why);
    };
    scope.onEnd = giveUp;
  });

type Tried = { readonly value: readonly Completion[]; readonly failure?: undefined } | { readonly failure: Failure };

interface Job {
  readonly path: string;
  readonly body: Pieces;
}

const interpret = (engine: Engine, response: TransportResponse, began: number): Tried => {
  const now = engine.clock.now();
  if (response.status < 200 || response.status > 299) return { failure: httpFailure(response, now) };
  const read = readReply(response.text, now - began);
  return read.ok ? { value: read.value } : { failure: read.failure };
};

const exchange = (engine: Engine, scope: LiveScope, request: TransportRequest): Promise<Tried> =>
  new Promise((resolve, reject) => {
    const began = engine.clock.now();
    const { response, cancel } = engine.transport.send(request);
    // Named first, assigned then: V8 puts a function that is written into a property straight into its old space, and
    // with it keeps every finished request alive until the next full collection. That doubled the CPU time of a request.
    const hangUp = (why: R1Error): void => {
      reject(why);
      cancel(why);
    };
    scope.onEnd = hangUp;
    response.then(
      (whole) => {
        resolve(interpret(engine, whole, began));
      },
      (error: unknown) => {
        resolve({ failure: networkFailure(error) });
      },
    );
  });

const send = (engine: Engine, scope: LiveScope, job: Job, lease: Lease): Promise<Tried> => {
  const { origin, path } = lease.endpoint;
  const dispatch = (headers: Readonly<Record<string, string>>): Promise<Tried> => {
    if (scope.ended !== undefined) return Promise.reject(scope.ended);
    return exchange(engine, scope, { method: "POST", origin, path: `${path}${job.path}`, headers, body: job.body });
  };
  const headers = engine.headers();
  if (!(headers instanceof Promise)) return dispatch(headers);
  return new Promise((resolve, reject) => {
    scope.onEnd = reject;
    headers.then(dispatch).then(resolve, reject);
  });
};

const outcomeOf = (failure: Failure): Outcome => (failure.overload ? "overload" : failure.fault ? "fault" : "neutral");

/** How long to wait before the next try; throws when there is none. */
const beforeNext = (engine: Engine, scope: LiveScope, failure: Failure, lease: Lease): number => {
  const { policy, budget, speaker } = engine;
  const { attempts } = scope;
  if (!failure.retryable || attempts >= policy.attempts) throw modelError(speaker, failure, attempts);
  if (!budget.take()) throw modelError(speaker, failure, attempts, "the client's retry budget is spent");
  // Another replica need not recover first.
  if (failure.fault && engine.limiter.hasOther(lease.endpoint)) return 0;
  const ms = backoffMs(policy, attempts, failure.retryAfterMs, engine.random);
  if (scope.until !== undefined && engine.clock.now() + ms >= scope.until) {
    throw deadlineError(speaker, engine.deadlineMs, attempts, failure);
  }
  return ms;
};

const tries = async (engine: Engine, scope: LiveScope, job: Job): Promise<readonly Completion[]> => {
  for (;;) {
    const lease = engine.limiter.take() ?? (await turn(engine, scope));
    startDeadline(engine, scope);
    scope.attempts += 1;
    let tried: Tried;
    try {
      tried = await send(engine, scope, job, lease);
    } catch (ended) {
      lease.release("neutral");
      throw ended;
    }
    const { failure } = tried;
    if (failure === undefined) {
      lease.release("ok");
      return tried.value;
    }
    lease.release(outcomeOf(failure), failure.retryAfterMs);
    scope.last = failure;
    const ms = beforeNext(engine, scope, failure, lease);
    engine.counts.retries += 1;
    if (ms > 0) await pause(engine, scope, ms);
    if (scope.ended !== undefined) throw scope.ended;
  }
};

/**
 * Posts a body until it is answered.
 *
 * @throws ModelError when the server refuses, the tries or the retry budget are used up, or the deadline has passed;
 * AbortError as soon as the signal fires.
 */
export const runCall = async (
  engine: Engine,
  job: Job,
  signal: AbortSignal | undefined,
): Promise<readonly Completion[]> => {
  throwIfAborted(signal);
  const scope = openScope(engine, signal);
  engine.counts.requests += 1;
  engine.budget.deposit();
  try {
    const completions = await tries(engine, scope, job);
    engine.counts.succeeded += 1;
    return completions;
  } catch (error) {
    if (error instanceof AbortError) engine.counts.aborted += 1;
    else engine.counts.failed += 1;
    throw error;
  } finally {
    closeScope(engine, scope);
  }
};

/** Ends every call in progress, because the client was closed. */
export const endCalls = (engine: Engine): void => {
  const { model, where } = engine.speaker;
  for (const scope of engine.open) {
    scope.end(new ModelError(`${model} at ${where}: the client was closed`, { model, retryable: false }));
  }
};
