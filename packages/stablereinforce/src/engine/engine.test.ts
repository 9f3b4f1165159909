import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { createEngine } from "./engine.ts";

describe.each(["onnx-node", "onnx-web", "tfjs-cpu", "tfjs-wasm"] as const)("%s", (runtime) => {
  it("trains a small net with donated state", async () => {
    const engine = await createEngine({ runtime });
    const step = engine.compile(
      (state: { w: tf.Tensor2D; k: number }, x: tf.Tensor2D) => {
        const loss = (w: tf.Tensor) => tf.mean(tf.square(tf.sub(tf.tanh(tf.matMul(x, w)), 0.5))) as tf.Scalar;
        const { value, grads } = tf.valueAndGrads(loss)([state.w]);
        return {
          state: { w: tf.sub(state.w, tf.mul(0.5, grads[0] as tf.Tensor)) as tf.Tensor2D, k: state.k },
          loss: value,
        };
      },
      { donate: [0], name: "step" },
    );
    let state = { w: engine.tensor(new Float32Array(60_000).fill(0.01), [300, 200]), k: 1 };
    const x = engine.tensor(
      new Float32Array(1200).map((_, i) => Math.sin(i)),
      [4, 300],
    );
    const losses: number[] = [];
    for (let i = 0; i < 4; i++) {
      const out = await step(state, x);
      losses.push(await engine.number(out.loss));
      engine.dispose(out.loss);
      state = out.state;
    }
    console.log(engine.why, losses, engine.liveTensors());
    expect(losses[3]).toBeLessThan(losses[0] as number);
    expect(engine.liveTensors()).toBe(2);
    await engine[Symbol.asyncDispose]();
  });
});
