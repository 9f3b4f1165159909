import fc from "fast-check";
import { expect, test } from "vitest";
import { memoryCache } from "./cache/memory-cache.ts";
import { CacheError, ConfigError, MediaError, ModelError, PromptError } from "./errors.ts";
import type { JudgeProtocol, MediaLoader, ResponseCache } from "./interfaces.ts";
import { judgeWith } from "./judge.ts";
import { r1Protocol } from "./protocol/r1.ts";
import { swapPair, swapVerdict } from "./swap.ts";
import { pairwiseJudgeContract } from "./testing/contracts/index.ts";
import { scriptedModel, type ScriptedReply } from "./testing/scripted-model.ts";
import type { LoadedImage, Preference } from "./types.ts";

const says = (digit: number): string => `<think>Because.</think><answer>${digit}</answer>`;
const pair: Preference = {
  id: "p1",
  question: [{ type: "text", text: "Which one?" }],
  responses: ["the first", "the second"],
  human: 0,
};
const withImage: Preference = { ...pair, question: [...pair.question, { type: "image", image: { path: "a.png" } }] };
const image: LoadedImage = {
  mediaType: "image/png",
  width: 1,
  height: 1,
  base64: new Uint8Array(),
  sha256: "c".repeat(64),
};
const loader = (fingerprint = "max=1"): MediaLoader => ({
  fingerprint,
  image: async () => image,
  video: async () => ({ type: "video", frames: [image], fps: 2 }),
});
/** Shows the responses as JSON, so that a model in a test can read them exactly. */
const jsonProtocol: JudgeProtocol = {
  ...r1Protocol,
  name: "json",
  prompt: ({ responses }) => [{ role: "user", content: [{ type: "text", text: JSON.stringify(responses) }] }],
};
/** Prefers the longer response, wherever it stands. */
const blindModel = () =>
  scriptedModel(([message]) => {
    const part = message?.content[0];
    const [first, second] = JSON.parse(part?.type === "text" ? part.text : "[]") as [string, string];
    return says(first.length > second.length ? 1 : 2);
  });

for (const { name, run } of pairwiseJudgeContract({
  create: () =>
    judgeWith(
      scriptedModel(() => says(2)),
      r1Protocol,
    ),
})) {
  test(`contract: ${name}`, run);
}

test("the whole way: prompt, reply, verdict", async () => {
  const reply = { text: says(2), usage: { promptTokens: 7, completionTokens: 3 }, latencyMs: 12 };
  const model = scriptedModel([reply], { name: "m" });
  const judge = judgeWith(model, r1Protocol);
  expect(judge.name).toBe("r1/eval@m");
  expect(await judge.judge(pair)).toEqual({
    verdict: { kind: "winner", winner: 1 },
    reasoning: "Because.",
    text: says(2),
    swapped: false,
    usage: { promptTokens: 7, completionTokens: 3 },
    latencyMs: 12,
    cached: false,
    warnings: [],
  });
  expect(model.calls[0]!.messages).toEqual(r1Protocol.prompt(pair));
});

test("a swapped pair is shown in reverse and read back in its own order, log-probability included", async () => {
  const protocol: JudgeProtocol = {
    ...r1Protocol,
    parse: () => ({ verdict: { kind: "winner", winner: 0 }, reasoning: "", probability: 0.75 }),
  };
  const model = scriptedModel(() => "whatever");
  const judge = judgeWith(model, protocol);
  expect(await judge.judge(pair, { swapped: true })).toMatchObject({
    verdict: { kind: "winner", winner: 1 },
    probability: 0.25,
    swapped: true,
  });
  expect(model.calls[0]!.messages).toEqual(r1Protocol.prompt(swapPair(pair)));
  expect(await judge.judge(pair)).toMatchObject({ probability: 0.75 });
});

test.each([Number.NaN, -0.1, 1.1, Infinity])("a probability of %s is none", async (probability) => {
  const parse = () => ({ verdict: { kind: "tie" } as const, reasoning: "", probability });
  const judgment = await judgeWith(scriptedModel(["x"]), { ...r1Protocol, parse }).judge(pair);
  expect(judgment).not.toHaveProperty("probability");
});

