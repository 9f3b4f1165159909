import { describe, expect, expectTypeOf, it } from "vitest";
import { mlxReward, type MlxRewardFunction } from "../src/mlx-node/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";
import { vsReference } from "../src/scoring/scalarise.ts";

// The trainer runs on Apple Silicon alone. What follows replays how it calls: the types below are written after its own,
// rollouts come as decoded JSON, batch × group in a row, and it checks the length of what comes back.
interface RewardOutput {
  prompt: string;
  completion: {
    text: string;
    rawText: string;
    toolCalls: unknown[];
    thinking?: string;
    numTokens: number;
    finishReason: string;
  };
  expectedAnswer?: string;
}
type RewardFunction = (outputs: RewardOutput[]) => number[] | Float32Array | Promise<number[] | Float32Array>;

const rollouts = (groups: Readonly<Record<string, readonly string[]>>, expectedAnswer?: string): string =>
  JSON.stringify(
    Object.entries(groups).flatMap(([prompt, texts]) =>
      texts.map((text) => ({
        prompt,
        completion: { text, rawText: `<think>…</think>${text}`, toolCalls: [], numTokens: 3, finishReason: "stop" },
        expectedAnswer,
      })),
    ),
  );

const step = async (rewardFunction: RewardFunction, json: string): Promise<Float32Array> => {
  const outputs = JSON.parse(json) as RewardOutput[];
  const rewards = Float32Array.from(await rewardFunction(outputs));
  if (rewards.length !== outputs.length) {
    throw new Error(`Reward function returned ${rewards.length} rewards but expected ${outputs.length}`);
  }
  return rewards;
};

describe("mlx-node", () => {
  it("has the trainer's type", () => {
    expectTypeOf(mlxReward({ judge: numberJudge() })).toExtend<RewardFunction>();
    expectTypeOf<MlxRewardFunction>().toExtend<RewardFunction>();
  });

  it("rewards each prompt's group by itself", async () => {
    const judge = numberJudge();
    const reward = mlxReward({ judge });
    const rewards = await step(reward, rollouts({ a: ["good 1", "good 2"], b: ["good 9", "good 3"] }));
    expect(rewards[0]! + rewards[1]!).toBeCloseTo(0, 6);
    expect(rewards[2]! + rewards[3]!).toBeCloseTo(0, 6);
    expect(rewards[1]!).toBeGreaterThan(0);
    expect(rewards[2]!).toBeGreaterThan(0);
    expect(judge.asked.every(({ pair }) => pair.responses.join() !== "good 1,good 9")).toBe(true);
    reward.assertHealthy();
  });

  it("measures against the expected answer when told to", async () => {
    const reward = mlxReward({ judge: numberJudge(), scalarise: vsReference() });
    expect([...(await step(reward, rollouts({ a: ["3", "2", "1"] }, "2.0")))]).toEqual([1, 0, -1]);
  });

  it("asks for the pictures of a prompt once", async () => {
    const asked: string[] = [];
    const judge = numberJudge();
    const media = async (prompt: string) => {
      asked.push(prompt);
      return [{ type: "image", image: { bytes: new Uint8Array([1, 2]) } } as const];
    };
    await step(mlxReward({ judge, media }), rollouts({ a: ["1", "2", "3"], b: ["1", "2"] }));
    expect(asked).toEqual(["a", "b"]);
    expect(judge.asked[0]!.pair.question).toEqual([
      { type: "image", image: { bytes: new Uint8Array([1, 2]) } },
      { type: "text", text: "a" },
    ]);
  });

  it("aborts the step, or gives the number that was asked for", async () => {
    const json = rollouts({ a: ["THROW", "good 2"], b: ["good 1", "good 2"] });
    await expect(step(mlxReward({ judge: numberJudge() }), json)).rejects.toThrow(/the judge is out/);
    const reward = mlxReward({ judge: numberJudge(), onError: 0 });
    const rewards = await step(reward, json);
    expect([...rewards.slice(0, 2)]).toEqual([0, 0]);
    expect(rewards[3]!).toBeGreaterThan(0);
    expect(reward.stats().failed.threw).toBe(2);
    await expect(
      step(mlxReward({ judge: numberJudge(), media: () => Promise.reject(new Error("no file")) }), json),
    ).rejects.toThrow(/no file/);
  });

  it("gives nothing for nothing", async () => expect(await mlxReward({ judge: numberJudge() })([])).toEqual([]));
});
