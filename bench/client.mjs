#!/usr/bin/env node
// What a request costs the client: CPU time per request and requests per second of our model client against `openai`,
// `ai`, global fetch and a bare undici pool. Server and clients are processes of their own; the clients take turns in
// short windows, so that whatever else the machine does hits all of them alike. Medians over the rounds.
//
//   npm run bench:client -- [--quick] [--json] [--rounds n] [--window ms] [--only text-0-64,…] [--core module]
import { fork } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { peers } from "./client/peers.mjs";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
    window: { type: "string" },
    only: { type: "string" },
    core: { type: "string", default: "@r1reward/core" },
  },
});
// Many short windows: a busy moment of the machine then hits one round, and the same round of all clients.
const rounds = Number(values.rounds ?? (values.quick ? 3 : 15));
const windowMs = Number(values.window ?? (values.quick ? 150 : 400));
const warmMs = values.quick ? 250 : 500;
const names = Object.keys(peers);
const OURS = "@r1reward/core";

const scenarios = ["text", "image"].flatMap((kind) =>
  [0, 50].flatMap((delay) => [64, 256].map((concurrency) => ({ kind, delay, concurrency }))),
);
const nameOf = ({ kind, delay, concurrency }) => `${kind}-${delay}-${concurrency}`;
const wanted = values.only?.split(",");

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const next = async (child) => (await once(child, "message"))[0];
const start = async (file, args = []) => {
  const child = fork(new URL(`client/${file}`, import.meta.url), args.map(String));
  child.on("exit", (code) => {
    if (code !== 0) throw new Error(`${file} ${args.join(" ")}: ended with code ${code}`);
  });
  return { child, hello: await next(child) };
};
const tell = (child, message) => {
  child.send(message);
  return next(child);
};

const { child: server, hello } = await start("server.mjs");

const measure = async (scenario) => {
  const { kind, delay, concurrency } = scenario;
  const baseURL = `http://127.0.0.1:${hello.port}/d${delay}/v1`;
  const clients = [];
  for (const name of names) {
    const { child } = await start("worker.mjs", [name, baseURL, kind === "image" ? 1 : 0, concurrency, values.core]);
    await tell(child, { ms: warmMs, warm: values.quick ? "short" : "long" });
    clients.push({ name, child, windows: [] });
  }
  await tell(server, "reset");
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < clients.length; i++) {
      const client = clients[(i + round) % clients.length];
      client.windows.push(await tell(client.child, { ms: windowMs }));
    }
  }
  const { meanWaitMs } = await tell(server, "reset");
  for (const { child } of clients) child.disconnect();
  const results = Object.fromEntries(
    clients.map(({ name, windows }) => [
      name,
      Object.fromEntries(Object.keys(windows[0]).map((key) => [key, median(windows.map((window) => window[key]))])),
    ]),
  );
  const cpuOf = Object.fromEntries(clients.map(({ name, windows }) => [name, windows.map((one) => one.cpuMicros)]));
  return { ...scenario, ceilingPerSecond: delay === 0 ? null : (concurrency * 1000) / meanWaitMs, results, cpuOf };
};

const table = (title, rows, cell) => {
  const widths = [16, ...names.map((name) => Math.max(15, name.length + 1))];
  const line = (cells) => cells.map((text, i) => text.padEnd(widths[i])).join("");
  console.log(`\n${title}\n${line(["scenario", ...names])}`);
  for (const row of rows) console.log(line([nameOf(row), ...names.map((name) => cell(row, name))]));
};

/** How many times the CPU of `other` a request of `name` costs: the median over the rounds, each taken for itself. */
const ratio = ({ cpuOf }, name, other) => median(cpuOf[name].map((cpu, round) => cpu / cpuOf[other][round]));

const find = (rows, kind, delay, concurrency) =>
  rows.find((row) => row.kind === kind && row.delay === delay && row.concurrency === concurrency);

/** The project's aims, from the rows that were measured. */
const aims = (rows) => {
  const list = [];
  const add = (aim, value, holds) => list.push({ aim, value, holds });
  for (const row of rows.filter(({ kind }) => kind === "text")) {
    const times = ratio(row, OURS, "undici pool");
    add(`${nameOf(row)}: at most 1.3x the CPU of a bare pool`, times, times <= 1.3);
  }
  for (const row of rows.filter(({ kind }) => kind === "image")) {
    const pool = ratio(row, "undici pool", OURS);
    const sdk = ratio(row, "openai", OURS);
    add(`${nameOf(row)}: at least 3x cheaper than a bare pool with JSON.stringify`, pool, pool >= 3);
    add(`${nameOf(row)}: at least 10x cheaper than openai`, sdk, sdk >= 10);
  }
  for (const row of ["text", "image"].map((kind) => find(rows, kind, 50, 256)).filter(Boolean)) {
    const share = row.results[OURS].perSecond / row.ceilingPerSecond;
    add(`${nameOf(row)}: at least 95 % of the latency ceiling`, share, share >= 0.95);
  }
  return list;
};

const rows = [];
for (const scenario of scenarios) {
  if (wanted === undefined || wanted.includes(nameOf(scenario))) rows.push(await measure(scenario));
}
server.disconnect();

const machine = { node: process.version, cpu: cpus()[0]?.model.trim(), cores: cpus().length };
const verdicts = aims(rows);
if (values.json) {
  console.log(JSON.stringify({ ...machine, rounds, windowMs, scenarios: rows, aims: verdicts }, null, 2));
} else {
  console.log(`Node ${machine.node}, ${machine.cores} x ${machine.cpu}, ${rounds} rounds of ${windowMs} ms`);
  console.log("scenario: kind-server milliseconds-concurrency");
  table("client CPU per request, microseconds (ratio to the bare pool)", rows, (row, name) => {
    return `${row.results[name].cpuMicros.toFixed(0)} (x${ratio(row, name, "undici pool").toFixed(2)})`;
  });
  table("requests per second", rows, (row, name) => row.results[name].perSecond.toFixed(0));
  table("latency p50 / p99, ms", rows, (row, name) => {
    const { p50, p99 } = row.results[name];
    return `${p50.toFixed(1)} / ${p99.toFixed(1)}`;
  });
  table("resident memory, MB", rows, (row, name) => row.results[name].rssMB.toFixed(0));
  console.log("\naims");
  for (const { aim, value, holds } of verdicts)
    console.log(`${holds ? "  holds " : "  MISSED"} ${value.toFixed(2)}  ${aim}`);
}
