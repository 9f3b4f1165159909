/** The reward server. */
import { createServer, type Server } from "node:http";
import { isIPv6, type AddressInfo } from "node:net";
import { ConfigError, messageOf, redact, type GroupComparison } from "@r1reward/core";
import { serveClock } from "./clock.ts";
import type { Desk } from "./desk.ts";
import { guardJudge } from "./guard.ts";
import type { RendezvousEvents } from "./hall.ts";
import { createGate } from "./hold.ts";
import { createGuard } from "./http.ts";
import { resolveQuestion } from "./images.ts";
import { createJobs } from "./jobs.ts";
import { openJournal, type Journal } from "./journal.ts";
import { serveLimits, type ServeLimits } from "./limits.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { checkOptions, type ServeRewardsOptions } from "./options.ts";
import { journalEvents, recover } from "./recover.ts";
import { createRendezvous } from "./rendezvous.ts";
import { answer, type Router } from "./routes.ts";
import { judgeScorer, modelScorer, type Scorer } from "./scoring.ts";
import { createWatch, type Watch } from "./watch.ts";
import { wireFormats } from "./wire/index.ts";

/** What a server has done and is doing. */
export interface ServeStats {
  readonly held: number;
  readonly openGroups: number;
  readonly frozenGroups: number;
  readonly groups: number;
  readonly members: number;
  readonly retries: number;
  readonly shed: number;
  readonly judgeCalls: number;
  /** The judge names one position whatever it is shown. */
  readonly alarm: boolean;
  readonly draining: boolean;
}

/** A running reward server. */
export interface RewardServer extends AsyncDisposable {
  /** `http://127.0.0.1:20240` */
  readonly url: string;
  readonly port: number;
  stats(): ServeStats;
  /** The metrics in the Prometheus text format, as `/metrics` gives them. */
  metrics(): string;
  /**
   * Opens no more groups, lets those under way end for `timeoutMs` (default 30,000), then ends. Without a `stateDir`,
   * groups that are still incomplete then are judged as they are, for as long again.
   */
  drain(options?: { readonly timeoutMs?: number | undefined }): Promise<void>;
  /** Ends at once. Held requests are told to come back. */
  close(): Promise<void>;
}

const eventsOf = (
  options: ServeRewardsOptions,
  parts: { metrics: Metrics; watch: Watch; journal: Journal | undefined },
): RendezvousEvents => {
  const { metrics, watch, journal } = parts;
  const written = journal === undefined ? {} : journalEvents(journal);
  return {
    ...written,
    onFrozen(attempt, tookMs) {
      written.onFrozen?.(attempt, tookMs);
      watch.onFrozen(attempt);
      const { key, size, seats } = attempt;
      const partial = size !== undefined && seats.length < size;
      const whole = size === undefined ? "unknown" : partial ? "partial" : "complete";
      metrics.add("groups_total", 1, { whole });
      metrics.observe("judging_seconds", tookMs / 1000);
      const values = new Set(seats.map(({ result }) => result?.value));
      if (seats.length > 1 && values.size === 1) metrics.add("zero_spread_groups_total");
      options.onEvent?.({ kind: "group", key, members: seats.length, expected: size ?? null, tookMs });
    },
    onLate(attempt, seat) {
      written.onLate?.(attempt, seat);
      metrics.add("late_total");
    },
    onFailure(error) {
      metrics.add("group_failures_total");
      options.onEvent?.({ kind: "failure", message: redact(messageOf(error)) });
    },
  };
};

const scorerOf = (options: ServeRewardsOptions, metrics: Metrics, watch: Watch): Scorer => {
  const { judge, rewardModel, group, compare, judging, clock = serveClock } = options;
  if (judge === undefined) return modelScorer(rewardModel!);
  const onComparison = (comparison: GroupComparison): void => watch.onComparison(comparison);
  const guarded = guardJudge(judge, { ...judging, clock, metrics });
  return judgeScorer(guarded, { group: { ...group, onComparison }, compare });
};

interface Parts {
  readonly desk: Desk;
  readonly watch: Watch;
  readonly journal: Journal | undefined;
  readonly closing: { now: boolean; readonly waiting: Set<() => void> };
  readonly budget: { readonly maxBodyBytes: number; readonly maxBytesInFlight: number; inFlight: number };
}

