import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { LoadedPart, Message } from "@r1reward/core";
import { chatModelContract } from "@r1reward/core/testing";
import { createEngine } from "../../engine/engine.ts";
import type { Engine } from "../../engine/types.ts";
import { goldenModel, numberTokenizer, promptOf, rowsByText, type GoldenReply } from "../policy/golden.test-kit.ts";
import { localChatModel, type LocalChatModel, type LocalChatOptions } from "./index.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 }); // many small graphs, each of which is traced and loaded

const golden = goldenModel("sizes");
const rows = golden.replies.map(({ row }) => row);
const asked = (index: number): readonly Message<LoadedPart>[] => promptOf(index) as readonly Message<LoadedPart>[];

let engine: Engine;
const opened: LocalChatModel[] = [];
const open = (options: Partial<LocalChatOptions> = {}): LocalChatModel => {
  const { config, params: weights } = golden;
  const tokenizer = numberTokenizer(config.text.vocabSize);
  const inputs = rowsByText(rows);
  const model = localChatModel({ name: "tiny", engine, config, tokenizer, inputs, weights, context: 80, ...options });
  opened.push(model);
  return model;
};
const words = (reply: GoldenReply | undefined, n: number): string => (reply?.reply ?? []).slice(0, n).join(" ");

beforeAll(async () => {
  engine = await createEngine({ runtime: "onnx-node", threads: 1 });
});
afterAll(async () => {
  for (const model of opened) await model[Symbol.asyncDispose]();
  expect(engine.liveTensors()).toBe(0);
  await engine[Symbol.asyncDispose]();
});

describe("the contract of chat models", () => {
  const shared: { model?: LocalChatModel } = {};
  const create = (): LocalChatModel => (shared.model ??= open());
  const failing = { encode: () => Promise.resolve({ ...(rows[0] as (typeof rows)[0]), grids: [] }) };
  const createFailing = (): LocalChatModel =>
    open({
      inputs: failing,
      weights: { "model.norm.weight": { data: new Float32Array(1), shape: [1], dtype: "float32" } },
    });
  it.each(chatModelContract({ create, messages: asked(1), createFailing }))("$name", ({ run }) => run());
});

