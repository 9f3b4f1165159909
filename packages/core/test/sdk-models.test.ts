/** Models from the clients of other SDKs, the real packages against a real server. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import OpenAI from "openai";
import { afterEach, describe, expect, it } from "vitest";
import { AbortError } from "../src/errors.ts";
import { dialects } from "../src/model/dialects.ts";
import { fromAISDK } from "../src/model/from-ai-sdk.ts";
import { fromOpenAI } from "../src/model/from-openai.ts";
import { startFaultServer, type FaultServerOptions, type FaultServerRequest } from "../src/testing/fault-server.ts";
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
const retry = { baseMs: 1, capMs: 2, attempts: 20, budget: { capacity: 500 } };

const pixel = {
  mediaType: "image/png",
  width: 1,
  height: 1,
  base64: new TextEncoder().encode("iVBORw0KGgoAAAANSUhEUg=="),
  sha256: "0".repeat(64),
} as const;
const messages: readonly Message<LoadedPart>[] = [
  { role: "system", content: [{ type: "text", text: "You judge." }] },
  {
    role: "user",
    content: [
      { type: "image", image: pixel },
      { type: "text", text: "Which is better? “1” or “2”" },
    ],
  },
];
const reply = "<think>The first.</think><answer>1</answer>";
const url = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==";

const openai = (baseURL: string) =>
  keep(fromOpenAI(new OpenAI({ baseURL, apiKey: "sentinel-key-8812" }), { model: "m", retry }));
const aiSdk = (baseURL: string, apiKey = "sentinel-key-8812") =>
  keep(fromAISDK(createOpenAICompatible({ name: "local", baseURL, apiKey })("m"), { retry }));

describe.each([
  ["openai", openai],
  ["AI SDK", aiSdk],
] as const)("%s", (_name, create) => {
  it("sends what was asked and reads the reply", async () => {
    const seen: FaultServerRequest[] = [];
    const server = await serve({
      reply: (request) => {
        seen.push(request);
        return { text: reply, finishReason: "length" };
      },
    });
    const options = { temperature: 0.5, topP: 0.9, maxTokens: 64, seed: 7, stop: ["</answer>"] };
    const got = await create(server.url).complete(messages, options);
    expect(got).toMatchObject({ text: reply, finishReason: "length", usage: { completionTokens: 12 } });
    expect(got.usage.promptTokens).toBeGreaterThan(5);
    const [{ body, headers }] = seen as [FaultServerRequest];
    expect(headers["authorization"]).toBe("Bearer sentinel-key-8812");
    expect(body).toMatchObject({
      model: "m",
      temperature: 0.5,
      top_p: 0.9,
      max_tokens: 64,
      seed: 7,
      stop: ["</answer>"],
      messages: [
        { role: "system", content: "You judge." },
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url } },
            { type: "text", text: "Which is better? “1” or “2”" },
          ],
        },
      ],
    });
  });

  it("gets through faults with our retries, and none of its own", async () => {
    const server = await serve({ seed: 5, faults: { rate: 0.3, kinds: ["429", "500", "reset", "half-body"] } });
    const model = create(server.url);
    const ask = (i: number): readonly Message<LoadedPart>[] => [
      { role: "user", content: [{ type: "text", text: `q${i}` }] },
    ];
    const replies = await Promise.all(Array.from({ length: 40 }, (_, i) => model.complete(ask(i))));
    expect(replies.every(({ text }) => text.endsWith("<answer>1</answer>"))).toBe(true);
    const { requests, faults } = server.stats();
    const failed = Object.values(faults).reduce((sum, n) => sum + n, 0);
    expect(failed).toBeGreaterThan(5);
    expect(requests).toBe(40 + failed);
    expect(model.stats().retries).toBe(failed);
  });

  it("tells a wrong model from a failing server, and keeps the key to itself", async () => {
    const server = await serve({ model: "other" });
    await expect(create(server.url).complete(messages)).rejects.toMatchObject({ status: 404, retryable: false });
    expect(server.stats().requests).toBe(1);
    const locked = await serve({ apiKey: "another" });
    const error: unknown = await create(locked.url)
      .complete(messages)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "R1_MODEL", status: 401 });
    expect(String(error)).not.toContain("sentinel-key");
  });

  it("can be cancelled", async () => {
    const server = await serve({ faults: { rate: 1, kinds: ["stall"] } });
    const controller = new AbortController();
    const call = create(server.url).complete(messages, { signal: controller.signal });
    const failed = expect(call).rejects.toBeInstanceOf(AbortError);
    while (server.stats().requests === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort();
    await failed;
    while (server.stats().hungUp === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it("takes several samples one by one, with seeds that count up", async () => {
    const seeds: unknown[] = [];
    const server = await serve({
      reply: ({ body }) => {
        seeds.push(body["seed"]);
        return reply;
      },
    });
    expect(await create(server.url).completeMany(messages, 3, { seed: 10 })).toHaveLength(3);
    expect(seeds.sort()).toEqual([10, 11, 12]);
  });
});

describe("what each cannot do", () => {
  it("AI SDK: refuses log-probabilities before it asks", async () => {
    const server = await serve();
    await expect(aiSdk(server.url).complete(messages, { logprobs: 2 })).rejects.toMatchObject({ code: "R1_CONFIG" });
    expect(server.stats().requests).toBe(0);
  });

  it("AI SDK: what the provider warns it ignored is an error", async () => {
    const server = await serve();
    const call = aiSdk(server.url).complete(messages, { topK: 5 });
    await expect(call).rejects.toThrow(/the provider ignores topK/);
    await expect(call).rejects.toMatchObject({ retryable: false });
  });

  it("openai: with the dialect named, reads log-probabilities and several choices", async () => {
    const logprobs = { content: [{ token: "1", logprob: -0.1, top_logprobs: [{ token: "2", logprob: -2.4 }] }] };
    const server = await serve({ reply: () => ({ text: "1", logprobs }) });
    const client = new OpenAI({ baseURL: server.url, apiKey: "none" });
    const model = keep(fromOpenAI(client, { model: "m", dialect: dialects.vllm }));
    const many = await model.completeMany(messages, 4, { logprobs: 1, logprobTokenIds: [16, 17] });
    expect(many).toHaveLength(4);
    expect(many[3]!.logps).toEqual([{ token: "1", logp: -0.1, top: [{ token: "2", logp: -2.4 }] }]);
    expect(server.stats().requests).toBe(1);
  });
});
