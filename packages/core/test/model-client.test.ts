/** The model client against real sockets. */
import { createServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { memoryCache } from "../src/cache/memory-cache.ts";
import { comparePair } from "../src/compare.ts";
import { AbortError, ModelError } from "../src/errors.ts";
import { judgeWith } from "../src/judge.ts";
import { openaiCompatible } from "../src/model/openai-compatible.ts";
import { dialects } from "../src/model/dialects.ts";
import type { OpenAICompatibleOptions } from "../src/model/options.ts";
import { r1Protocol } from "../src/protocol/r1.ts";
import { startFaultServer, type FaultServerOptions } from "../src/testing/fault-server.ts";
import type { LoadedPart, Message } from "../src/types.ts";

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((thing) => thing[Symbol.asyncDispose]()));
});

const keep = <T extends AsyncDisposable>(thing: T): T => {
  opened.push(thing);
  return thing;
};
const serve = async (options: FaultServerOptions = {}) => keep(await startFaultServer(options));
const quick = { baseMs: 1, capMs: 4, attempts: 12, budget: { capacity: 1000 } };
const client = (baseURL: string | readonly string[], more: Partial<OpenAICompatibleOptions> = {}) =>
  keep(openaiCompatible({ baseURL, model: "m", dialect: dialects.vllm, retry: quick, ...more }));
const ask = (text: string): readonly Message<LoadedPart>[] => [{ role: "user", content: [{ type: "text", text }] }];
const echo: FaultServerOptions["reply"] = ({ prompt }) => `<think>${prompt}</think><answer>1</answer>`;
const indices = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Waits until a condition on counters holds, or fails after 5 s. */
const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(holds()).toBe(true);
};

