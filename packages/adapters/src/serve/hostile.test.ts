/** What a server on a cluster meets sooner or later, each over a real socket. */
import { connect } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ModelError } from "@r1reward/core";
import { knownJudge, manualClock, metricOf, send, startServer, until, type Reply } from "./kit.test-kit.ts";
import type { ServeRewardsOptions } from "./options.ts";
import type { RewardServer } from "./server.ts";

const servers: RewardServer[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});
const start = async (options: ServeRewardsOptions = {}): Promise<RewardServer> => {
  const server = await startServer(options);
  servers.push(server);
  return server;
};
const slime = (server: { url: string }, prompt: string, response: string, query = "") =>
  send(`${server.url}/slime?key=r${query}`, { prompt, response, label: null });
const rewardOf = ({ json }: Reply): number => (json as { r: number }).r;
const isWell = async (server: RewardServer): Promise<void> => {
  expect((await send(`${server.url}/healthz`)).json).toEqual({ status: "ok" });
  expect(metricOf(server.metrics(), "r1reward_bytes_in_flight")).toBe(0);
};

/** Everything a socket says until it is closed. */
const listening = (port: number) => {
  const socket = connect(port, "127.0.0.1");
  const heard = { text: "", closed: false };
  socket.on("data", (chunk: Buffer) => (heard.text += chunk.toString()));
  socket.on("close", () => (heard.closed = true));
  socket.on("error", () => undefined);
  return { socket, heard };
};

