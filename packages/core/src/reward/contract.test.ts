/** What every reward function promises, checked for each of ours; and for the simulated judge what every judge does. */
import { describe, test } from "vitest";
import type { RewardFunction } from "../interfaces.ts";
import { pairwiseJudgeContract } from "../testing/contracts/pairwise-judge.ts";
import { rewardFunctionContract } from "../testing/contracts/reward-function.ts";
import { scriptedModel } from "../testing/scripted-model.ts";
import { simulatedJudge } from "../testing/simulated-judge.ts";
import type { Sample, Winner } from "../types.ts";
import { combineRewards } from "./combine.ts";
import { consistencyReward } from "./consistency.ts";
import { formatReward } from "./format.ts";
import { r1Reward, r1RewardPresets } from "./r1.ts";
import { resultReward } from "./result.ts";
import { lengthReward, repetitionPenalty } from "./shaping.ts";

const texts = [
  "<think>It names the dog. Response 1 is better.</think><answer>1</answer>",
  "<think>It names the dog.</think><answer>1</answer>",
  "<think>Response 1 is better.</think><answer>2</answer>",
  "nothing of the kind",
  "",
];
const samples: readonly Sample<Winner>[] = texts.flatMap((text, i) =>
  ([0, 1] as const).map((truth) => ({ id: `${i}/${truth}`, prompt: [], text, finishReason: "stop" as const, truth })),
);
const referee = scriptedModel(() => "1");

const rewards: Record<string, () => RewardFunction<Winner>> = {
  format: () => formatReward(),
  result: () => resultReward(),
  consistency: () => consistencyReward({ referee }),
  r1: () => r1Reward({ referee }),
  "r1, as the script": () => r1Reward({ ...r1RewardPresets.script, referee }),
  length: () => lengthReward({ soft: 10, hard: 100 }),
  repetition: () => repetitionPenalty(),
  sum: () =>
    combineRewards("sum", [
      { reward: r1Reward(), weight: 1 },
      { reward: repetitionPenalty(), weight: 0.1 },
    ]),
};

for (const [name, create] of Object.entries(rewards)) {
  describe(name, () => {
    for (const check of rewardFunctionContract({ create, samples })) test(check.name, check.run);
  });
}

describe("simulatedJudge", () => {
  const create = () => simulatedJudge({ quality: (text) => text.length, scale: 1, orderBias: 0.5 });
  for (const check of pairwiseJudgeContract({ create })) test(check.name, check.run);
});
