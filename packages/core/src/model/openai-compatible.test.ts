/** The client against answers that msw gives in place of the network. */
import { http, HttpResponse, type JsonBodyType } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { SampleOptions } from "../interfaces.ts";
import type { LoadedPart, Message } from "../types.ts";
import { dialects } from "./dialects.ts";
import { openaiCompatible } from "./openai-compatible.ts";
import type { OpenAICompatibleOptions } from "./options.ts";
import { createTransport } from "./transport-fetch.ts";

// msw stands in for fetch; undici's pools go past it, so that these tests run on the transport of browsers.
const server = setupServer();
beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

const ROOT = "http://judge.test";
const question: readonly Message<LoadedPart>[] = [{ role: "user", content: [{ type: "text", text: "1 or 2?" }] }];

const client = (options: Partial<OpenAICompatibleOptions> = {}) =>
  openaiCompatible({
    baseURL: ROOT,
    model: "R1-Reward",
    retry: { attempts: 3, baseMs: 1 },
    transport: createTransport({ maxResponseBytes: 1 << 20 }),
    ...options,
  });

const said = (text: string) => ({ choices: [{ message: { content: text }, finish_reason: "stop" }] });

/** Serves completions and the given GET routes; remembers the bodies and the paths asked. */
const serve = (
  routes: Readonly<Record<string, JsonBodyType>> = {},
  reply: (n: number) => JsonBodyType = () => said("1"),
) => {
  const bodies: Record<string, unknown>[] = [];
  const asked: string[] = [];
  server.use(
    http.post(`${ROOT}/v1/chat/completions`, async ({ request }) => {
      bodies.push((await request.json()) as Record<string, unknown>);
      return HttpResponse.json(reply(bodies.length));
    }),
    http.get(`${ROOT}/*`, ({ request }) => {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      const found = routes[pathname];
      return found === undefined ? new HttpResponse("not found", { status: 404 }) : HttpResponse.json(found);
    }),
  );
  return { bodies, asked };
};

