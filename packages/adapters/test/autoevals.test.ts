import { createEvaluatorFromAutoevals } from "@langfuse/client";
import { makePartial, type Score, type Scorer } from "autoevals";
import { describe, expect, expectTypeOf, it } from "vitest";
import { autoevalsScorer } from "../src/autoevals/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";

describe("autoevals", () => {
  it("has the package's type, and those of hosts that take it", () => {
    const scorer = autoevalsScorer({ judge: numberJudge() });
    expectTypeOf(scorer).toExtend<Scorer<string, { input: string }>>();
    expectTypeOf(
      autoevalsScorer<{ text: string }, number>({ judge: numberJudge(), read: () => ({ question: "", response: "" }) }),
    ).toExtend<Scorer<number, { input: { text: string } }>>();
    // evalite 0.19, whose scorer may have a description
    expectTypeOf(scorer).toExtend<
      (opts: { input: string; output: string; expected?: string }) => Promise<Score> | Score
    >();
    // @ts-expect-error the hosts expect 0 to 1
    autoevalsScorer({ judge: numberJudge(), range: [-1, 1] });
  });

  it("scores against what was expected, with the critique in the metadata", async () => {
    const scorer = autoevalsScorer({ judge: numberJudge() });
    expect(scorer.name).toBe("R1Reward");
    const { name, score, metadata } = await scorer({ input: "q", output: "good 3", expected: "good 2" });
    expect([name, score]).toEqual(["R1Reward", 1]);
    expect(metadata!["critique"]).toContain("the judge preferred this answer");
    expect((await scorer({ input: "q", output: "good 1", expected: "good 2" })).score).toBe(0);
  });

  it("works as a partial scorer of the package", async () => {
    const partial = makePartial(autoevalsScorer({ judge: numberJudge() }), "Mine").partial({ input: "q" });
    expect(await partial({ output: "good 3", expected: "good 2" })).toMatchObject({ score: 1 });
  });

  it("works through the converter of another host", async () => {
    const evaluator = createEvaluatorFromAutoevals(autoevalsScorer({ judge: numberJudge(), name: "pair" }));
    const evaluation = await evaluator({ input: "q", output: "good 3", expectedOutput: "good 2" });
    expect(evaluation).toMatchObject({ name: "pair", value: 1 });
  });

  it.each([
    ["threw", "THROW", "good 1"],
    ["unreadable", "UNREADABLE", "good 1"],
    ["not-comparable", "good 1", undefined],
    ["threw", 3 as unknown as string, "good 1"],
  ])("%s: throws, abstains with null or gives the number", async (kind, output, expected) => {
    const judge = numberJudge();
    const args = { input: "q", output, ...(expected === undefined ? {} : { expected }) };
    await expect(autoevalsScorer({ judge })(args)).rejects.toThrow(Error);
    const abstaining = await autoevalsScorer({ judge, onError: "abstain" })(args);
    expect(abstaining).toMatchObject({ score: null, metadata: { failure: kind } });
    const scorer = autoevalsScorer({ judge, onError: 0.5 });
    expect((await scorer(args)).score).toBe(0.5);
    expect(scorer.stats().failed).toMatchObject({ [kind]: 1 });
  });

  it("reads inputs with pictures", async () => {
    const judge = numberJudge();
    const scorer = autoevalsScorer<{ text: string; picture: string }>({
      judge,
      read: ({ input, output, expected }) => ({
        question: [
          { type: "image", image: { dataUri: input.picture } },
          { type: "text", text: input.text },
        ],
        response: output,
        reference: expected,
      }),
    });
    await scorer({ input: { text: "what?", picture: "data:image/png;base64,AA==" }, output: "1", expected: "2" });
    expect(judge.asked[0]!.pair.question[0]).toMatchObject({ image: { dataUri: "data:image/png;base64,AA==" } });
  });
});
