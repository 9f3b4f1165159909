import { expect, test } from "vitest";
import { longerJudge } from "./baselines.ts";
import { scoreGroup } from "./group/score-group.ts";
import { judgeWith } from "./judge.ts";
import { r1Protocol } from "./protocol/r1.ts";
import { rewardModel } from "./reward-model.ts";
import { scriptedModel } from "./testing/scripted-model.ts";
import type { Part, Preference } from "./types.ts";

const question: readonly Part[] = [{ type: "text", text: "Q" }];
const pair: Preference = { id: "p", question, responses: ["long enough", "short"] };

test("compare takes the options of comparePair, whole judges included", async () => {
  const model = scriptedModel(() => "<think>First.</think><answer>1</answer>");
  const judge = judgeWith(model, r1Protocol);
  expect(await rewardModel({ judge }).compare(pair)).toMatchObject({ verdict: { kind: "tie" }, consistent: false });
  const decision = await rewardModel({ judge, votes: 3, orders: "as-stored" }).compare(pair);
  expect(decision).toMatchObject({ verdict: { kind: "winner", winner: 0 }, votes: [3, 0], consistent: null });
  expect(model.calls).toHaveLength(5);
  expect(model.calls.slice(2).map(({ options }) => options.temperature)).toEqual([1, 1, 1]);
});

test("score is scoreGroup with the model's seed and options", async () => {
  const responses = ["a", "bbb", "cc", "dddd"];
  const rewards = await rewardModel({ judge: longerJudge, seed: 7, group: { preset: "exact" } }).score(
    question,
    responses,
  );
  const scores = await scoreGroup(longerJudge, { question, responses }, { preset: "exact", seed: 7 });
  expect(rewards).toEqual(scores.rewards);
  const order = [...rewards.keys()].sort((i, j) => rewards[i]!.value! - rewards[j]!.value!);
  expect(order).toEqual([0, 2, 1, 3]);
  expect(rewards.reduce((sum, { value }) => sum + value!, 0)).toBeCloseTo(0, 12);
});

test("score can be a function of one's own", async () => {
  const { signal } = new AbortController();
  const model = rewardModel({
    judge: longerJudge,
    name: "mine",
    group: async (asked, responses, options) => {
      expect([asked, options?.signal]).toEqual([question, signal]);
      return responses.map((text) => ({ value: text.length, parts: {} }));
    },
  });
  expect(model.name).toBe("mine");
  expect(await model.score(question, ["a", "bb"], { signal })).toMatchObject([{ value: 1 }, { value: 2 }]);
  expect(rewardModel({ judge: longerJudge }).name).toBe("baseline:longer");
});

test("the signal reaches both", async () => {
  const model = rewardModel({ judge: longerJudge });
  const options = { signal: AbortSignal.abort() };
  await expect(model.compare(pair, options)).rejects.toMatchObject({ code: "R1_ABORTED" });
  await expect(model.score(question, ["a", "b"], options)).rejects.toMatchObject({ code: "R1_ABORTED" });
});
