/** Back-pressure towards the judge: a cap over all groups, a limit per call, patience while it is down. */
import { setMaxListeners } from "node:events";
import {
  isR1Error,
  ModelError,
  type JudgeOptions,
  type Judgment,
  type PairwiseJudge,
  type Preference,
} from "@r1reward/core";
import type { ServeClock } from "./clock.ts";
import type { Metrics } from "./metrics.ts";

/** How the judge is treated. */
export interface JudgePolicy {
  /** Judge calls at once over all groups. Default 64. */
  readonly concurrency?: number | undefined;
  /** Milliseconds that one call may take. Default 300,000. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds that a call is repeated while the judge is down. Default 180,000; 0 to fail at once. */
  readonly patienceMs?: number | undefined;
}

/** What the guard needs. */
export interface GuardOptions extends JudgePolicy {
  readonly clock: ServeClock;
  readonly metrics: Metrics;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

const isRetryable = (error: unknown): boolean =>
  isR1Error(error) && error.code === "R1_MODEL" && "retryable" in error && error.retryable === true;

/** Hands out turns, first come first served. Whoever is aborted leaves the line. */
const createTurns = (most: number) => {
  let running = 0;
  const line = new Set<() => void>();
  const leave = (): void => {
    const next = line.values().next();
    if (next.done === true) running -= 1;
    else {
      line.delete(next.value);
      next.value();
    }
  };
  const enter = (signal: AbortSignal | undefined): Promise<void> => {
    if (running < most) {
      running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const stop = (): void => {
        line.delete(go);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
      line.add(go);
    });
  };
  return { enter, leave, waiting: () => line.size };
};

const pause = (clock: ServeClock, ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });

/** One try with a time limit of its own. Whatever ends it first decides, and nothing is made ready for what seldom happens. */
const tryOnce = (
  judge: PairwiseJudge,
  pair: Preference,
  call: JudgeOptions,
  { clock, timeoutMs = 300_000 }: GuardOptions,
): Promise<Judgment> =>
  new Promise((resolve, reject) => {
    const limit = new AbortController();
    const { signal } = call;
    const end = (): void => {
      cancel();
      signal?.removeEventListener("abort", stop);
    };
    const give = (error: unknown): void => {
      end();
      limit.abort(error);
      reject(error as Error);
    };
    const stop = (): void => give(signal?.reason);
    const cancel = clock.after(timeoutMs, () => {
      const message = `${judge.name}: expected a verdict within ${timeoutMs} ms, got none`;
      give(new ModelError(message, { model: judge.name, retryable: true }));
    });
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted === true) return stop();
    // A judge that throws before it returns a promise is caught as well.
    const judging = (async () => judge.judge(pair, { ...call, signal: limit.signal }))();
    judging.then(
      (judgment) => {
        end();
        resolve(judgment);
      },
      (error: unknown) => {
        end();
        reject(error as Error);
      },
    );
  });

/** A judge that is never asked more at once than it can take, and is asked again while it is down. */
export const guardJudge = (judge: PairwiseJudge, options: GuardOptions): PairwiseJudge => {
  const { clock, metrics, concurrency = 64, patienceMs = 180_000 } = options;
  const turns = createTurns(concurrency);
  metrics.gauge("judge_queue", turns.waiting);
  const once = async (pair: Preference, call: JudgeOptions): Promise<Judgment> => {
    await turns.enter(call.signal);
    const started = clock.now();
    try {
      const judgment = await tryOnce(judge, pair, call, options);
      metrics.add("judge_calls_total", 1, { outcome: judgment.verdict.kind });
      if (judgment.cached) metrics.add("cache_hits_total");
      return judgment;
    } catch (error) {
      metrics.add("judge_calls_total", 1, { outcome: "failed" });
      throw error;
    } finally {
      metrics.observe("judge_seconds", (clock.now() - started) / 1000);
      turns.leave();
    }
  };
  return {
    name: judge.name,
    async judge(pair, call = {}) {
      // One signal serves all calls of a group, and each waits for it.
      if (call.signal !== undefined) setMaxListeners(0, call.signal);
      const deadline = clock.now() + patienceMs;
      for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(2 * wait, LONGEST_PAUSE_MS)) {
        try {
          return await once(pair, call);
        } catch (error) {
          if (call.signal?.aborted === true || !isRetryable(error) || clock.now() + wait > deadline) throw error;
          metrics.add("judge_retries_total");
        }
        await pause(clock, wait, call.signal);
      }
    },
  };
};
