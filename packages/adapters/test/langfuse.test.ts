import { LangfuseClient, type Evaluator } from "@langfuse/client";
import { describe, expect, expectTypeOf, it } from "vitest";
import { langfuseEvaluator } from "../src/langfuse/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";
import { loopback } from "./loopback.ts";

const data = [
  { input: "one?", expectedOutput: "good 5" },
  { input: "two?", expectedOutput: "good 5" },
];

const experiment = async (evaluator: Evaluator) => {
  await using server = await loopback(() => ({ successes: [], errors: [] }));
  const langfuse = new LangfuseClient({ baseUrl: server.url, publicKey: "pk", secretKey: "sk" });
  const task = async ({ input }: { input?: unknown }) => (input === "one?" ? "good 9" : "good 1");
  const { itemResults } = await langfuse.experiment.run({ name: "run", data, task, evaluators: [evaluator] });
  await langfuse.flush();
  const sent = server.requests.flatMap(({ body }) => (body as { batch?: { body: object }[] }).batch ?? []);
  return { evaluations: itemResults.map(({ evaluations }) => evaluations), sent: sent.map(({ body }) => body) };
};

describe("langfuse", () => {
  it("has the package's type", () => {
    expectTypeOf(langfuseEvaluator({ judge: numberJudge() })).toExtend<Evaluator>();
  });

  it("scores an experiment, and the scores reach the server with the critique", async () => {
    const evaluator = langfuseEvaluator({ judge: numberJudge(), name: "pair" });
    const { evaluations, sent } = await experiment(evaluator);
    expect(evaluations.map(([one]) => one!.value)).toEqual([1, 0]);
    expect(sent).toContainEqual(
      expect.objectContaining({
        name: "pair",
        value: 0,
        dataType: "NUMERIC",
        comment: expect.stringContaining("the judge preferred the other") as string,
      }),
    );
    evaluator.assertHealthy();
  });

  it("goes on when the evaluator throws, records nothing when it abstains, and the number when told to", async () => {
    const judge = { name: "out", judge: () => Promise.reject(new Error("down")) };
    const throwing = langfuseEvaluator({ judge });
    expect((await experiment(throwing)).evaluations).toEqual([[], []]);
    expect(() => throwing.assertHealthy()).toThrow(/2 of 2 answers have no score.*down/);
    const abstaining = langfuseEvaluator({ judge, onError: "abstain" });
    expect((await experiment(abstaining)).evaluations).toEqual([[], []]);
    expect(abstaining.stats().failed.threw).toBe(2);
    const { evaluations } = await experiment(langfuseEvaluator({ judge, onError: 0.5 }));
    expect(evaluations[0]![0]).toMatchObject({ value: 0.5, metadata: { failure: "threw" } });
  });

  it("reads inputs of any shape", async () => {
    const judge = numberJudge();
    const evaluator = langfuseEvaluator({
      judge,
      read: ({ input, output, expectedOutput }) => ({
        question: [
          { type: "image", image: { dataUri: (input as { picture: string }).picture } },
          { type: "text", text: "what?" },
        ],
        response: String(output),
        reference: String(expectedOutput),
      }),
    });
    const input = { picture: "data:image/png;base64,AA==" };
    expect(await evaluator({ input, output: 2, expectedOutput: 1 })).toMatchObject({ value: 1 });
    expect(judge.asked[0]!.pair.question[0]).toEqual({ type: "image", image: { dataUri: input.picture } });
  });
});
