import * as ai6 from "ai";
import * as ai6test from "ai/test";
import * as ai7 from "ai-v7";
import * as ai7test from "ai-v7/test";
import { describe, expect, expectTypeOf, it } from "vitest";
import { bestOfN, questionOfPrompt, r1Reranker, type PromptTurn } from "../src/ai-sdk/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";
import { vsReference } from "../src/scoring/scalarise.ts";
import type { OnError } from "../src/scoring/types.ts";

const pixel = "iVBORw0KGgoAAAANSUhEUg==";
const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

type Answers = readonly (string | Error)[];

const result = (text: string) => ({
  content: [{ type: "text" as const, text }],
  finishReason: { unified: "stop" as const, raw: undefined },
  usage: {
    inputTokens: { total: 10, noCache: 10, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: 2, text: 2, reasoning: undefined },
  },
  warnings: [],
  providerMetadata: { mock: { kept: true } },
});

const drawing = (answers: Answers) => {
  let call = 0;
  return async () => {
    const answer = answers[call++ % answers.length]!;
    if (answer instanceof Error) throw answer;
    return result(answer);
  };
};

describe("types", () => {
  it("are those of both versions of the package", () => {
    const judge = numberJudge();
    expectTypeOf(r1Reranker({ judge, specificationVersion: "v3" })).toExtend<Exclude<ai6.RerankingModel, string>>();
    expectTypeOf(r1Reranker({ judge, specificationVersion: "v4" })).toExtend<Exclude<ai7.RerankingModel, string>>();
    expectTypeOf(bestOfN({ judge, specificationVersion: "v3", n: 2 })).toExtend<ai6.LanguageModelMiddleware>();
    expectTypeOf(bestOfN({ judge, specificationVersion: "v4", n: 2 })).toExtend<ai7.LanguageModelMiddleware>();
  });
});

const rerankers = {
  v3: (options: object) => r1Reranker({ judge: numberJudge(), specificationVersion: "v3", ...options }),
  v4: (options: object) => r1Reranker({ judge: numberJudge(), specificationVersion: "v4", ...options }),
};

const rerank = (version: "v3" | "v4", options: object, call: object) =>
  version === "v3"
    ? ai6.rerank({ model: rerankers.v3(options), query: "q?", documents: [], maxRetries: 0, ...call })
    : ai7.rerank({ model: rerankers.v4(options), query: "q?", documents: [], maxRetries: 0, ...call });

describe.each(["v3", "v4"] as const)("rerank, %s", (version) => {
  const documents = ["good 1", "good 9", "good 5"];

  it("puts the answers in the judge's order", async () => {
    const { ranking, rerankedDocuments } = await rerank(version, {}, { documents, topN: 2 });
    expect(rerankedDocuments).toEqual(["good 9", "good 5"]);
    expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual([1, 2]);
    expect(ranking[0]!.score).toBeGreaterThan(0.5);
  });

  it("takes objects, and pictures from the provider's options", async () => {
    const judge = numberJudge();
    const texts = documents.map((answer) => ({ answer }));
    const providerOptions = { r1reward: { images: [`data:image/png;base64,${pixel}`] } };
    const options = { judge, text: ({ answer }: { answer: string }) => answer };
    const { rerankedDocuments } = await rerank(version, options, { documents: texts, providerOptions });
    expect(rerankedDocuments.map((one) => (one as { answer: string }).answer)).toEqual(["good 9", "good 5", "good 1"]);
    expect(judge.asked[0]!.pair.question).toEqual([
      { type: "image", image: { dataUri: `data:image/png;base64,${pixel}` } },
      { type: "text", text: "q?" },
    ]);
  });

  it.each(["throw", "abstain", 0] as const)("onError %j", async (onError: OnError) => {
    const documentsWithOne = ["good 1", "THROW", "good 5"];
    // Against a reference, so that one document's failure stays its own.
    const call = { documents: documentsWithOne, providerOptions: { r1reward: { reference: "good 3" } } };
    const ranked = rerank(version, { onError, scalarise: vsReference() }, call);
    if (onError === "throw") return expect(ranked).rejects.toThrow(/the judge is out/);
    const indices = (await ranked).ranking.map(({ originalIndex }) => originalIndex);
    expect(indices).toEqual(onError === "abstain" ? [2, 0] : [2, 0, 1]);
  });

  it("is cancelled by the caller's signal", async () => {
    const abortSignal = AbortSignal.abort(new Error("enough"));
    await expect(rerank(version, { onError: 0 }, { documents, abortSignal })).rejects.toThrow();
  });
});

