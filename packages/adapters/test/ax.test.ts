import {
  AxGEPA,
  AxMockAIService,
  ax,
  bestOfN,
  optimize,
  refine,
  type AxMetricFn,
  type AxMultiMetricFn,
  type AxRewardFn,
  type AxGEPAAdapter,
  type AxAIService,
  type AxCompileOptions,
} from "@ax-llm/ax";
import { describe, expect, expectTypeOf, it } from "vitest";
import { axFeedback, axFields, axGepaAdapter, axMetric, axMultiMetric, axReward } from "../src/ax/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";

const usage = { promptTokens: 1, completionTokens: 1, totalTokens: 2 };
const features = { functions: false, streaming: false };
/** The mock is an `AxAIService` in all but optional properties that may be undefined. */
const mock = (config: ConstructorParameters<typeof AxMockAIService>[0]) =>
  new AxMockAIService(config) as unknown as AxAIService;

const replying = (reply: (prompt: string) => string) =>
  mock({
    features,
    chatResponse: async (request: unknown) => ({
      results: [{ index: 0, content: reply(JSON.stringify(request)), finishReason: "stop" as const }],
      modelUsage: { ai: "mock", model: "mock", tokens: usage },
    }),
  });

const read = axFields({ question: "question", answer: "answer" });
const examples = [
  { question: "one?", answer: "good 5" },
  { question: "two?", answer: "good 5" },
];

describe("types", () => {
  it("are those of the package", () => {
    const options = { judge: numberJudge(), read };
    expectTypeOf(axMetric(options)).toExtend<AxMetricFn>();
    expectTypeOf(axMultiMetric(options)).toExtend<AxMultiMetricFn>();
    expectTypeOf(axReward<{ question: string }, { answer: string }>(options)).toExtend<
      AxRewardFn<{ question: string }, { answer: string }>
    >();
    expectTypeOf(axFeedback(axMetric(options))).toExtend<NonNullable<AxCompileOptions["feedbackFn"]>>();
    expectTypeOf(
      axGepaAdapter({ ...options, run: () => "x", read: () => ({ question: "q", response: "r" }) }),
    ).toExtend<AxGEPAAdapter>();
    // @ts-expect-error ax has no way to say "cannot tell"
    expect(() => axMetric({ ...options, onError: "abstain" })).toThrow(/cannot abstain/);
  });
});

describe("AxGEPA", () => {
  const student = replying((prompt) => (prompt.includes("IMPROVED") ? "Answer: good 9" : "Answer: good 1"));

  it("finds the instruction that the judge prefers, with the critique in the reflection prompt", async () => {
    const reflections: string[] = [];
    const teacher = replying((prompt) => {
      reflections.push(prompt);
      const [, field = ""] = /wire key: `(\w+)`/.exec(prompt) ?? [];
      return `${field}: IMPROVED answer well`;
    });
    const judge = numberJudge();
    const metric = axMetric({ judge, read });
    const program = ax("question:string -> answer:string");
    program.setInstruction("Answer the question somehow."); // GEPA has no proposal for an empty one
    const gepa = new AxGEPA({ studentAI: student, teacherAI: teacher, numTrials: 2, minibatch: false, seed: 1 });
    const result = await gepa.compile(program, examples, metric, {
      feedbackExamples: examples,
      validationExamples: examples,
      maxMetricCalls: 100,
      feedbackFn: axFeedback(metric),
    });
    expect(result.bestScore).toBe(1);
    expect(reflections.join("")).toContain("preferred the other");
    expect(reflections.join("")).toContain("says good 1");
    expect(metric.stats().scored).toBe(metric.stats().asked);
    metric.assertHealthy();
    expect(judge.asked.every(({ pair }) => pair.responses[1] === "good 5")).toBe(true);
  });

  it("hides a judge that fails, which is what stats are for", async () => {
    const metric = axMetric({ judge: { name: "out", judge: () => Promise.reject(new Error("down")) }, read });
    const gepa = new AxGEPA({ studentAI: student, teacherAI: student, numTrials: 1, minibatch: false, seed: 1 });
    const options = { feedbackExamples: examples, validationExamples: examples, maxMetricCalls: 50 };
    const { bestScore } = await gepa.compile(ax("question:string -> answer:string"), examples, metric, options);
    expect(bestScore).toBe(0);
    expect(metric.stats().failed.threw).toBeGreaterThan(0);
    expect(() => metric.assertHealthy()).toThrow(/have no score.*down/);
  });

  it("takes several objectives", async () => {
    const also = () => ({ brevity: 0.5 });
    const metric = axMultiMetric({ judge: numberJudge(), read, objective: "quality", also });
    const args = { prediction: { answer: "good 9" }, example: examples[0]! };
    expect(await metric(args)).toEqual({ quality: 1, brevity: 0.5 });
    const result = await optimize(ax("question:string -> answer:string"), examples, metric, {
      studentAI: student,
      teacherAI: student,
      maxMetricCalls: 30,
      numTrials: 1,
      validationExamples: examples,
      bootstrap: false,
    });
    expect(result).toBeDefined();
    expect(metric.stats().asked).toBeGreaterThan(1);
    metric.assertHealthy();
  });
});

