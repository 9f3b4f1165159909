// TensorFlow.js: a policy over four answers learns which one the judge prefers.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { rolloutTensors, tfjsReward } from "@r1reward/adapters/tfjs";
import { longerJudge } from "@r1reward/core";

const answers = ["Bus", "A bus.", "A red bus passes two cyclists.", "A red bus."];
tf.env().set("IS_TEST", true); // no greeting
await tf.setBackend("cpu");

const reward = tfjsReward({ judge: longerJudge });
const logits = tf.variable(tf.zeros([4]));

for (let step = 0; step < 40; step += 1) {
  const drawn = tf.tidy(() => tf.multinomial(logits, 8, step).dataSync());
  const rollouts = await reward(["What is in the picture?"], [Array.from(drawn, (at) => answers[at])]); // 1 prompt, 8 answers
  const { rewards, mask, advantages } = rolloutTensors(tf, rollouts);
  tf.tidy(() => {
    // REINFORCE by hand: the gradient of log p(a) with respect to the logits is onehot(a) − p.
    const scores = tf.sub(tf.oneHot(tf.tensor1d(drawn, "int32"), 4), tf.softmax(logits));
    logits.assign(tf.add(logits, tf.mean(tf.mul(tf.reshape(advantages, [8, 1]), scores), 0)));
  });
  tf.dispose([rewards, mask, advantages]);
}

reward.assertHealthy();
const p = await tf.softmax(logits).data();
console.log(`P(the longest answer) = ${p[2].toFixed(3)} after 40 steps`);
if (!(p[2] > 0.8)) throw new Error("expected the policy to learn");
