/** For the tests of this folder: a judge of known qualities, a server on a free port, requests over real sockets. */
import { request as httpRequest, type Agent } from "node:http";
import type { JudgeOptions, Judgment, PairwiseJudge, Preference } from "@r1reward/core";
import type { ServeClock } from "./clock.ts";
import type { ServeRewardsOptions } from "./options.ts";
import { serveRewards } from "./server.ts";

/** `q=3` in an answer is its quality; an answer without one has quality 0. */
export const qualityOf = (text: string): number => Number(/q=(-?[\d.]+)/.exec(text)?.[1] ?? 0);

/** A judge that remembers what it was asked. */
export interface KnownJudge extends PairwiseJudge {
  readonly calls: { readonly pair: Preference; readonly swapped: boolean }[];
}

/** A judgment that holds a verdict and a word of reasoning. */
export const judgmentOf = (verdict: Judgment["verdict"], swapped = false): Judgment => ({
  verdict,
  reasoning: "because",
  text: "",
  swapped,
  usage: { promptTokens: null, completionTokens: null },
  latencyMs: 0,
  cached: false,
  warnings: [],
});

/** Names the answer of higher quality, after `delayMs`. `before` may throw. */
export const knownJudge = (
  options: { delayMs?: number; before?: (pair: Preference, call: JudgeOptions) => unknown } = {},
): KnownJudge => {
  const calls: KnownJudge["calls"] = [];
  return {
    name: "known",
    calls,
    async judge(pair, call = {}) {
      calls.push({ pair, swapped: call.swapped ?? false });
      await options.before?.(pair, call);
      if (options.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.delayMs));
      const [a, b] = pair.responses.map(qualityOf) as [number, number];
      return judgmentOf(a === b ? { kind: "tie" } : { kind: "winner", winner: a > b ? 0 : 1 }, call.swapped);
    },
  };
};

/** A reply, whole. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly bytes: Buffer;
  readonly json: unknown;
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** How a request is sent. */
export interface SendOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

/** One request over a real socket; GET may have a body too. */
export const send = (url: string, body?: unknown, options: SendOptions = {}): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const { method = body === undefined ? "GET" : "POST", headers = {}, agent, signal } = options;
    const bytes =
      body === undefined
        ? Buffer.alloc(0)
        : body instanceof Uint8Array
          ? body
          : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    const type = { "content-type": "application/json", "content-length": String(bytes.length) };
    const sent = httpRequest(
      url,
      { method, headers: { ...type, ...headers }, ...(agent && { agent }), ...(signal && { signal }) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("error", reject);
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const all = Buffer.concat(chunks);
          const text = all.toString("utf8");
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            bytes: all,
            json: parsed(text),
          });
        });
      },
    );
    sent.on("error", reject);
    sent.end(bytes);
  });

/** A server on a free port that judges with `knownJudge` unless told otherwise. */
export const startServer = async (options: ServeRewardsOptions = {}) => {
  const judge = options.rewardModel === undefined ? { judge: options.judge ?? knownJudge() } : {};
  return serveRewards({ port: 0, ...options, ...judge });
};

/** Waits until something holds. */
export const until = async (holds: () => boolean, ms = 10_000): Promise<void> => {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error("it never held");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

/** The value of a series in Prometheus text. */
export const metricOf = (text: string, series: string): number | undefined => {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

/** Time that only moves when told to. */
export const manualClock = () => {
  let now = 0;
  const timers = new Set<{ at: number; action: () => void }>();
  const clock: ServeClock = {
    now: () => now,
    after(ms, action) {
      const timer = { at: now + ms, action };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  };
  const settle = async () => {
    for (let turn = 0; turn < 40; turn++) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const advance = async (ms: number) => {
    const end = now + ms;
    for (;;) {
      await settle();
      const due = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      timers.delete(due);
      now = due.at;
      due.action();
    }
    now = end;
    await settle();
  };
  return { clock, advance, settle };
};
