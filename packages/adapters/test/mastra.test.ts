import { describe, expect, it } from "vitest";
import { mastraSteps, readAgentRun, type MastraRun } from "../src/mastra/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";

// The package takes 76 MB, so its own scorer runs these steps in tools/peers. Here a scorer of the same contract does: each
// step gets the results of those before it, and a step that is not scorable ends the run.
const notScorable = (reason: string) => ({ notScorable: true, reason }) as const;

const score = async <I, O>(
  steps: ReturnType<typeof mastraSteps<ReturnType<typeof notScorable>, I, O>>,
  run: MastraRun<I, O>,
) => {
  const results = { preprocessStepResult: await steps.preprocess({ run }) };
  const value = steps.generateScore({ results });
  return typeof value === "number"
    ? { score: value, reason: steps.generateReason({ results }) }
    : { notScorable: value.reason };
};

describe("mastra", () => {
  const run = { input: "q", output: "good 3", groundTruth: "good 2" };

  it("scores with the critique as reason", async () => {
    const steps = mastraSteps({ judge: numberJudge(), notScorable });
    const scored = await score(steps, run);
    expect(scored.score).toBe(1);
    expect(scored.reason).toContain("the judge preferred this answer");
    steps.assertHealthy();
  });

  it.each([
    ["unreadable", "UNREADABLE", /no verdict could be read/],
    ["threw", "THROW", /the judge is out/],
  ])("%s: throws, is not scorable or gives the number", async (kind, output, message) => {
    const judge = numberJudge();
    await expect(score(mastraSteps({ judge, notScorable }), { ...run, output })).rejects.toThrow(message);
    const abstaining = mastraSteps({ judge, notScorable, onError: "abstain" });
    expect((await score(abstaining, { ...run, output })).notScorable).toMatch(message);
    expect(abstaining.stats().failed).toMatchObject({ [kind]: 1 });
    const chosen = await score(mastraSteps({ judge, notScorable, onError: 0 }), { ...run, output });
    expect(chosen.score).toBe(0);
    expect(chosen.reason).toMatch(/^Not judged: /);
  });

  it("reads an agent's run: the last user message with its pictures, and all that the agent said", () => {
    const message = (role: string, ...parts: { type: string; text?: string; mimeType?: string; data?: string }[]) => ({
      role,
      content: { parts },
    });
    const text = (value: string) => ({ type: "text", text: value });
    const file = (data: string) => ({ type: "file", mimeType: "image/png", data });
    const task = readAgentRun({
      input: {
        inputMessages: [
          message("user", text("old")),
          message("user", text("what?"), file("AA=="), file("https://x.org/a.png")),
        ],
      },
      output: [message("assistant", text("good"), { type: "tool-invocation" }), message("assistant", text("3"))],
      groundTruth: "good 2",
    });
    expect(task).toEqual({
      question: [
        text("what?"),
        { type: "image", image: { dataUri: "data:image/png;base64,AA==" } },
        { type: "image", image: { url: "https://x.org/a.png" } },
      ],
      response: "good\n3",
      reference: "good 2",
    });
    expect(() => readAgentRun({ input: { inputMessages: [] }, output: [] })).toThrow(
      /expected a user message, got none/,
    );
  });
});