const assemble = async (options: ServeRewardsOptions, limits: ServeLimits): Promise<Parts> => {
  const { clock = serveClock, stateDir, dataset, anchors, groupSize, quietMs = 2000, onEvent } = options;
  const metrics = createMetrics();
  const watch = createWatch(metrics, () =>
    onEvent?.({ kind: "alarm", message: "the judge names one position whatever it is shown" }),
  );
  const onError = (): void => metrics.add("journal_errors_total");
  const { retainMs } = limits;
  const journal = stateDir === undefined ? undefined : await openJournal({ folder: stateDir, retainMs, onError });
  const scorer = scorerOf(options, metrics, watch);
  const resolve: Desk["resolve"] = ({ prompt }) => resolveQuestion(prompt, dataset, limits.maxImages);
  const rendezvous = createRendezvous({
    scorer,
    clock,
    limits,
    anchors,
    groupSize,
    quietMs,
    resolve: ({ prompt }) => ({ ...resolve({ prompt }), reference: dataset?.find(prompt)?.reference }),
    events: eventsOf(options, { metrics, watch, journal }),
  });
  const gate = createGate(limits.maxHeld, limits.maxHeldPerClient);
  const closing: Parts["closing"] = { now: false, waiting: new Set() };
  const budget = { maxBodyBytes: limits.maxBodyBytes, maxBytesInFlight: limits.maxBytesInFlight, inFlight: 0 };
  metrics.gauge("held_requests", gate.held);
  metrics.gauge("open_groups", () => rendezvous.counts().open);
  metrics.gauge("frozen_groups", () => rendezvous.counts().frozen);
  metrics.gauge("bytes_in_flight", () => budget.inFlight);
  const pairs: Desk["pairs"] = createJobs({ clock, retainMs, most: limits.maxFrozen });
  const ending = { closing: closing.waiting, isClosing: () => closing.now };
  const desk: Desk = { rendezvous, pairs, scorer, resolve, gate, metrics, clock, limits, ...ending };
  if (journal !== undefined) {
    const groups = recover(journal, rendezvous, clock);
    if (groups > 0) onEvent?.({ kind: "recovered", groups });
  }
  return { desk, watch, journal, closing, budget };
};

const listen = (server: Server, port: number, host: string): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new ConfigError(`serveRewards: expected a free port ${port} on ${host}: ${messageOf(cause)}`, { cause })),
    );
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });

const httpServer = (router: Router, limits: ServeLimits): Server => {
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.max(100, Math.min(5000, limits.headersTimeoutMs / 2)),
      keepAliveTimeout: 120_000, // longer than the pools of the usual clients keep a connection
      maxHeaderSize: 16_384,
    },
    (request, response) => void answer(router, request, response),
  );
  server.maxConnections = limits.maxConnections;
  server.timeout = 0; // held requests are silent; how long they may be is the hold policy's business
  return server;
};

const ended = async (desk: Desk, ms: number): Promise<boolean> => {
  const until = performance.now() + ms;
  while (desk.gate.held() > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  return desk.gate.held() === 0;
};

const statsOf = ({ desk, watch }: Parts, draining: boolean): ServeStats => {
  const { metrics, rendezvous, gate } = desk;
  const { open, frozen } = rendezvous.counts();
  return {
    held: gate.held(),
    openGroups: open,
    frozenGroups: frozen,
    groups: metrics.total("groups_total"),
    members: metrics.total("members_total"),
    retries: metrics.total("retries_total"),
    shed: metrics.total("shed_total"),
    judgeCalls: metrics.total("judge_calls_total"),
    alarm: watch.alarm(),
    draining,
  };
};

const closeAll = async ({ desk, journal, closing }: Parts, server: Server): Promise<void> => {
  closing.now = true;
  for (const release of [...closing.waiting]) release();
  await new Promise((resolve) => setTimeout(resolve, 20)); // lets the 503s out
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
  desk.pairs.close();
  // Before the groups are given up: they are to be judged by whoever comes after, not written off.
  await journal?.close();
  desk.rendezvous.close();
};

/**
 * Starts a reward server that RLHF frameworks call unmodified.
 *
 * @throws {ConfigError} naming the option that cannot work, or when the port is taken.
 */
export const serveRewards = async (options: ServeRewardsOptions): Promise<RewardServer> => {
  const { formats = wireFormats, host = "127.0.0.1", port = 20240, auth, hold = {}, groupSize } = options;
  checkOptions(options, formats);
  const limits = serveLimits(options.limits);
  const parts = await assemble(options, limits);
  const { desk, watch, budget } = parts;
  let draining = false;
  let closed: Promise<void> | undefined;
  const health = () => ({ status: draining ? "draining" : watch.alarm() ? "degraded" : "ok" });
  const onError = (error: unknown): void => options.onEvent?.({ kind: "failure", message: redact(messageOf(error)) });
  const allowed = createGuard(auth?.tokens ?? []);
  const server = httpServer({ desk, formats, hold, groupSize, budget, allowed, health, onError }, limits);
  const address = await listen(server, port, host);
  const close = (): Promise<void> => (closed ??= closeAll(parts, server));
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    stats: () => statsOf(parts, draining),
    metrics: desk.metrics.render,
    async drain({ timeoutMs = 30_000 } = {}) {
      draining = true;
      desk.rendezvous.stopOpening();
      if (!(await ended(desk, timeoutMs)) && parts.journal === undefined) {
        desk.rendezvous.fireAll();
        await ended(desk, timeoutMs);
      }
      await close();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};