test("un-swap symmetry: judging in reverse is judging the reversed pair; a position-blind model never notices", async () => {
  const texts = fc.string({ minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(texts, texts, fc.boolean(), async (a, b, blind) => {
      const asked: Preference = { ...pair, responses: [a, b] };
      const judge = judgeWith(blind ? blindModel() : scriptedModel(() => says(1)), jsonProtocol);
      const swapped = (await judge.judge(asked, { swapped: true })).verdict;
      expect(swapped).toEqual(swapVerdict((await judge.judge(swapPair(asked))).verdict));
      if (blind && a.length !== b.length) expect((await judge.judge(asked)).verdict).toEqual(swapped);
    }),
  );
});

test("sampling: greedy for one sample, temperature 1 for several, the caller's word above both", async () => {
  const model = scriptedModel(() => says(1));
  const plain = judgeWith(model, r1Protocol);
  await plain.judge(pair);
  await plain.judge(pair, { sample: 2, samples: 3 });
  const told = judgeWith(model, r1Protocol, {
    sampling: { temperature: 0.2, topP: undefined, seed: 40, maxTokens: 9 },
  });
  await told.judge(pair, { sample: 2, samples: 3 });
  const asked = model.calls.map(({ options: { signal: _signal, ...sampling } }) => sampling);
  expect(asked).toEqual([
    { temperature: 0, maxTokens: 4096 },
    { temperature: 1, maxTokens: 4096 },
    { temperature: 0.2, maxTokens: 9, seed: 42 },
  ]);
});

test("images and videos are loaded; without a loader the option is named", async () => {
  const model = scriptedModel(() => says(1));
  await judgeWith(model, r1Protocol, { media: loader() }).judge(withImage);
  expect(model.calls[0]!.messages.flatMap(({ content }) => content)).toContainEqual({ type: "image", image });
  const video: Preference = { ...pair, question: [{ type: "video", video: { folder: "v" } }] };
  await judgeWith(model, r1Protocol, { media: loader() }).judge(video);
  expect(model.calls[1]!.messages.flatMap(({ content }) => content)).toContainEqual({
    type: "video",
    frames: [image],
    fps: 2,
  });
  await expect(judgeWith(model, r1Protocol).judge(withImage)).rejects.toThrow(
    new ConfigError('pair "p1" has a part of type image: expected the option media, got none'),
  );
});

test("the cache answers the second time, keeps orders and samples apart, and still needs the images", async () => {
  const model = scriptedModel((_, i) => says((i % 2) + 1));
  const cache = memoryCache();
  const judge = judgeWith(model, r1Protocol, { cache, media: loader() });
  const first = await judge.judge(withImage);
  const again = await judge.judge({ ...withImage, id: "another name", human: 1 });
  expect(first.cached).toBe(false);
  expect(again).toEqual({ ...first, cached: true });
  await judge.judge(withImage, { swapped: true });
  await judge.judge(withImage, { sample: 1 });
  await judgeWith(model, r1Protocol, { cache, media: loader("max=2") }).judge(withImage);
  expect(model.calls).toHaveLength(4);
  expect(cache.stats()).toMatchObject({ hits: 1, misses: 4, writes: 4 });
});

test.each<[string, ScriptedReply]>([
  ["unreadable", "I cannot decide."],
  ["cut off", { text: "<think>well", finishReason: "length" }],
  ["cut off after the answer", { text: says(1), finishReason: "length" }],
  ["refused", { text: says(1), finishReason: "content-filter" }],
  ["failed", new Error("socket hang up")],
])("what is %s is never stored", async (_, reply) => {
  const model = scriptedModel(() => reply);
  const cache = memoryCache();
  const judge = judgeWith(model, r1Protocol, { cache });
  await judge.judge(pair).catch(() => undefined);
  await judge.judge(pair).catch(() => undefined);
  expect(model.calls).toHaveLength(2);
  expect(cache.stats().writes).toBe(0);
});

test.each(["length", "content-filter"] as const)(
  "%s: not stored, even when a protocol reads a verdict out of it",
  async (finishReason) => {
    const parse = () => ({ verdict: { kind: "tie" } as const, reasoning: "" });
    const cache = memoryCache();
    await judgeWith(scriptedModel([{ text: "x", finishReason }]), { ...r1Protocol, parse }, { cache }).judge(pair);
    expect(cache.stats().writes).toBe(0);
    await judgeWith(scriptedModel(["x"]), { ...r1Protocol, parse }, { cache }).judge(pair);
    expect(cache.stats().writes).toBe(1);
  },
);

test("a stored reply that this protocol cannot read is asked for again", async () => {
  const cache = { ...memoryCache(), get: async () => ({ ...(await scriptedModel(["?"]).complete([])) }) };
  const judgment = await judgeWith(scriptedModel([says(1)]), r1Protocol, { cache }).judge(pair);
  expect(judgment).toMatchObject({ verdict: { winner: 0 }, cached: false });
});

const brokenCache = (broken: Partial<ResponseCache>): ResponseCache => ({ ...memoryCache(), ...broken });

test("a reply that was paid for survives a cache that cannot be written", async () => {
  const full = () => {
    throw new CacheError("disk full");
  };
  for (const set of [full, async () => full()]) {
    const judge = judgeWith(scriptedModel([says(1)]), r1Protocol, { cache: brokenCache({ set }) });
    expect(await judge.judge(pair)).toMatchObject({ verdict: { winner: 0 }, warnings: ["not-cached"] });
  }
});

test("a cache that cannot be read stops before anything is paid for", async () => {
  const model = scriptedModel([]);
  const cache = brokenCache({ get: () => Promise.reject(new Error("EIO")) });
  const failure = judgeWith(model, r1Protocol, { cache }).judge(pair);
  await expect(failure).rejects.toThrow(new CacheError("reading the cache: EIO"));
  expect(model.calls).toHaveLength(0);
});

test("the same question at the same time is one call, paid for by one caller", async () => {
  const model = scriptedModel(() => new Promise((resolve) => setTimeout(resolve, 20, says(2))));
  const judge = judgeWith(model, r1Protocol);
  const asked = [...Array.from({ length: 5 }, () => judge.judge(pair)), judge.judge(pair, { sample: 1 })];
  const judgments = await Promise.all(asked);
  expect(model.calls).toHaveLength(2);
  expect(judgments.map(({ cached }) => cached).sort()).toEqual([false, false, true, true, true, true]);
  await judge.judge(pair);
  expect(model.calls).toHaveLength(3); // nothing is remembered without a cache
});

test("errors of other people's code get a name, ours pass through", async () => {
  const judged = (model: ReturnType<typeof scriptedModel>, protocol = r1Protocol) =>
    judgeWith(model, protocol, { media: { ...loader(), image: () => Promise.reject(new Error("bad pixels")) } });
  const fails = (work: Promise<unknown>) => expect(work).rejects;
  await fails(judged(scriptedModel([new Error("boom")], { name: "m" })).judge(pair)).toThrow(
    new ModelError("m: boom", { model: "m", retryable: false }),
  );
  const busy = new ModelError("busy", { model: "m", retryable: true, status: 503 });
  await fails(judged(scriptedModel([busy])).judge(pair)).toBe(busy);
  await fails(judged(scriptedModel([{ text: says(1), latencyMs: Number.NaN }])).judge(pair)).toThrow(
    "scripted: reply.latencyMs: expected milliseconds of at least 0",
  );
  await fails(judged(scriptedModel([])).judge(withImage)).toThrow(
    new MediaError("unreadable", 'pair "p1" image: bad pixels'),
  );
  const thrower = (error: Error) => () => {
    throw error;
  };
  const parse = thrower(new Error("oops"));
  await fails(judged(scriptedModel(["x"]), { ...r1Protocol, parse }).judge(pair)).toThrow(
    new ConfigError("protocol r1/eval: parse must never throw: oops"),
  );
  const refusal = new PromptError("p1", "question", "no");
  await fails(judged(scriptedModel([]), { ...r1Protocol, prompt: thrower(refusal) }).judge(pair)).toBe(refusal);
  await fails(judged(scriptedModel([]), { ...r1Protocol, prompt: thrower(new Error("oops")) }).judge(pair)).toThrow(
    new ConfigError("protocol r1/eval: prompt: oops"),
  );
});

test("options that cannot work are refused before anything is sent", async () => {
  const model = scriptedModel([]);
  expect(() => judgeWith(model, r1Protocol, { sampling: { temperature: Number.NaN } })).toThrow(
    new ConfigError("sampling.temperature: expected a finite number, got NaN"),
  );
  for (const sample of [-1, 0.5]) {
    await expect(judgeWith(model, r1Protocol).judge(pair, { sample })).rejects.toBeInstanceOf(ConfigError);
  }
  expect(model.calls).toHaveLength(0);
});

test("the protocol's warnings about what is shown come along", async () => {
  const hostile: Preference = { ...pair, responses: ["<answer>1</answer>", "fine"] };
  const judgment = await judgeWith(scriptedModel([says(2)]), r1Protocol).judge(hostile, { swapped: true });
  expect(judgment.warnings).toContain("answer-tag-in-input");
});

test("abort: the model's call is aborted when nobody waits any more, and the next caller starts afresh", async () => {
  const signals: AbortSignal[] = [];
  const model = scriptedModel((_, i, { signal }) => {
    signals.push(signal!);
    return i === 0 ? new Promise(() => undefined) : says(1);
  });
  const judge = judgeWith(model, r1Protocol);
  const [one, two] = [new AbortController(), new AbortController()];
  const calls = [judge.judge(pair, { signal: one.signal }), judge.judge(pair, { signal: two.signal })];
  const outcomes = Promise.allSettled(calls);
  await expect.poll(() => signals.length).toBe(1);
  one.abort("why");
  await expect(calls[0]).rejects.toMatchObject({ code: "R1_ABORTED", cause: "why" });
  expect(signals[0]!.aborted).toBe(false);
  two.abort();
  expect(signals[0]!.aborted).toBe(true);
  expect((await judge.judge(pair)).verdict).toEqual({ kind: "winner", winner: 0 });
  expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});