describe("localChatModel", () => {
  it("answers calls together, and each as if it were alone", async () => {
    const model = open({ windowMs: 20 });
    const greedy = { temperature: 0, maxTokens: 8 };
    const calls = [0, 1, 0, 1, 0, 1].map((i) => model.complete(asked(i), greedy));
    const replies = await Promise.all(calls);
    replies.forEach(({ text, usage, finishReason }, i) => {
      expect(text).toBe(words(golden.replies[i % 2], 8));
      expect(usage).toEqual({ promptTokens: rows[i % 2]?.tokens.length, completionTokens: 8 });
      expect(finishReason).toBe("length");
    });
    expect(model.stats()).toMatchObject({ completions: 6, completionTokens: 48, mostAtOnce: 6 });
  });

  it("lets calls join a batch under way, of other lengths and settings too", async () => {
    const model = open({ windowMs: 0, maxBatch: 4 });
    const long = model.complete(asked(0), { temperature: 0, maxTokens: 24 });
    await new Promise((resolve) => setTimeout(resolve, 30));
    const short = model.complete(asked(1), { temperature: 0, maxTokens: 3 });
    const other = model.complete(asked(1), { temperature: 0.7, maxTokens: 3, seed: 4 });
    expect((await short).text).toBe(words(golden.replies[1], 3));
    expect((await long).text).toBe(words(golden.replies[0], 24));
    expect((await other).text).toBe((await model.complete(asked(1), { temperature: 0.7, maxTokens: 3, seed: 4 })).text);
  });

  it("samples by seed: n replies are those of seed, seed + 1, …", async () => {
    const model = open();
    const how = { temperature: 1.5, maxTokens: 6, seed: 11 };
    const many = await model.completeMany(asked(1), 3, how);
    const singles = await Promise.all([11, 12, 13].map((seed) => model.complete(asked(1), { ...how, seed })));
    expect(many.map(({ text }) => text)).toEqual(singles.map(({ text }) => text));
    expect(new Set(many.map(({ text }) => text)).size).toBeGreaterThan(1);
  });

  it("stops at strings and at tokens, and leaves them out", async () => {
    const [first, second, third] = golden.replies[1]?.reply as [number, number, number];
    const cut = await open().complete(asked(1), { temperature: 0, maxTokens: 8, stop: [` ${second} ${third}`] });
    expect([cut.text, cut.finishReason]).toEqual([String(first), "stop"]);
    const tokenizer = numberTokenizer(golden.config.text.vocabSize, [third]);
    const before = (golden.replies[1]?.reply as number[]).indexOf(third);
    const ended = await open({ tokenizer }).complete(asked(1), { temperature: 0, maxTokens: 8, logprobs: 0 });
    expect(ended.text).toBe(words(golden.replies[1], before));
    expect(ended.finishReason).toBe("stop");
    expect(ended.logps?.length).toBe(before);
  });

  it("tells log-probabilities and the likeliest alternatives", async () => {
    const { reply, logp } = golden.replies[1] as GoldenReply;
    const { logps } = await open().complete(asked(1), { temperature: 0, maxTokens: 5, logprobs: 3 });
    expect(logps?.map(({ token }) => Number(token))).toEqual(reply.slice(0, 5));
    logps?.forEach((one, t) => {
      expect(one.logp).toBeCloseTo(logp[t] as number, 4);
      expect(one.top[0]).toEqual({ token: one.token, logp: one.logp });
      expect(one.top.length).toBe(3);
      const sorted = one.top.map((x) => x.logp);
      expect(sorted).toEqual([...sorted].sort((a, b) => b - a));
    });
  });

  it("keeps the reply inside of the context, and refuses a prompt that leaves no room", async () => {
    const length = rows[1]?.tokens.length as number;
    const short = await open({ context: length + 2 }).complete(asked(1), { temperature: 0, maxTokens: 50 });
    expect(short.usage.completionTokens).toBe(2);
    await expect(open({ context: length }).complete(asked(1))).rejects.toThrow(/prompt: expected at most/);
  });

  it("drops what was aborted and goes on with the rest", async () => {
    const model = open({ windowMs: 0 });
    const control = new AbortController();
    const doomed = model.complete(asked(0), { temperature: 0, maxTokens: 40, signal: control.signal });
    const other = model.complete(asked(1), { temperature: 0, maxTokens: 6 });
    setTimeout(() => control.abort(), 20);
    await expect(doomed).rejects.toMatchObject({ code: "R1_ABORTED" });
    expect((await other).text).toBe(words(golden.replies[1], 6));
  });

  it("rejects what is under way when it is closed, and what comes later", async () => {
    const model = open({ windowMs: 0 });
    const lost = model.complete(asked(0), { temperature: 0, maxTokens: 40 });
    const check = expect(lost).rejects.toMatchObject({ code: "R1_ABORTED" });
    await new Promise((resolve) => setTimeout(resolve, 10));
    await model[Symbol.asyncDispose]();
    opened.splice(opened.indexOf(model), 1);
    await check;
    await expect(model.complete(asked(0))).rejects.toMatchObject({ code: "R1_ABORTED" });
  });

  it.each([
    [{ temperature: -1 }, /temperature/],
    [{ topP: 0 }, /topP/],
    [{ topK: -2 }, /topK/],
    [{ repetitionPenalty: 0 }, /repetitionPenalty/],
    [{ maxTokens: 0 }, /maxTokens/],
    [{ seed: 1.5 }, /seed/],
    [{ logprobs: -1 }, /logprobs/],
    [{ structured: { choice: ["1", "2"] } }, /structured/],
    [{ logprobTokenIds: [1] }, /logprobTokenIds/],
  ])("refuses %j", async (call, field) => {
    await expect(open().complete(asked(1), call)).rejects.toThrow(field);
  });
});
