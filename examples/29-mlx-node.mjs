// mlx-node: a reward function for its GRPO trainer. The trainer needs Apple Silicon, so it is called here as the trainer calls
// it: a batch of prompts times a group of answers, in a row.
import { mlxReward } from "@r1reward/adapters/mlx-node";
import { longerJudge } from "@r1reward/core";

const rewardFunction = mlxReward({ judge: longerJudge });

const rollout = (prompt, text) => ({
  prompt,
  completion: { text, rawText: text, toolCalls: [], numTokens: 3, finishReason: "stop" },
});
const answers = ["A bus.", "A red bus.", "A red bus passes two cyclists."];
const outputs = ["What is shown?", "What else?"].flatMap((prompt) => answers.map((text) => rollout(prompt, text)));
const rewards = [...(await rewardFunction(outputs))];

console.log(rewards);
if (rewards.length !== outputs.length) throw new Error("expected one reward per answer");
if (!(rewards[0] < rewards[1] && rewards[1] < rewards[2]))
  throw new Error("expected the longest answer to be the best");
rewardFunction.assertHealthy();