const generate = (version: "v3" | "v4", answers: Answers, options: object = {}, call: object = {}) => {
  const doGenerate = drawing(answers);
  if (version === "v3") {
    const policy = new ai6test.MockLanguageModelV3({ doGenerate });
    const middleware = bestOfN({ judge: numberJudge(), n: 3, specificationVersion: "v3", ...options });
    const model = ai6.wrapLanguageModel({ model: policy, middleware });
    const run = ai6.generateText({ model, prompt: "q?", maxRetries: 0, ...call } as Parameters<
      typeof ai6.generateText
    >[0]);
    return { middleware, policy, run, model };
  }
  const policy = new ai7test.MockLanguageModelV4({ doGenerate });
  const middleware = bestOfN({ judge: numberJudge(), n: 3, specificationVersion: "v4", ...options });
  const model = ai7.wrapLanguageModel({ model: policy, middleware });
  const run = ai7.generateText({ model, prompt: "q?", maxRetries: 0, ...call } as Parameters<
    typeof ai7.generateText
  >[0]);
  return { middleware, policy, run, model };
};

describe.each(["v3", "v4"] as const)("best of n, %s", (version) => {
  it("gives back the reply that the judge prefers, and says what all of them cost", async () => {
    const { run, policy } = generate(version, ["good 1", "good 9", "good 5"]);
    const { text, usage, providerMetadata } = await run;
    expect(text).toBe("good 9");
    expect(policy.doGenerateCalls).toHaveLength(3);
    expect([usage.inputTokens, usage.outputTokens]).toEqual([30, 6]); // 3 × 10 and 3 × 2
    expect(providerMetadata).toMatchObject({
      mock: { kept: true },
      r1reward: { candidates: 3, chosen: 1, judged: true },
    });
    expect(String(providerMetadata!["r1reward"]!["critique"])).toContain("the judge preferred this answer");
  });

  it("shows the judge the pictures of the prompt, and not the system's turn", async () => {
    const judge = numberJudge();
    const image =
      version === "v3" ? { type: "image", image: png } : { type: "file", data: png, mediaType: "image/png" };
    const messages = [{ role: "user", content: [{ type: "text", text: "what?" }, image] }];
    const { run } = generate(version, ["1", "2"], { judge }, { prompt: undefined, system: "Be brief.", messages });
    await run;
    const [text, picture] = judge.asked[0]!.pair.question;
    expect(text).toEqual({ type: "text", text: "what?" });
    const source = (picture as { image: { bytes?: Uint8Array; dataUri?: string } }).image;
    expect(source.bytes ?? Uint8Array.from(Buffer.from(source.dataUri!.split(",")[1]!, "base64"))).toEqual(png);
  });

  it("gives each reply its own seed", async () => {
    const { run, policy } = generate(version, ["1", "2", "3"], {}, { seed: 7 });
    await run;
    expect(policy.doGenerateCalls.map(({ seed }) => seed).sort()).toEqual([7, 8, 9]);
  });

  it("makes do with the replies that came, and fails when none came", async () => {
    const refusal = new Error("no capacity");
    const { run } = generate(version, [refusal, "good 2", "good 3"]);
    expect((await run).text).toBe("good 3");
    await expect(generate(version, [refusal]).run).rejects.toThrow(/no capacity/);
  });

  it("throws, abstains or takes the number when the judge fails", async () => {
    const judge = { name: "out", judge: () => Promise.reject(new Error("down")) };
    await expect(generate(version, ["1", "2"], { judge }).run).rejects.toThrow(/down/);
    for (const onError of ["abstain", 0] as const) {
      const { run, middleware } = generate(version, ["1", "2"], { judge, onError });
      const { text, providerMetadata } = await run;
      expect(text).toBe("1");
      expect(providerMetadata).toMatchObject({ r1reward: { chosen: 0, judged: false } });
      expect(() => middleware.assertHealthy()).toThrow(/down/);
    }
  });

  it("refuses to stream", async () => {
    const { model, run } = generate(version, ["1", "2"]);
    await run;
    const stream = (model as unknown as { doStream(options: object): Promise<unknown> }).doStream({ prompt: [] });
    await expect(stream).rejects.toThrow(/expected generateText, got a stream/);
  });

  it("is cancelled by the caller's signal", async () => {
    const abortSignal = AbortSignal.abort(new Error("enough"));
    await expect(generate(version, ["1", "2"], { onError: 0 }, { abortSignal }).run).rejects.toThrow();
  });
});

