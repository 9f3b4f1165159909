// Write a reward of your own, combine it with R1-Reward's, and call both from a training loop.
import { combineRewards, defineReward, r1Reward, rate } from "@r1reward/core";

// The whole reward. null would mean "cannot tell"; an exception names this reward and the sample.
const brief = defineReward({ name: "brief", score: ({ text }) => (text.length <= 200 ? 1 : 0) });

// result·(1 + 0.5·consistency) + 0.5·format of the paper, plus a tenth for being brief.
const reward = combineRewards("r1-brief", [
  { reward: r1Reward(), weight: 1 },
  { reward: brief, weight: 0.1 },
]);

// What a policy wrote in one step of its training; truth is the human's choice.
const rollouts = [
  "<think>Response 1 misreads the chart. Response 2 is better.</think><answer>2</answer>",
  "<think>Response 2 misreads the chart. Response 1 is better.</think><answer>1</answer>",
  "I prefer the second one.",
].map((text, i) => ({ id: `rollout-${i}`, prompt: [], text, finishReason: "stop", truth: 1 }));

const rewards = await rate(reward, rollouts);
for (const { value, parts } of rewards) console.log(value, parts);

// Right, consistent, well-formed and brief 2.1; wrong but well-formed 0.6; unreadable 0.1: a policy that writes nothing
// readable has failed its task, and that is a score.
const expected = [2.1, 0.6, 0.1];
if (rewards.some(({ value }, i) => Math.abs(value - expected[i]) > 1e-9)) process.exitCode = 1;
