#!/usr/bin/env node
// An hour of training as the reward server sees it, in minutes: prompts in steps, siblings in shuffled order, clients that
// vanish, repeat themselves and send a thing twice, a judge that answers 429 and 503, hangs, writes garbage, or for a while the
// same digit whatever it is shown. Every answer carries a name in its quality, and every reply is checked against a fit made
// here of the very comparisons that its group had: a reward that reached the wrong answer cannot pass.
//
//   npm run soak:serve -- [--groups n] [--size n] [--seed n] [--json]
//
// Fails when a request is left without an answer, a reward is wrong, or memory has grown in the second half.
import { parseArgs } from "node:util";
import { Agent, request } from "node:http";
import { bradleyTerry, ModelError, winsMinusLosses } from "@r1reward/core";
import { serveRewards } from "@r1reward/adapters/serve";

const { values } = parseArgs({
  options: {
    groups: { type: "string", default: "3600" }, // one group a second for an hour
    size: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const [groups, size] = [Number(values.groups), Number(values.size)];

/** Uniform numbers from a seed (mulberry32). */
let state = Number(values.seed);
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let z = Math.imul(state ^ (state >>> 15), state | 1);
  z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
  return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const counts = {};
const count = (what) => (counts[what] = (counts[what] ?? 0) + 1);

// The judge. What it was asked and what it said is kept by prompt, to be checked against the replies.
const judgments = new Map();
let constant = false;
const down = new Set([429, 503]);
const faultOf = () => {
  const draw = random();
  return draw < 0.04 ? 429 : draw < 0.08 ? 503 : draw < 0.1 ? "timeout" : draw < 0.12 ? "garbage" : null;
};
const qualityOf = (text) => Number(/q=(\d+)/.exec(text)[1]);
const judge = {
  name: "soak",
  async judge(pair, { swapped = false, signal } = {}) {
    await pause(random() * 4);
    const fault = faultOf();
    if (fault !== null) count(`judge: ${fault}`);
    if (down.has(fault)) throw new ModelError(`HTTP ${fault}`, { model: "soak", retryable: true });
    if (fault === "timeout")
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    signal.throwIfAborted(); // too late: whoever asked has asked again
    const prompt = pair.question.map((part) => part.text ?? "").join("");
    const texts = pair.responses;
    const own = texts.every((text) => text.startsWith(`${prompt} `));
    if (!own) count("WRONG: answers of another prompt in one judgement");
    const [a, b] = texts.map(qualityOf);
    const winner = constant ? (swapped ? 1 : 0) : a === b ? (swapped ? 1 : 0) : a > b ? 0 : 1;
    if (constant) count("judge: same digit");
    const verdict = fault === "garbage" ? { kind: "unreadable", reason: "no-answer" } : { kind: "winner", winner };
    if (!judgments.has(prompt)) judgments.set(prompt, []);
    judgments.get(prompt).push({ texts, swapped, p: fault === "garbage" ? null : 1 - winner });
    const usage = { promptTokens: null, completionTokens: null };
    return { verdict, reasoning: "", text: "", swapped, usage, latencyMs: 0, cached: false, warnings: [] };
  },
};

const server = await serveRewards({
  judge,
  port: 0,
  groupSize: size,
  judging: { timeoutMs: 60, patienceMs: 3000 },
  // An hour in minutes: answers are kept for a minute, not for ten.
  limits: { retainMs: 60_000 },
  hold: { slime: { retryAfterMs: 90, holdMs: 8000 }, "get-reward": { retryAfterMs: 90, holdMs: 8000 } },
});

// The clients.
const agents = [0, 1].map(() => new Agent({ keepAlive: true, maxSockets: 64 }));
const post = (path, body, { agent, leaveAfter }) =>
  new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const sent = request(`${server.url}${path}`, { method: "POST", agent, headers }, (response) => {
      let got = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => (got += piece));
      response.on("end", () => resolve({ status: response.statusCode, json: JSON.parse(got) }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(text);
    if (leaveAfter !== undefined) setTimeout(() => sent.destroy(new Error("left")), leaveAfter);
  });

/** One answer, the way its framework sends it. */
const dialects = {
  slime: (prompt, response, how) =>
    post("/slime?key=r", { prompt, response, label: null }, how).then(({ status, json }) => ({
      status,
      reward: json.r,
      failed: json.judge_failed,
    })),
  openrlhf: (prompt, response, how) =>
    post("/get_reward", { query: [prompt + response], prompts: [prompt], labels: [null] }, how).then(
      ({ status, json }) => ({
        status,
        reward: json.rewards?.[0],
        failed: json.extra_logs?.judge_failed[0],
      }),
    ),
};

const ask = async (dialect, prompt, response, agent) => {
  for (let tries = 0; tries < 40; tries++) {
    const leaveAfter = random() < 0.05 ? random() * 40 : undefined;
    const reply = await dialects[dialect](prompt, response, { agent, leaveAfter }).catch(() => null);
    if (reply?.status === 200) return reply;
    count(reply === null ? "client: vanished and came back" : `client: told ${reply.status}`);
    await pause(100 + random() * 60); // a tenth of what clients pause at least
  }
  return null;
};

/** A reward from the comparisons that a group had, made here: the whole group's judgments, less what failed. */
const expected = (prompt, texts) => {
  const nodes = [...new Set(texts)];
  const games = (judgments.get(prompt) ?? []).map(({ texts: [a, b], swapped, p }) => {
    const [i, j] = [nodes.indexOf(a), nodes.indexOf(b)];
    return { i, j, p, first: swapped ? j : i };
  });
  const { strengths } = bradleyTerry(games, { items: nodes.length });
  const readable = nodes.map((_, at) => games.some(({ i, j, p }) => p !== null && (i === at || j === at)));
  const standings = texts.map((text) => {
    const node = nodes.indexOf(text);
    return readable[node] ? { kind: "judged", strength: strengths[node] } : { kind: "unknown" };
  });
  return winsMinusLosses(standings);
};

const wrong = [];
const check = (prompt, texts, replies) => {
  if (replies.some((reply) => reply === null)) return wrong.push(`${prompt}: a request without an answer`);
  const told = expected(prompt, texts);
  replies.forEach(({ reward, failed }, at) => {
    count(failed === 1 ? "answers: unscorable, and said so" : "answers: scored");
    if (failed === 1 ? reward !== 0 : !(Math.abs(reward - told[at]) < 1e-6))
      wrong.push(`${prompt} ${texts[at]}: reward ${reward}, expected ${told[at]}, judge_failed ${failed}`);
  });
};

const group = async (at) => {
  const dialect = random() < 0.5 ? "slime" : "openrlhf";
  const prompt = `prompt ${at}:`;
  const texts = Array.from({ length: size }, (_, i) =>
    ` ${prompt} answer q=${Math.floor(random() * 100)} of ${i}`.trimStart(),
  );
  const agent = agents[at % 2];
  const order = texts.map((_, i) => i).sort(() => random() - 0.5);
  const replies = new Array(size).fill(null);
  await Promise.all(
    order.map(async (i) => {
      await pause(random() * 30);
      replies[i] = await ask(dialect, prompt, texts[i], agent);
      if (random() < 0.05) {
        // Once more, after the fact: the same answer must get the same reward, and count for nothing.
        count("client: sent twice");
        const again = await ask(dialect, prompt, texts[i], agent);
        if (replies[i]?.failed !== 1 && again?.reward !== replies[i]?.reward)
          wrong.push(`${prompt} ${texts[i]}: ${replies[i]?.reward}, then ${again?.reward}`);
      }
    }),
  );
  check(prompt, texts, replies);
  judgments.delete(prompt);
};

const memory = [];
const sample = () => {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  memory.push({ rssMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20 });
};
const started = performance.now();
let next = 0;
const worker = async () => {
  while (next < groups) {
    const at = next++;
    constant = at % 600 >= 580; // twenty groups in six hundred
    if (at % Math.ceil(groups / 20) === 0) sample();
    await group(at);
  }
};
await Promise.all(Array.from({ length: 24 }, worker));
sample();
const seconds = (performance.now() - started) / 1000;
const stats = server.stats();
await server.close();
for (const agent of agents) agent.destroy();

const mean = (list) => list.reduce((sum, { heapMb }) => sum + heapMb, 0) / list.length;
const half = memory.length >> 1;
// The first samples are of a server that is still filling what it keeps for clients that ask again.
const growth = mean(memory.slice(-4)) / mean(memory.slice(half - 2, half + 2));
const flat = growth < 1.2 || memory.at(-1).heapMb - memory[half].heapMb < 4;
const result = { groups, size, seconds, counts, wrong: wrong.length, heapGrowth: growth, memory, stats };
if (values.json) console.log(JSON.stringify(result, null, 2));
else {
  console.log(`${groups} groups of ${size} in ${seconds.toFixed(0)} s`);
  console.table(counts);
  console.log(
    `heap ${memory.map(({ heapMb }) => heapMb.toFixed(0)).join(" ")} MB; rss at the end ${memory.at(-1).rssMb.toFixed(0)} MB`,
  );
  console.log(
    `groups judged ${stats.groups}, retries ${stats.retries}, shed ${stats.shed}, held at the end ${stats.held}`,
  );
}
for (const line of wrong.slice(0, 10)) console.error(`WRONG ${line}`);
if (!flat) console.error(`memory: the heap grew by ${((growth - 1) * 100).toFixed(0)} % over the second half`);
const bad = wrong.length > 0 || !flat || Object.keys(counts).some((name) => name.startsWith("WRONG")) || stats.held > 0;
console.log(bad ? "FAILED" : "ok: every request answered, every reward its own, memory flat");
process.exit(bad ? 1 : 0);