describe("the probe", () => {
  const models = (owner: string) => ({ data: [{ id: "R1-Reward", owned_by: owner }] });
  it.each([
    ["vllm by its model list", { "/v1/models": models("vllm"), "/version": { version: "0.32.0" } }, "vllm", "0.32.0"],
    ["vllm by /version", { "/version": { version: "0.11.0" } }, "vllm", "0.11.0"],
    ["sglang", { "/get_model_info": { model_path: "x" } }, "sglang", ""],
    ["llama.cpp", { "/props": { default_generation_settings: {}, build_info: "b9000" } }, "llama.cpp", "b9000"],
    ["ollama", { "/api/version": { version: "0.20.1" }, "/v1/models": models("library") }, "ollama", "0.20.1"],
    ["nothing known", { "/v1/models": models("someone") }, "generic", ""],
  ])("finds %s, once", async (_name, routes, dialect, serverVersion) => {
    const { asked } = serve(routes);
    const model = client();
    expect(model.stats().dialect).toBeNull();
    await Promise.all([1, 2, 3].map(() => model.complete(question)));
    expect(model.stats()).toMatchObject({ dialect, serverVersion });
    expect(asked.filter((path) => path === "/v1/models")).toHaveLength(1);
    expect(new Set(asked).size).toBe(asked.length);
    const count = asked.length;
    await model.complete(question);
    expect(asked).toHaveLength(count);
  });

  it("tells whether the model is there", async () => {
    serve({ "/v1/models": models("vllm") });
    expect(await client().probe()).toMatchObject({ models: ["R1-Reward"], hasModel: true, source: "asked" });
    expect(await client({ model: "other" }).probe()).toMatchObject({ hasModel: false });
    serve();
    expect(await client().probe()).toMatchObject({ hasModel: null, source: "fallback", reachable: true });
  });

  it("is not made when the dialect is given, or the host says it", async () => {
    const { asked } = serve();
    await client({ dialect: dialects.vllm }).complete(question);
    expect(asked).toEqual([]);
    server.use(http.post("https://api.openai.com/v1/chat/completions", () => HttpResponse.json(said("2"))));
    const hosted = client({ baseURL: "https://api.openai.com/v1" });
    expect((await hosted.complete(question)).text).toBe("2");
    expect(hosted.stats().dialect).toBe("openai");
  });

  it("gives up on a server that never answers, and the call goes on", async () => {
    server.use(
      http.get(`${ROOT}/*`, () => new Promise<never>(() => undefined)),
      http.post(`${ROOT}/v1/chat/completions`, () => HttpResponse.json(said("1"))),
    );
    const model = client({ probeTimeoutMs: 30 });
    expect((await model.complete(question)).text).toBe("1");
    expect(model.stats()).toMatchObject({ dialect: "generic" });
    expect(model.stats().probeProblem).toMatch(/no answer to GET \/v1\/models within 30 ms/);
  });

  it("is made again when no server could be reached before", async () => {
    let now = 0;
    const clock = {
      now: () => now,
      after: (ms: number, action: () => void) => {
        const timer = setTimeout(action, Math.min(ms, 1000));
        return () => clearTimeout(timer);
      },
    };
    server.use(http.all(`${ROOT}/*`, () => HttpResponse.error()));
    const model = client({ clock });
    await expect(model.complete(question)).rejects.toMatchObject({ code: "R1_MODEL", retryable: true });
    // An option that only some servers take is not the caller's mistake while no server can be asked.
    await expect(model.complete(question, { topK: 5 })).rejects.toMatchObject({ code: "R1_MODEL", retryable: true });
    server.resetHandlers();
    serve({ "/version": { version: "0.32.0" } });
    now += 10_001;
    await model.complete(question, { topK: 5 });
    expect(model.stats()).toMatchObject({ dialect: "vllm", serverVersion: "0.32.0" });
  });

  it("ends for a caller who aborts, not for the others", async () => {
    server.use(
      http.get(`${ROOT}/*`, async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        return HttpResponse.json({ version: "0.32.0" });
      }),
      http.post(`${ROOT}/v1/chat/completions`, () => HttpResponse.json(said("1"))),
    );
    const model = client();
    const controller = new AbortController();
    const aborted = expect(model.complete(question, { signal: controller.signal })).rejects.toMatchObject({
      code: "R1_ABORTED",
    });
    const other = model.complete(question);
    controller.abort();
    await aborted;
    expect((await other).text).toBe("1");
  });
});

describe("bodies", () => {
  it("hold what the dialect adds, what the caller adds, and the options of the call last", async () => {
    const { bodies } = serve();
    const model = client({ dialect: dialects.sglang, extraBody: { priority: 3, temperature: 1 } });
    await model.complete(question, { temperature: 0, maxTokens: 9 });
    expect(bodies[0]).toEqual({
      messages: [{ role: "user", content: "1 or 2?" }],
      model: "R1-Reward",
      separate_reasoning: false,
      priority: 3,
      temperature: 0,
      max_tokens: 9,
    });
  });

  it("pass pixel limits to vLLM, and to nobody else", async () => {
    const { bodies } = serve();
    const mmProcessorKwargs = { max_pixels: 501_760 };
    await client({ dialect: dialects.vllm, mmProcessorKwargs }).complete(question);
    expect(bodies[0]).toMatchObject({ mm_processor_kwargs: mmProcessorKwargs });
    const other = client({ dialect: dialects.ollama, mmProcessorKwargs });
    await expect(other.complete(question)).rejects.toMatchObject({ code: "R1_CONFIG" });
    expect(bodies).toHaveLength(1);
  });

  it("differ in the fingerprint when settings differ", () => {
    expect(client().fingerprint).toBeUndefined();
    expect(client({ mmProcessorKwargs: { max_pixels: 1 } }).fingerprint).not.toBe(
      client({ mmProcessorKwargs: { max_pixels: 2 } }).fingerprint,
    );
  });
});

