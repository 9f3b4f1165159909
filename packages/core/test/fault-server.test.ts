import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  startFaultServer,
  type FaultKind,
  type FaultServer,
  type FaultServerOptions,
} from "../src/testing/fault-server.ts";

const running: FaultServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});
const serve = async (options: FaultServerOptions = {}) => {
  const server = await startFaultServer(options);
  running.push(server);
  return server;
};
const ask = (server: FaultServer, text: string, more: object = {}, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: text }], ...more }),
  });
const outcome = async (server: FaultServer, text: string) => {
  try {
    const response = await ask(server, text);
    return `${response.status} ${await response.text()}`;
  } catch {
    return "broken";
  }
};

describe("the fault server", () => {
  it("answers as the API does", async () => {
    const server = await serve({
      reply: ({ prompt }, i) => ({ text: `${prompt} #${i}`, reasoning: "hm", finishReason: "length" }),
    });
    const body = (await (await ask(server, "hello", { n: 2 })).json()) as { choices: unknown[]; usage: object };
    const choice = (index: number) => ({
      index,
      message: { role: "assistant", content: `hello #${index}`, reasoning: "hm" },
      finish_reason: "length",
      logprobs: null,
    });
    expect(body.choices).toEqual([choice(0), choice(1)]);
    expect(body.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 24 });
    expect(server.stats().replies).toEqual(new Map([["hello", 2]]));
  });

  it.each([
    ["429", /^429 .*too many requests/],
    ["500", /^500 /],
    ["503", /^503 .*server busy/],
    ["error-200", /^200 \{"error"/],
    ["not-json", /^200 <html>/],
    ["reset", /^broken$/],
    ["half-body", /^broken$/],
  ] satisfies [FaultKind, RegExp][])("fails with %s", async (kind, expected) => {
    const server = await serve({ faults: { rate: 1, kinds: [kind], retryAfter: 3 } });
    expect(await outcome(server, "q")).toMatch(expected);
    expect(server.stats()).toMatchObject({ requests: 1, faults: { [kind]: 1 } });
    expect(server.stats().replies.size).toBe(0);
  });

  it("says when to come back", async () => {
    const server = await serve({ faults: { rate: 1, kinds: ["429"], retryAfter: 3 } });
    expect((await ask(server, "q")).headers.get("retry-after")).toBe("3");
  });

  it("answers rightly after a stall", async () => {
    const server = await serve({ faults: { rate: 1, kinds: ["stall"], stallMs: 60 } });
    const began = performance.now();
    expect(await outcome(server, "q")).toMatch(/^200 \{"id"/);
    expect(performance.now() - began).toBeGreaterThanOrEqual(58);
  });

  it("fails the same requests under one seed, in whatever order they come", async () => {
    const kinds = ["500", "429", "error-200"] as const;
    const names = Array.from({ length: 60 }, (_, i) => `q${i}`);
    const run = async (seed: number, order: readonly string[]) => {
      const server = await serve({ seed, faults: { rate: 0.4, kinds } });
      const pairs = await Promise.all(order.map(async (name) => [name, (await outcome(server, name)).slice(0, 12)]));
      return Object.fromEntries(pairs) as Record<string, string>;
    };
    const one = await run(1, names);
    expect(await run(1, [...names].reverse())).toEqual(one);
    expect(await run(2, names)).not.toEqual(one);
    const failed = Object.values(one).filter((text) => !text.startsWith('200 {"id"')).length;
    // 60 draws at 0.4: 24 on average, standard deviation 3.8.
    expect(failed).toBeGreaterThan(10);
    expect(failed).toBeLessThan(38);
  });

  it("refuses strangers: wrong keys, wrong models, more than its capacity", async () => {
    const server = await serve({ apiKey: "k", model: "m", capacity: 1, delayMs: 30 });
    expect((await ask(server, "q")).status).toBe(401);
    const key = { authorization: "Bearer k" };
    expect((await ask(server, "q", { model: "x" }, key)).status).toBe(404);
    const statuses = await Promise.all([1, 2, 3].map(async () => (await ask(server, "q", {}, key)).status));
    expect(statuses.sort()).toEqual([200, 503, 503]);
    expect(server.stats()).toMatchObject({ refused: 2 });
  });

  it("lists its models and serves further routes", async () => {
    const server = await serve({ model: "R1-Reward", routes: { "/version": { version: "0.32.0" } } });
    const root = server.url.replace("/v1", "");
    expect(await (await fetch(`${server.url}/models`)).json()).toMatchObject({ data: [{ id: "R1-Reward" }] });
    expect(await (await fetch(`${root}/version`)).json()).toEqual({ version: "0.32.0" });
    expect((await fetch(`${root}/props`)).status).toBe(404);
  });

  it("outlives clients that break off while they ask", async () => {
    const server = await serve();
    const { port } = new URL(server.url);
    for (const text of [
      "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{",
      "garbage\r\n\r\n",
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), "127.0.0.1", () => socket.end(text));
        socket
          .on("close", () => resolve())
          .on("error", () => undefined)
          .resume();
      });
    }
    expect(await outcome(server, "still there?")).toMatch(/^200/);
  });
});
