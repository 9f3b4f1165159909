#!/usr/bin/env node
// The reward server against reward servers as the peers build them, all with a judge that costs nothing: requests per second,
// latency, processor time per answer, memory. Servers are processes of their own, get the same payloads, and take turns.
//
//   npm run bench:serve -- [--quick] [--json] [--rounds n] [--window ms] [--only single,…]
//
// The peers need Python with fastapi, uvicorn[standard] and flask: PYTHON=<path>. Without it only ours is measured.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { load } from "./serve/load.mjs";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
    window: { type: "string" },
    only: { type: "string" },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 2 : 5));
const windowMs = Number(values.window ?? (values.quick ? 800 : 2000));
const warmMs = windowMs / 8;
// What is compiled at run time is: every server answers so many first, or runs for so long.
const [warmAnswers, longestWarmMs] = values.quick ? [4000, 5000] : [24_000, 30_000];
const python = process.env.PYTHON ?? ".venv/bin/python";
const hasPeers = spawnSync(python, ["-c", "import fastapi, uvicorn, flask"]).status === 0;
const here = (file) => fileURLToPath(new URL(`serve/${file}`, import.meta.url));

const OPEN = "<|im_start|>user\nWhat is shown in the picture? It is number ";
const MIDDLE = `. ${"Look at all of it before you answer. ".repeat(12)}<|im_end|>\n<|im_start|>assistant\n`;
const ANSWER = `<think>${"I see a cat that sits on a mat beside a window. ".repeat(16)}</think><answer>a cat, `;
const number = (value) => String(value).padStart(9, "0");
const promptOf = (group) => `${OPEN}${number(group)}${MIDDLE}`;
const answerOf = (member) => `${ANSWER}${number(member)}</answer>`;
const post = (path, body) => {
  const text = JSON.stringify(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`;
  return Buffer.from(head + text, "latin1");
};
const output = (text) => ({
  id: "resp",
  object: "response",
  output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text, annotations: [] }] }],
});
const member = (at) => [Math.floor(at / 8), at % 8];
// Every window asks about prompts of its own: a repeated question would be answered from memory.
let base = 0;

const single = (at) => {
  const [group, one] = member(base + at);
  const prompt = promptOf(group);
  return post("/get_reward", { query: [`${prompt}${answerOf(one)}<|im_end|>`], prompts: [prompt], labels: [null] });
};
const batch = (at) => {
  const places = Array.from({ length: 32 }, (_, i) => member(base + 32 * at + i));
  const query = places.map(([group, one]) => `${promptOf(group)}${answerOf(one)}<|im_end|>`);
  return post("/get_reward", {
    query,
    prompts: places.map(([group]) => promptOf(group)),
    labels: places.map(() => null),
  });
};
const compare = (at) =>
  post("/compare", {
    conversation_history: [{ role: "user", content: promptOf(base + at) }],
    response_objs: Array.from({ length: 8 }, (_, one) => output(answerOf(one))),
  });
const verify = (at) => {
  const [group, one] = member(base + at);
  const input = [{ role: "user", content: promptOf(group) }];
  return post("/verify", { responses_create_params: { input }, response: output(answerOf(one)) });
};
const rewards = (body) => JSON.parse(body.toString()).rewards.length;
const reward = (body) => (typeof JSON.parse(body.toString()).reward === "number" ? 1 : 0);

/** `delay`: what one judgement takes, in milliseconds. */
const scenarios = [
  {
    name: "single",
    requestAt: single,
    answers: 1,
    read: rewards,
    connections: 64,
    delay: 0,
    peers: ["fastapi", "flask"],
  },
  {
    name: "batch",
    requestAt: batch,
    answers: 32,
    read: rewards,
    connections: 8,
    delay: 0,
    peers: ["fastapi", "flask"],
  },
  { name: "compare", requestAt: compare, answers: 8, read: rewards, connections: 16, delay: 0, peers: ["gym"] },
  { name: "verify", requestAt: verify, answers: 1, read: reward, connections: 64, delay: 0, peers: ["gym"] },
  {
    name: "single, 10 ms",
    requestAt: single,
    answers: 1,
    read: rewards,
    connections: 64,
    delay: 10,
    peers: ["fastapi", "flask"],
  },
  { name: "verify, 10 ms", requestAt: verify, answers: 1, read: reward, connections: 64, delay: 10, peers: ["gym"] },
];

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true) ?? socket.destroy());
    socket.on("error", () => resolve(false));
  });
const start = async (kind, delay) => {
  const port = await freePort();
  const [command, args] =
    kind === "ours"
      ? [process.execPath, [here("ours.mjs"), port, delay]]
      : [python, [here("peers.py"), kind, port, delay / 1000]];
  const child = spawn(command, args.map(String), { stdio: ["ignore", "ignore", "inherit"] });
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries > 300 || child.exitCode !== null) throw new Error(`${kind}: the server did not start`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { kind, port, child };
};

const proc = (pid, file) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
};
/** Seconds of processor time; 100 ticks a second on every Linux there is. */
const cpuOf = ({ child }) => {
  const fields = proc(child.pid, "stat").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const peakMb = ({ child }) => Number(/VmHWM:\s+(\d+)/.exec(proc(child.pid, "status"))?.[1] ?? NaN) / 1024;

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;

/** Moves on to prompts that no server was asked about. */
const fresh = () => {
  base = base > 880_000_000 ? 0 : base + 8_000_000;
};

const warmUp = async (server, scenario) => {
  const until = performance.now() + longestWarmMs;
  for (let done = 0; done < warmAnswers && performance.now() < until;) {
    fresh();
    const { requests } = await load(server.port, { ...scenario, warmMs: 0, windowMs: 1000 });
    done += Math.max(1, requests) * scenario.answers;
  }
};

const measure = async (scenario) => {
  const kinds = ["ours", ...(hasPeers ? scenario.peers : [])];
  const servers = [];
  for (const kind of kinds) servers.push(await start(kind, scenario.delay));
  for (const server of servers) await warmUp(server, scenario);
  const runs = new Map(kinds.map((kind) => [kind, []]));
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) {
      fresh();
      const before = cpuOf(server);
      const total = await load(server.port, { ...scenario, warmMs, windowMs });
      const cpu = cpuOf(server) - before;
      // Processor time is read over warming and window together; so are the answers that it is divided by.
      const share = windowMs / (warmMs + windowMs);
      const perAnswer = (1e6 * cpu * share) / (total.requests * scenario.answers);
      runs
        .get(server.kind)
        .push({ ...total, answersPerSecond: total.perSecond * scenario.answers, cpuUsPerAnswer: perAnswer });
    }
  }
  const rows = servers.map((server) => {
    const own = runs.get(server.kind);
    const of = (name) => median(own.map((run) => run[name]));
    return {
      scenario: scenario.name,
      server: server.kind,
      answersPerSecond: of("answersPerSecond"),
      p50Ms: of("p50"),
      p99Ms: of("p99"),
      cpuUsPerAnswer: of("cpuUsPerAnswer"),
      peakMb: peakMb(server),
      bad: own.reduce((sum, run) => sum + run.bad, 0),
    };
  });
  for (const { child } of servers) child.kill("SIGKILL");
  return rows;
};

const wanted = values.only?.split(",");
const rows = [];
for (const scenario of scenarios) if (wanted?.includes(scenario.name) ?? true) rows.push(...(await measure(scenario)));
for (const row of rows) {
  const ours = rows.find((one) => one.scenario === row.scenario && one.server === "ours");
  if (row === ours) continue;
  row.throughputOfOurs = ours.answersPerSecond / row.answersPerSecond;
  row.p99OfOurs = ours.p99Ms / row.p99Ms;
}
const machine = { node: process.version, cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, load: loadavg() };
if (values.json) console.log(JSON.stringify({ machine, rounds, windowMs, rows }, null, 2));
else {
  console.log(`Node ${machine.node}, ${machine.cores} x ${machine.cpu}, load ${machine.load[0].toFixed(1)}`);
  if (!hasPeers) console.log(`${python} has no fastapi, uvicorn and flask: only ours was measured`);
  const short = (value) => (typeof value === "number" ? Number(value.toPrecision(3)) : value);
  console.table(rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, short(value)]))));
}
process.exit(0);