describe("several samples", () => {
  const many = (n: number) => ({ choices: Array.from({ length: n }, (_, i) => said(`r${i}`).choices[0]!) });

  it("come with one request where the server can", async () => {
    const { bodies } = serve({}, () => many(3));
    const got = await client({ dialect: dialects.vllm }).completeMany(question, 3, { seed: 5 });
    expect(got.map(({ text }) => text)).toEqual(["r0", "r1", "r2"]);
    expect(bodies).toEqual([expect.objectContaining({ n: 3, seed: 5 })]);
  });

  it("are made up one by one where it gives too few", async () => {
    const { bodies } = serve({}, (request) => (request === 1 ? many(2) : said("more")));
    const got = await client({ dialect: dialects.vllm }).completeMany(question, 4, { seed: 5 });
    expect(got.map(({ text }) => text)).toEqual(["r0", "r1", "more", "more"]);
    expect(bodies.map(({ n, seed }) => [n, seed])).toEqual([
      [4, 5],
      [undefined, 7],
      [undefined, 8],
    ]);
  });

  it("are refused in impossible numbers", async () => {
    for (const n of [0, -1, 1.5, Number.NaN]) {
      await expect(client().completeMany(question, n)).rejects.toMatchObject({ code: "R1_CONFIG" });
    }
  });
});

describe("options that cannot work", () => {
  it.each([
    [{ model: "" }, /model: expected the name/],
    [{ deadlineMs: -1 }, /deadlineMs: expected a number from 0/],
    [{ deadlineMs: 1e12 }, /deadlineMs: expected at most 86400000/],
    [{ maxResponseBytes: 0 }, /maxResponseBytes/],
    [{ apiKey: "with blank" }, /apiKey: expected a key of printable ASCII/],
    [{ apiKey: "line\nbreak" }, /apiKey/],
    [{ headers: { "content-length": "3" } }, /headers.content-length: this header is the client's own/],
    [{ headers: { "x y": "1" } }, /headers: expected a header name/],
    [{ headers: { x: "a\r\nb: c" } }, /headers.x: expected printable ASCII/],
    [{ extraBody: { stream: true } }, /extraBody.stream: this field is the client's own/],
    [{ extraBody: { bias: { a: [Number.NaN] } } }, /extraBody.bias: expected finite numbers/],
    [{ probeTimeoutMs: 0 }, /probeTimeoutMs/],
  ] satisfies [Partial<OpenAICompatibleOptions>, RegExp][])("%j", (options, message) => {
    expect(() => client(options)).toThrow(message);
    expect(() => client(options)).not.toThrow(/with blank|line\nbreak/);
  });

  it.each([[{ temperature: Number.POSITIVE_INFINITY }], [{ structured: { regex: "[12]" } }]] satisfies [
    SampleOptions,
  ][])("%j of a call: nothing is sent", async (options) => {
    const { bodies } = serve();
    await expect(client({ dialect: dialects.openai }).complete(question, options)).rejects.toMatchObject({
      code: "R1_CONFIG",
    });
    expect(bodies).toEqual([]);
  });
});

describe("time and chance", () => {
  it("come from outside when they are given", async () => {
    const waits: number[] = [];
    let now = 5_000;
    const clock = {
      now: () => now,
      after: (ms: number, action: () => void) => {
        // Only the waits between tries count here; the deadline's timer never fires.
        if (ms < 100_000) {
          waits.push(ms);
          now += ms;
          queueMicrotask(action);
        }
        return () => undefined;
      },
    };
    const { bodies } = serve({}, (n) => (n < 4 ? { error: { code: 500, message: "x" } } : said("1")));
    const retry = { attempts: 5, baseMs: 1000, capMs: 3000 };
    const model = client({ dialect: dialects.generic, clock, random: () => 0.5, retry });
    expect((await model.complete(question)).text).toBe("1");
    expect(waits).toEqual([500, 1000, 1500]);
    expect(bodies).toHaveLength(4);
  });
});