describe("best of n", () => {
  it("cannot judge tool calls, and says so", async () => {
    const call = { type: "tool-call" as const, toolCallId: "1", toolName: "t", input: "{}" };
    const middleware = bestOfN({ judge: numberJudge(), specificationVersion: "v4", n: 2 });
    const doGenerate = async () => ({ ...result(""), content: [call] });
    const model = { doGenerate };
    const params = { prompt: [{ role: "user", content: [{ type: "text", text: "q" }] }] };
    await expect(middleware.wrapGenerate({ doGenerate, params, model })).rejects.toThrow(/part of type tool-call/);
  });

  it.each([1, 0, 2.5, Number.NaN])("refuses n = %d", (n) => {
    expect(() => bestOfN({ judge: numberJudge(), specificationVersion: "v4", n })).toThrow(/whole number from 2/);
  });
});

describe("questionOfPrompt", () => {
  const user = (...content: readonly object[]): PromptTurn => ({
    role: "user",
    content: content as PromptTurn["content"] & object,
  });
  const file = (data: unknown, mediaType = "image/png") => ({ type: "file", mediaType, data });
  const dataUri = `data:image/png;base64,${pixel}`;

  it.each([
    ["V3 bytes", file(png), { bytes: png }],
    ["V3 base64", file(pixel), { dataUri }],
    ["V3 address", file(new URL("https://example.org/a.png")), { url: "https://example.org/a.png" }],
    ["V3 data URI", file(dataUri), { dataUri }],
    ["V4 bytes", file({ type: "data", data: png }), { bytes: png }],
    ["V4 base64", file({ type: "data", data: pixel }, "image/png"), { dataUri }],
    [
      "V4 address",
      file({ type: "url", url: new URL("https://example.org/a.png") }, "image"),
      { url: "https://example.org/a.png" },
    ],
  ])("reads an image: %s", (_name, part, image) => {
    expect(questionOfPrompt([user(part)])).toEqual([{ type: "image", image }]);
  });

  it("tells the turns of a conversation apart", () => {
    const prompt: readonly PromptTurn[] = [
      { role: "system", content: "secret" },
      user({ type: "text", text: "a" }),
      {
        role: "assistant",
        content: [
          { type: "reasoning", text: "hm" },
          { type: "text", text: "b" },
        ],
      },
      user({ type: "text", text: "c" }),
    ];
    const text = questionOfPrompt(prompt)
      .map((part) => (part.type === "text" ? part.text : ""))
      .join("");
    expect(text).toBe("\n[user]\na\n[assistant]\nb\n[user]\nc");
  });

  it.each([
    [[user(file(png, "application/pdf"))], /cannot show a file application\/pdf/],
    [[user(file({ type: "reference", reference: {} }))], /got one of type reference/],
    [[user({ type: "tool-result" })], /cannot show a tool-result/],
    [[{ role: "system", content: "x" }], /expected at least one turn/],
  ])("refuses %#", (prompt, message) => {
    expect(() => questionOfPrompt(prompt)).toThrow(message);
  });
});
