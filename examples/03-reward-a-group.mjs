// Eight answers to one question, as GRPO-style training samples them: 16 judge calls in balanced order, one Bradley–Terry
// fit, rewards centred at 0. The judge is a real HTTP server on loopback that prefers answers of higher quality and, like
// real judges, leans towards whatever is shown first.
import { judgeWith, openaiCompatible, r1Protocol, scoreGroup } from "@r1reward/core";
import { startFaultServer } from "@r1reward/core/testing";

const qualities = [3, 9, 1, 7, 5, 8, 2, 6];
const server = await startFaultServer({
  faults: { rate: 0.2, kinds: ["429", "503", "reset"], retryAfter: 0.01 }, // and it is not always there
  seed: 3,
  reply: ({ prompt }) => {
    const [first, second] = [...prompt.matchAll(/quality (\d)/g)].map(([, digit]) => Number(digit));
    const lean = 1.5; // position bias: the first one wins unless the second is clearly better
    return `<think>Compared.</think><answer>${first + lean > second ? 1 : 2}</answer>`;
  },
});

const model = openaiCompatible({ baseURL: server.url, model: "judge" });
const { rewards, calls, orderBias, firstPositionRate } = await scoreGroup(judgeWith(model, r1Protocol), {
  question: [{ type: "text", text: "What is in the picture?" }],
  responses: qualities.map((quality) => `An answer of quality ${quality}.`),
});

const ranked = rewards
  .map(({ value }, i) => ({ quality: qualities[i], reward: value }))
  .sort((a, b) => b.reward - a.reward);
for (const { quality, reward } of ranked) console.log(`quality ${quality}  reward ${reward.toFixed(3).padStart(6)}`);
console.log(`${calls} judge calls; the first one shown won ${(100 * firstPositionRate).toFixed(0)} %,`);
console.log(
  `which the fit takes for a bias of ${orderBias.value.toFixed(1)} ± ${orderBias.standardError.toFixed(1)} logits`,
);

await model[Symbol.asyncDispose]();
await server.close();
const sum = rewards.reduce((total, { value }) => total + value, 0);
if (Math.abs(sum) > 1e-9 || calls !== 16 || ranked[0].quality < 8 || ranked.at(-1).quality > 2) process.exitCode = 1;
