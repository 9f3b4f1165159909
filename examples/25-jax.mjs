// jax-js: the same bandit with grad and jit.
import { defaultDevice, grad, init, jit, nn, numpy as np } from "@jax-js/jax";
import { jaxReward, rolloutArrays } from "@r1reward/adapters/jax";
import { longerJudge } from "@r1reward/core";

const answers = ["Bus", "A bus.", "A red bus passes two cyclists.", "A red bus."];
await init("wasm");
defaultDevice("wasm");

const reward = jaxReward({ judge: longerJudge });
const loss = (logits, chosen, advantages) =>
  np.mean(np.sum(nn.logSoftmax(logits).mul(chosen), 1).mul(advantages)).mul(-1);
const gradient = jit(grad(loss));

let seed = 1;
const random = () => (seed = (seed * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
const softmax = (values) => {
  const weights = Array.from(values, Math.exp);
  return weights.map((weight) => weight / weights.reduce((a, b) => a + b));
};
const draw = (p) => {
  let left = random();
  return Math.max(
    0,
    p.findIndex((share) => (left -= share) < 0),
  );
};

let logits = np.zeros([4]);
for (let step = 0; step < 40; step += 1) {
  const p = softmax(await logits.ref.data());
  const drawn = Array.from({ length: 8 }, () => draw(p));
  const rollouts = await reward(["What is in the picture?"], [drawn.map((at) => answers[at])]);
  const { rewards, mask, advantages } = rolloutArrays(np, rollouts);
  const chosen = np.array(drawn.map((at) => answers.map((_, i) => Number(i === at))));
  logits = logits.ref.sub(gradient(logits, chosen, advantages.reshape([8])));
  rewards.dispose();
  mask.dispose();
}

reward.assertHealthy();
const p = softmax(await logits.data());
console.log(`P(the longest answer) = ${p[2].toFixed(3)} after 40 steps`);
if (!(p[2] > 0.8)) throw new Error("expected the policy to learn");