describe("bodies of 100 MB", () => {
  const size = 100 * 1024 * 1024;

  it("that say so are refused before they are read", async () => {
    const server = await start();
    const { socket, heard } = listening(server.port);
    socket.write(
      `POST /slime HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\n\r\n{`,
    );
    await until(() => heard.text.includes("413"));
    await until(() => heard.closed);
    await isWell(server);
  });

  it("that do not are read as far as the limit, and no further", async () => {
    const server = await start();
    const { socket, heard } = listening(server.port);
    socket.write(
      "POST /slime HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const piece = Buffer.from(`100000\r\n${"x".repeat(1_048_576)}\r\n`);
    let sent = 0;
    for (; sent < size && !heard.text.includes("413") && !heard.closed; sent += 1_048_576) {
      await new Promise((resolve) => socket.write(piece, resolve));
    }
    await until(() => heard.text.includes("413") || heard.closed);
    // What lies in the buffers of two sockets comes on top of the limit of 32 MiB.
    expect(sent).toBeLessThan(64 * 1_048_576);
    socket.destroy();
    await isWell(server);
    expect(metricOf(server.metrics(), 'r1reward_requests_total{format="slime",status="413"}')).toBe(1);
  });
});

describe("slow and broken connections", () => {
  it("that send their body a byte at a time are hung up on", async () => {
    const server = await start({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 400 } });
    const { socket, heard } = listening(server.port);
    socket.write("POST /slime HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n");
    const drip = setInterval(() => !socket.destroyed && socket.write("x"), 50);
    await until(() => heard.closed);
    clearInterval(drip);
    await isWell(server);
  });

  it("that end in the middle of a body count as bad input, and leave nothing behind", async () => {
    const failures: unknown[] = [];
    const server = await start({ onEvent: (event) => event.kind === "failure" && failures.push(event) });
    const { socket } = listening(server.port);
    socket.write(
      'POST /slime HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"prompt":',
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    await until(() => metricOf(server.metrics(), 'r1reward_bad_input_total{kind="body"}') === 1);
    expect(failures).toEqual([]);
    await isWell(server);
  });

  it("that end right after their body are not taken for clients that still wait", async () => {
    const server = await start({ groupSize: 2 });
    const body = JSON.stringify({ prompt: "Q", response: "q=1", label: null });
    const head = `POST /slime?key=r HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    for (let times = 0; times < 20; times++) {
      const { socket, heard } = listening(server.port);
      socket.write(head + body);
      socket.resetAndDestroy();
      await until(() => heard.closed);
    }
    const replies = await Promise.all(["q=1", "q=2"].map((answer) => slime(server, "Q", answer)));
    expect(replies.map((reply) => Math.sign(rewardOf(reply)))).toEqual([-1, 1]);
    expect(server.stats()).toMatchObject({ groups: 1, held: 0 });
  });

  it("that say that they are done while they are held have not been answered", async () => {
    const server = await start({ groupSize: 2 });
    const body = JSON.stringify({ prompt: "Q", response: "q=1", label: null });
    const { socket, heard } = listening(server.port);
    socket.end(
      `POST /slime?key=r HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(() => heard.closed);
    expect(heard.text).toBe("");
    const replies = await Promise.all(["q=1", "q=2"].map((answer) => slime(server, "Q", answer)));
    expect(replies.map((reply) => Math.sign(rewardOf(reply)))).toEqual([-1, 1]);
    expect(server.stats()).toMatchObject({ groups: 1, held: 0 });
  });

  it("that ended and came back while the server was stalled are told from copies", async () => {
    const server = await start({ groupSize: 2 });
    const body = JSON.stringify({ prompt: "Q", response: "q=1", label: null });
    const head = `POST /slime?key=r HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const [first, second] = [listening(server.port), listening(server.port)];
    await Promise.all([first, second].map(({ socket }) => new Promise((resolve) => socket.once("connect", resolve))));
    await new Promise((resolve) => setTimeout(resolve, 50));
    // Without a turn in between: the server finds a request, its end, and its repeat all at once.
    first.socket.write(head + body);
    first.socket.destroy();
    second.socket.write(head + body);
    await until(() => server.stats().held === 1);
    const other = await slime(server, "Q", "q=2");
    expect(rewardOf(other)).toBeGreaterThan(0);
    await until(() => second.heard.text.includes('"judge_failed":0'));
    expect(server.stats().groups).toBe(1);
    second.socket.destroy();
  });

  it("cannot take all that may be held from others", async () => {
    const server = await start({ groupSize: 2, limits: { maxHeldPerClient: 2 } });
    const held = ["A", "B"].map((prompt) => slime(server, prompt, "q=1", "&run=greedy"));
    await until(() => server.stats().held === 2);
    expect((await slime(server, "C", "q=1", "&run=greedy")).status).toBe(503);
    const others = await Promise.all(["q=1", "q=2"].map((answer) => slime(server, "D", answer, "&run=modest")));
    expect(others.map(({ status }) => status)).toEqual([200, 200]);
    await server.close();
    await Promise.all(held);
  });
});

describe("labels", () => {
  const verdict = async (label: string) => {
    const server = await start({ groupSize: 1 });
    const body = `{"query":["What?q=1"],"prompts":["What?"],"labels":[${label}]}`;
    const reply = await send(`${server.url}/get_reward`, body);
    await isWell(server);
    return reply.status;
  };

  it.each([
    ["nested too deeply", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, 400],
    ["with three million values", `[${"0,".repeat(3_000_000)}0]`, 400],
    ["that are JSON in JSON, deeply", JSON.stringify(`${"[".repeat(50_000)}${"]".repeat(50_000)}`), 200],
    ["that name a million images", JSON.stringify(JSON.stringify({ images: new Array(1_000_000).fill("a.png") })), 200],
    ["of ten megabytes of text", JSON.stringify("x".repeat(10_000_000)), 200],
  ])("%s", async (_name, label, status) => {
    expect(await verdict(label)).toBe(status);
  });
});

describe("equal answers", () => {
  it("do not shift the places by which comparisons are reported", async () => {
    const server = await start({ group: { preset: "exact" } });
    const output = (text: string) => ({ output: [{ type: "message", content: [{ type: "output_text", text }] }] });
    const body = {
      conversation_history: [{ role: "user", content: "Q" }],
      response_objs: ["q=1", "q=1", "q=2"].map(output),
    };
    const { json } = await send(`${server.url}/compare`, body);
    const reply = json as {
      rewards: number[];
      comparison_results: { response_i: number; response_j: number; score_1: number }[];
    };
    expect(reply.rewards[0]).toBe(reply.rewards[1]);
    expect(reply.rewards[2]).toBeGreaterThan(0);
    for (const { response_i, response_j, score_1 } of reply.comparison_results) {
      expect([response_i, response_j]).toEqual([0, 2]);
      expect(score_1).toBe(1);
    }
  });
});

describe("ids", () => {
  const member = (server: RewardServer, fields: Record<string, unknown>) =>
    send(`${server.url}/v1/rewards`, { group_id: "g", n: 2, ...fields });
  const rewardIn = ({ json }: Reply) => (json as { reward: number }).reward;

  it("that collide give each answer its own reward, and say so", async () => {
    const server = await start();
    const [a, b] = await Promise.all([
      member(server, { member_id: "m", prompt: "Q", response: "q=1" }),
      member(server, { member_id: "m", prompt: "Q", response: "q=2" }),
    ]);
    expect(rewardIn(b)).toBeGreaterThan(0);
    expect(rewardIn(a)).toBeCloseTo(-rewardIn(b), 9);
    expect((b.json as { flags: string[] }).flags.concat((a.json as { flags: string[] }).flags)).toContain(
      "id-collision",
    );
    expect(metricOf(server.metrics(), "r1reward_id_collisions_total")).toBe(1);
  });

  it("that stand for two prompts never mix them", async () => {
    const judge = knownJudge();
    const server = await start({ judge });
    const ask = (prompt: string, at: number) =>
      member(server, { member_id: String(at), prompt, response: `${prompt} q=${at}` });
    const replies = await Promise.all([ask("A", 1), ask("B", 1), ask("A", 2), ask("B", 2)]);
    expect(replies.map((reply) => Math.sign(rewardIn(reply)))).toEqual([-1, -1, 1, 1]);
    for (const { pair } of judge.calls) {
      const [part] = pair.question;
      const name = part?.type === "text" ? part.text : "";
      expect(pair.responses.every((text) => text.startsWith(name))).toBe(true);
    }
  });

  it("of the next step, for the same prompt and other answers, open the next group", async () => {
    const server = await start();
    const step = (qualities: readonly number[]) =>
      Promise.all(qualities.map((q, at) => member(server, { member_id: String(at), prompt: "Q", response: `q=${q}` })));
    expect((await step([1, 2])).map((reply) => Math.sign(rewardIn(reply)))).toEqual([-1, 1]);
    expect((await step([4, 3])).map((reply) => Math.sign(rewardIn(reply)))).toEqual([1, -1]);
    expect(server.stats().groups).toBe(2);
  });
});

describe("two trainers with the same prompts", () => {
  it("do not meet in one group when their addresses name their runs", async () => {
    const server = await start({ groupSize: 2 });
    const replies = await Promise.all([
      slime(server, "Q", "q=1", "&run=a"),
      slime(server, "Q", "q=8", "&run=b"),
      slime(server, "Q", "q=2", "&run=a"),
      slime(server, "Q", "q=9", "&run=b"),
    ]);
    expect(replies.map((reply) => Math.sign(rewardOf(reply)))).toEqual([-1, -1, 1, 1]);
  });
});

describe("prompts", () => {
  const messages = (url: string) => [
    {
      role: "user",
      content: [
        { type: "image_url", image_url: { url } },
        { type: "text", text: "What?" },
      ],
    },
  ];
  const rewards = async (server: RewardServer, prompt: unknown) => {
    const body = { groups: [{ prompt, responses: ["q=1", "q=2"] }] };
    return (
      (await send(`${server.url}/v1/rewards`, body)).json as { groups: { rewards: unknown[]; members: unknown[] }[] }
    ).groups[0]!;
  };

  it("may hold an image that is longer than a prompt may be: text is counted, images have limits of their own", async () => {
    const judge = knownJudge();
    const server = await start({ judge, limits: { maxPromptChars: 1000 } });
    const url = `data:image/png;base64,${"A".repeat(2_000_000)}`;
    const group = await rewards(server, messages(url));
    expect(group.rewards[1]).toBeGreaterThan(0);
    expect(judge.calls[0]!.pair.question[0]).toEqual({ type: "image", image: { dataUri: url } });
    expect((await rewards(server, "x".repeat(1001))).members[0]).toMatchObject({ reward: null, why: "too-long" });
  });

  it("whose label names too many images are judged by their text, and flagged", async () => {
    const judge = knownJudge();
    const server = await start({ judge, groupSize: 2 });
    const ask = (answer: string) =>
      send(`${server.url}/get_reward`, {
        query: [`What?${answer}`],
        prompts: ["What?"],
        labels: [JSON.stringify({ images: new Array(1000).fill("a.png") })],
      });
    const [reply] = await Promise.all(["q=1", "q=2"].map(ask));
    expect((reply!.json as { extra_logs: { image_missing: number[] } }).extra_logs.image_missing).toEqual([1]);
    expect(judge.calls[0]!.pair.question).toEqual([{ type: "text", text: "What?" }]);
  });

  it("with more images than the limit are not judged", async () => {
    const judge = knownJudge();
    const server = await start({ judge, limits: { maxImages: 2 } });
    const three = [{ role: "user", content: [1, 2, 3].map((at) => ({ type: "image", image: `${at}.png` })) }];
    expect((await rewards(server, three)).members[0]).toMatchObject({ reward: null, why: "too-long" });
    expect(judge.calls).toHaveLength(0);
  });
});

describe("the wall clock", () => {
  it.each([
    ["a day ahead", 86_400_000],
    ["a day back", -86_400_000],
  ])("may jump %s between two siblings, and in a restart", async (_name, jump) => {
    const stateDir = await mkdtemp(join(tmpdir(), "r1reward-clock-"));
    const server = await start({ groupSize: 2, stateDir });
    const first = slime(server, "Q", "q=1");
    await until(() => server.stats().held === 1);
    const real = Date.now;
    vi.spyOn(Date, "now").mockImplementation(() => real() + jump);
    const pair = await Promise.all([first, slime(server, "Q", "q=2")]);
    expect(pair.map((reply) => Math.sign(rewardOf(reply)))).toEqual([-1, 1]);
    await server.close();
    const judge = knownJudge();
    const after = await start({ groupSize: 2, stateDir, judge });
    expect(rewardOf(await slime(after, "Q", "q=2"))).toBe(rewardOf(pair[1]!));
    expect(judge.calls).toHaveLength(0);
    await rm(stateDir, { recursive: true });
  });
});

describe("a judge that is down for two minutes", () => {
  it("costs nobody a reward: clients are held or told to come back, and the rewards are right", async () => {
    const { clock, advance } = manualClock();
    const before = () => {
      if (clock.now() < 120_000) throw new ModelError("connection refused", { model: "m", retryable: true });
    };
    const server = await start({ judge: knownJudge({ before }), groupSize: 4, clock });
    let told = 0;
    /** slime's client, its pauses left out: it asks again when it is told to. */
    const patient = async (answer: string): Promise<number> => {
      for (;;) {
        const reply = await slime(server, "Q", answer);
        if (reply.status === 200) return rewardOf(reply);
        expect(reply.status).toBe(503);
        told += 1;
      }
    };
    const openrlhf = async (answer: string) => {
      const body = { query: [`P${answer}`], prompts: ["P"], labels: [null] };
      const { json } = await send(`${server.url}/get_reward`, body);
      return json as { rewards: [number]; extra_logs: { judge_failed: [number] } };
    };
    const answers = ["q=1", "q=2", "q=3", "q=4"];
    const slimes = Promise.all(answers.map(patient));
    const openrlhfs = Promise.all(answers.map(openrlhf));
    let done = false;
    void Promise.all([slimes, openrlhfs]).then(() => (done = true));
    await until(() => server.stats().held === 8);
    for (let second = 0; second < 140 && !done; second++) {
      await advance(1000);
      // Requests that were told to come back need real time to do so.
      await until(() => done || server.stats().held >= (second < 119 ? 8 : 0));
    }
    await until(() => done);
    expect(clock.now()).toBeLessThanOrEqual(140_000);
    const rewards = await slimes;
    expect(rewards.every((reward, at) => at === 0 || reward > rewards[at - 1]!)).toBe(true);
    expect(told).toBe(4);
    const logs = await openrlhfs;
    expect(logs.map(({ extra_logs }) => extra_logs.judge_failed[0])).toEqual([0, 0, 0, 0]);
    expect(logs.map(({ rewards: [reward] }) => reward)).toEqual(rewards);
    expect(metricOf(server.metrics(), "r1reward_judge_retries_total")).toBeGreaterThan(0);
    expect(metricOf(server.metrics(), 'r1reward_members_total{outcome="judge-failed"}')).toBeUndefined();
  }, 30_000);
});

describe("scores that cannot be told", () => {
  const anchors = [{ text: "anchor q=2", score: 0 }];

  it.each([
    ["/classify", { input: "What? q=3" }],
    ["/classify", { text: ["What? q=3"] }],
    ["/pooling", { input: "What? q=3" }],
    ["/v1/embeddings", { input: "What? q=3" }],
    ["/score", { queries: "What?", documents: ["q=3", "q=1"] }],
    ["/v1/chat/completions", { model: "r1reward-pointwise", r1reward: { question: "What?", response: "q=3" } }],
    ["/v1/chat/completions", { model: "r1reward-yesno", r1reward: { question: "What?", response: "q=3" } }],
  ])("%s: an error, never a number in the middle; the judge is asked again next time", async (path, body) => {
    let down = true;
    const before = () => {
      if (down) throw new ModelError("connection refused", { model: "m", retryable: false });
    };
    const server = await start({ judge: knownJudge({ before }), anchors });
    const failed = await send(`${server.url}${path}`, body);
    expect(failed.status).toBe(503);
    expect(failed.text).toContain("could not be judged");
    if (path === "/score") return;
    down = false;
    expect((await send(`${server.url}${path}`, body)).status).toBe(200);
  });
});