describe("bestOfN and refine", () => {
  it.each(["bestOfN", "refine"] as const)("%s keeps the answer that beat all others", async (which) => {
    let call = 0;
    const answers = ["good 2", "good 7", "good 4"];
    const ai = replying(() => `Answer: ${answers[call++ % 3]}`);
    const rewardFn = axReward<{ question: string }, { answer: string }>({ judge: numberJudge(), read });
    const program = ax("question:string -> answer:string");
    const best =
      which === "bestOfN"
        ? bestOfN(program, { n: 3, rewardFn, strategy: "serial" })
        : refine(program, { rounds: 1, samplesPerRound: 3, rewardFn, strategy: "serial" });
    expect(await best.forward(ai, { question: "q?" })).toMatchObject({ answer: "good 7" });
    expect(rewardFn.stats()).toMatchObject({ asked: 3, scored: 3 });
  });

  it("lets the judge's error out, or the number that was asked for", async () => {
    const judge = numberJudge();
    const call = (onError: "throw" | number) =>
      axReward({ judge, read, onError })({
        input: { question: "q", answer: "1" },
        prediction: { answer: "THROW" },
        attempt: 0,
        round: 0,
        sampleIndex: 0,
        traces: [],
        chatLog: [],
      });
    await expect(call("throw")).rejects.toThrow(/the judge is out/);
    expect(await call(0.1)).toBe(0.1);
  });
});

describe("axGepaAdapter", () => {
  const adapter = axGepaAdapter({
    judge: numberJudge(),
    onError: 0,
    run: ({ base }: { base: string }, candidate) => {
      if (base === "broken") throw new Error("the program broke");
      return `good ${candidate["instruction"]}`;
    },
    read: ({ base }, output) => ({ question: base, response: output, reference: "good 5" }),
  });

  it("scores a batch and builds the reflection from the critiques", async () => {
    const batch = await adapter.evaluate([{ base: "a" }, { base: "broken" }], { instruction: "9" }, true);
    expect(batch.scores).toEqual([1, 0]);
    expect(batch.outputs).toEqual(["good 9", null]);
    const records = adapter.make_reflective_dataset({}, batch, ["instruction"])["instruction"]!;
    expect(records[0]).toMatchObject({ Inputs: { base: "a" }, "Generated Outputs": "good 9" });
    expect(records[0].Feedback).toMatch(/^Score 1\.00\.\nCompared with the reference answer/);
    expect(records[1].Feedback).toBe("Not judged: the program broke.");
    expect((await adapter.evaluate([{ base: "a" }], { instruction: "9" })).trajectories).toBeNull();
  });
});

describe("fields", () => {
  const picture = { mimeType: "image/png", data: "AA==" };
  const withImages = axFields({
    question: "question",
    answer: "answer",
    images: ["picture", "more"],
    reference: "gold",
  });

  it("become a question with its pictures first", () => {
    const example = { question: "what?", picture, more: [picture, picture], gold: "good 1" };
    const task = withImages({ prediction: { answer: "good 2" }, example });
    const image = { type: "image", image: { dataUri: "data:image/png;base64,AA==" } };
    expect(task).toEqual({
      question: [image, image, image, { type: "text", text: "what?" }],
      response: "good 2",
      reference: "good 1",
    });
  });

  it("are refused when they are missing or of another kind", async () => {
    expect(() => withImages({ prediction: {}, example: {} })).toThrow(/field question: expected text, got undefined/);
    const wrong = { question: "q", picture: "a.png" };
    expect(() => withImages({ prediction: {}, example: wrong })).toThrow(/field picture: expected an image/);
    const metric = axMetric({ judge: numberJudge(), read: withImages });
    await expect(metric({ prediction: {}, example: { question: "q" } })).rejects.toThrow(/response: expected text/);
  });

  it("reach the judge from a real program", async () => {
    const judge = numberJudge();
    const fields = axFields({ question: "question", answer: "answer", images: ["picture"] });
    const rewardFn = axReward<{ question: string; picture: typeof picture }, { answer: string }>({
      judge,
      read: fields,
    });
    let call = 0;
    const ai = mock({
      features: { ...features, media: { images: { supported: true, formats: ["image/png"] } } } as never,
      chatResponse: async () => ({
        results: [{ index: 0, content: `Answer: good ${(call += 1)}`, finishReason: "stop" as const }],
        modelUsage: { ai: "mock", model: "mock", tokens: usage },
      }),
    });
    const program = ax("question:string, picture:image -> answer:string");
    const best = bestOfN(program, { n: 2, rewardFn, strategy: "serial" });
    await best.forward(ai, { question: "what?", picture });
    expect(judge.asked[0]!.pair.question[0]).toEqual({
      type: "image",
      image: { dataUri: "data:image/png;base64,AA==" },
    });
  });
});