/** A server that is nothing but a socket handler. */
const raw = async (onSocket: (socket: Socket) => void) => {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  keep({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
};

describe("a server that fails", () => {
  it("gives every result that a sound one gives, at a fault rate of 30 %", async () => {
    const kinds = ["429", "500", "503", "reset", "half-body", "not-json", "error-200", "stall"] as const;
    const sound = await serve({ reply: echo });
    const broken = await serve({ reply: echo, seed: 7, faults: { rate: 0.3, kinds, stallMs: 20 } });
    const run = async (url: string) => {
      const model = client(url);
      return Promise.all(indices(200).map((i) => model.complete(ask(`question ${i}`)).then(({ text }) => text)));
    };
    const [expected, got] = [await run(sound.url), await run(broken.url)];
    expect(got).toEqual(expected);
    expect(new Set(got).size).toBe(200);
    const { faults, requests } = broken.stats();
    expect(Object.keys(faults).sort()).toEqual([...kinds].sort());
    expect(requests).toBeGreaterThan(250);
    expect(sound.stats().requests).toBe(200);
  });

  it("repeats what it does under the same seed", async () => {
    const run = async () => {
      const server = await serve({ seed: 3, faults: { rate: 0.4, kinds: ["500", "503"] } });
      const model = client(server.url, { concurrency: { initial: 50 } });
      await Promise.all(indices(50).map((i) => model.complete(ask(`q${i}`))));
      return server.stats().faults;
    };
    expect(await run()).toEqual(await run());
  });
});

describe("cancellation", () => {
  it("rejects at once and closes the socket", async () => {
    let closed = 0;
    let asked = 0;
    const server = createServer((request) => {
      asked += 1;
      request.socket.on("close", () => (closed += 1));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    keep({ [Symbol.asyncDispose]: async () => void server.close() });
    const model = client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const controller = new AbortController();
    const call = model.complete(ask("?"), { signal: controller.signal });
    const failed = expect(call).rejects.toBeInstanceOf(AbortError);
    await until(() => asked === 1);
    controller.abort("enough");
    await failed;
    await until(() => closed === 1);
    expect(asked).toBe(1);
    await expect(call).rejects.toMatchObject({ code: "R1_ABORTED", cause: "enough" });
    expect(model.stats()).toMatchObject({ aborted: 1, failed: 0, retries: 0 });
  });

  it("ends calls that wait in line or wait to try again", async () => {
    const server = await serve({ faults: { rate: 1, kinds: ["stall"] } });
    const model = client(server.url, { concurrency: { initial: 1, max: 1 } });
    const controller = new AbortController();
    const calls = indices(20).map((i) => model.complete(ask(`${i}`), { signal: controller.signal }));
    const settled = Promise.allSettled(calls);
    await until(() => server.stats().requests === 1);
    expect(model.stats().waiting).toBe(19);
    controller.abort();
    const results = await settled;
    expect(results.every((r) => r.status === "rejected" && r.reason instanceof AbortError)).toBe(true);
    await until(() => server.stats().hungUp === 1);
    expect(server.stats().requests).toBe(1);
    expect(model.stats()).toMatchObject({ waiting: 0, aborted: 20 });

    const refusing = await serve({ faults: { rate: 1, kinds: ["503"], retryAfter: 30 } });
    const patient = client(refusing.url);
    const again = new AbortController();
    const call = patient.complete(ask("?"), { signal: again.signal });
    const failed = expect(call).rejects.toBeInstanceOf(AbortError);
    await until(() => patient.stats().retries === 1);
    again.abort();
    await failed;
  });

  it("sends nothing when the signal has fired already", async () => {
    const server = await serve();
    await expect(client(server.url).complete(ask("?"), { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
    expect(server.stats().requests).toBe(0);
  });

  it("lets thousands of calls share one signal without a warning", async () => {
    const warnings: unknown[] = [];
    const note = (warning: unknown) => warnings.push(warning);
    process.on("warning", note);
    const server = await serve();
    const model = client(server.url);
    const { signal } = new AbortController();
    await Promise.all(indices(1000).map((i) => model.complete(ask(`${i}`), { signal })));
    process.off("warning", note);
    expect(warnings).toEqual([]);
  });

  it("closing the client ends its calls", async () => {
    const server = await serve({ faults: { rate: 1, kinds: ["stall"] } });
    const model = openaiCompatible({ baseURL: server.url, model: "m", dialect: dialects.generic });
    const failed = expect(model.complete(ask("?"))).rejects.toThrow(/the client was closed/);
    await until(() => server.stats().requests === 1);
    await model[Symbol.asyncDispose]();
    await failed;
    await until(() => server.stats().hungUp === 1);
    await expect(model.complete(ask("?"))).rejects.toThrow(/closed/);
  });
});

describe("deadline", () => {
  it("ends a call that stalls, without another try", async () => {
    const server = await serve({ faults: { rate: 1, kinds: ["stall"] } });
    const failed = client(server.url, { deadlineMs: 60 }).complete(ask("?"));
    await expect(failed).rejects.toMatchObject({ retryable: false, attempts: 1 });
    await expect(failed).rejects.toThrow(/no reply before the deadline of 60 ms \(1 attempt\)/);
    await until(() => server.stats().hungUp === 1);
    expect(server.stats().requests).toBe(1);
  });

  it("counts all tries together and tells the last failure", async () => {
    const server = await serve({ faults: { rate: 1, kinds: ["503"], retryAfter: 2 } });
    const failed = client(server.url, { deadlineMs: 500 }).complete(ask("?"));
    await expect(failed).rejects.toThrow(/deadline of 500 ms \(1 attempt\); last failure: server busy/);
    await expect(failed).rejects.toMatchObject({ status: 503, retryable: false });
  });

  it("does not run while a call waits for the caller's own others", async () => {
    const server = await serve({ delayMs: 30 });
    const model = client(server.url, { deadlineMs: 400, concurrency: { initial: 1, max: 1 } });
    const replies = await Promise.all(indices(20).map((i) => model.complete(ask(`${i}`))));
    expect(replies).toHaveLength(20);
  });
});

describe("waiting as asked", () => {
  it.each([
    ["seconds", { "retry-after": "0.2" }],
    ["milliseconds", { "retry-after-ms": "200", "retry-after": "9" }],
  ])("honours Retry-After in %s", async (_name, headers) => {
    const at: number[] = [];
    const server = createServer((request, response) => {
      at.push(performance.now());
      request.resume().on("end", () => {
        if (at.length === 1) response.writeHead(429, headers).end('{"error":{"message":"slow down"}}');
        else response.end('{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    keep({ [Symbol.asyncDispose]: async () => void server.close().closeAllConnections() });
    const model = client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect((await model.complete(ask("?"))).text).toBe("ok");
    // Timers may fire a millisecond early by their own rounding.
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(198);
    expect(at[1]! - at[0]!).toBeLessThan(5000);
  });
});

describe("wrong in ways that another try cannot help", () => {
  it("names the model that the server does not have", async () => {
    const server = await serve({ model: "R1-Reward" });
    const call = client(server.url, { model: "R1-Rewrad" }).complete(ask("?"));
    await expect(call).rejects.toMatchObject({ status: 404, retryable: false, attempts: 1, model: "R1-Rewrad" });
    await expect(call).rejects.toThrow(/^R1-Rewrad at http:\/\/127.*: HTTP 404: The model R1-Rewrad does not exist\.$/);
    expect(server.stats().requests).toBe(1);
  });

  it("reports a larger response than allowed, and hangs up", async () => {
    let closed = false;
    const url = await raw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
      const timer = setInterval(() => socket.write(`400\r\n${"x".repeat(1024)}\r\n`), 1);
      socket.on("close", () => {
        clearInterval(timer);
        closed = true;
      });
    });
    const call = client(url, { maxResponseBytes: 10_000 }).complete(ask("?"));
    await expect(call).rejects.toThrow(/larger than maxResponseBytes \(10000\)/);
    await expect(call).rejects.toMatchObject({ retryable: false, attempts: 1 });
    await until(() => closed);
  });

  it("gives up on a server that is gone, with the number of tries", async () => {
    const server = await startFaultServer();
    const model = client(server.url, { retry: { attempts: 3, baseMs: 1, capMs: 2 } });
    expect((await model.complete(ask("?"))).finishReason).toBe("stop");
    await server.close();
    const call = model.complete(ask("?"));
    await expect(call).rejects.toThrow(/after 3 attempts: .*ECONNREFUSED/);
    await expect(call).rejects.toMatchObject({ retryable: true, attempts: 3 });
  });

  it("does not multiply the load on a dead server", async () => {
    const server = await serve({ faults: { rate: 1, kinds: ["500"] } });
    const budget = { capacity: 20, perCall: 0.1, perSecond: 0 };
    const model = client(server.url, { retry: { ...quick, budget } });
    const results = await Promise.allSettled(indices(300).map((i) => model.complete(ask(`${i}`))));
    const reasons = results.map((r) => (r.status === "rejected" ? (r.reason as ModelError) : undefined));
    expect(reasons.every((e) => e instanceof ModelError && e.retryable)).toBe(true);
    expect(reasons.some((e) => /retry budget is spent/.test(e!.message))).toBe(true);
    // 300 calls, a full bucket of 20, and 0.1 per call.
    expect(server.stats().requests).toBeLessThanOrEqual(300 + 20 + 30);
    expect(server.stats().requests).toBeGreaterThan(300);
  });
});

describe("replicas", () => {
  it("shares calls evenly, and goes on when one dies in the middle", async () => {
    const servers = [await serve({ delayMs: 5 }), await serve({ delayMs: 5 }), await startFaultServer({ delayMs: 5 })];
    const model = client(servers.map(({ url }) => url));
    await Promise.all(indices(300).map((i) => model.complete(ask(`a${i}`))));
    for (const server of servers) expect(server.stats().requests).toBeGreaterThan(60);
    const calls = indices(300).map((i) => model.complete(ask(`b${i}`)));
    await new Promise((resolve) => setTimeout(resolve, 8));
    await servers[2]!.close();
    const replies = await Promise.all(calls);
    expect(replies).toHaveLength(300);
    expect(model.stats().replicas[2]).toMatchObject({ coolingDown: true });
    expect(model.stats().retries).toBeGreaterThan(0);
  });
});

describe("adaptive concurrency", () => {
  it("finds what the server can take", async () => {
    const server = await serve({ capacity: 8, delayMs: 5 });
    const model = client(server.url, { concurrency: { initial: 64 }, retry: { ...quick, attempts: 60 } });
    await Promise.all(indices(400).map((i) => model.complete(ask(`${i}`))));
    const { refused } = server.stats();
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(400);
    expect(model.stats().replicas[0]!.limit).toBeLessThan(32);
  });

  it("grows from a small start where nothing is refused", async () => {
    const server = await serve({ delayMs: 2 });
    const model = client(server.url, { concurrency: { initial: 2, max: 64 } });
    await Promise.all(indices(400).map((i) => model.complete(ask(`${i}`))));
    expect(model.stats().replicas[0]!.limit).toBe(64);
    expect(server.stats().mostAtOnce).toBeGreaterThan(2);
    expect(server.stats().mostAtOnce).toBeLessThanOrEqual(64);
  });
});

describe("secrets", () => {
  it("never leave through errors or statistics, though the server repeats them", async () => {
    const key = "sentinel-4f1d9c7a2b";
    const cookie = "session=crumbs-99120";
    const said: unknown[] = [];
    const server = await serve({ apiKey: "another" });
    const refused = client(server.url, { apiKey: key, headers: { cookie } });
    said.push(
      await refused.complete(ask("?")).catch((error: unknown) => error),
      refused.stats(),
      await refused.probe(),
    );
    const asked = client(server.url, { apiKey: async () => key });
    said.push(await asked.complete(ask("?")).catch((error: unknown) => error), asked.stats());
    const url = await raw((socket) =>
      socket.once("data", (data) => socket.end(`HTTP/1.1 500 No\r\n\r\n${data.toString()}`)),
    );
    const echoed = client(url, { apiKey: key, headers: { cookie }, retry: { attempts: 1 } });
    said.push(await echoed.complete(ask("?")).catch((error: unknown) => error));
    const text = said
      .map((one) =>
        one instanceof Error ? `${one.stack}\n${JSON.stringify(one)}${String(one.cause)}` : JSON.stringify(one),
      )
      .join("\n");
    expect(text).toContain("HTTP 401");
    expect(text).toContain("HTTP 500");
    expect(text).toContain("[redacted]");
    expect(text).not.toContain(key);
    expect(text).not.toContain("crumbs-99120");
  });

  it("asks the function for a key at each try", async () => {
    const server = await serve({ apiKey: "key-2", faults: { rate: 0, kinds: [] } });
    let n = 0;
    const model = client(server.url, { apiKey: () => Promise.resolve(`key-${++n}`) });
    await expect(model.complete(ask("?"))).rejects.toMatchObject({ status: 401 });
    expect((await model.complete(ask("?"))).finishReason).toBe("stop");
    const broken = client(server.url, { apiKey: () => Promise.reject(new Error("vault key-2 is sealed")) });
    const error = await broken.complete(ask("?")).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "R1_CONFIG" });
    expect(String(error)).not.toContain("key-2");
  });
});

describe("votes of one order in one request", () => {
  it("are told apart and kept one by one, from a server that fails, too", async () => {
    const kinds = ["429", "500", "reset", "half-body", "not-json"] as const;
    const server = await serve({ reply: echo, seed: 3, faults: { rate: 0.3, kinds, stallMs: 20 } });
    await using cache = memoryCache();
    const judge = judgeWith(client(server.url), r1Protocol, { cache, samplesPerRequest: 4 });
    const pair = { id: "p", question: [{ type: "text", text: "Which?" }], responses: ["a", "b"] } as const;
    const { judgments } = await comparePair(judge, pair, { votes: 16 });
    expect(judgments.map(({ verdict }) => verdict.kind)).toEqual(indices(16).map(() => "winner"));
    const faults = Object.values(server.stats().faults).reduce((sum, times) => sum + times, 0);
    expect(faults).toBeGreaterThan(0);
    expect(server.stats().requests - faults).toBe(4);
    const again = await comparePair(judge, pair, { votes: 16 });
    expect(again.judgments.every(({ cached }) => cached)).toBe(true);
    expect(server.stats().requests - faults).toBe(4);
  });
});
