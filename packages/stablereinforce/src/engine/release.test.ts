/** Nothing keeps what was let go of. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { createEngine, type RuntimeName } from "./index.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

it.each<RuntimeName>(["onnx-node", "tfjs-cpu"])(
  "a disposed function is collected, with what it closes over, on %s",
  async (runtime) => {
    const engine = await createEngine({ runtime, threads: 1 });
    const x = engine.tensor([1, 2, 3]);
    const refs: WeakRef<object>[] = [];
    for (let i = 0; i < 5; i++) {
      const big = { numbers: new Float32Array(1000) };
      refs.push(new WeakRef(big));
      const f = engine.compile((a: tf.Tensor) => tf.add(a, big.numbers.length + i));
      engine.dispose(await f(x));
      await f.dispose();
    }
    for (let i = 0; i < 20 && refs.some((ref) => ref.deref() !== undefined); i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      collect();
    }
    const kept = refs.filter((ref) => ref.deref() !== undefined);
    expect(kept.length).toBeLessThanOrEqual(1); // the last one may still stand on the stack
    await engine[Symbol.asyncDispose]();
  },
);

it("a function that was used again after its end is released with the engine", async () => {
  const engine = await createEngine({ runtime: "onnx-node", threads: 1 });
  const f = engine.compile((a: tf.Tensor) => tf.add(a, 1), { name: "again" });
  const x = engine.tensor(1);
  engine.dispose(await f(x));
  await f.dispose();
  const late = f(x); // under way when the engine ends
  await engine[Symbol.asyncDispose]();
  expect(await engine.number(await late)).toBe(2);
  await expect(f(x)).rejects.toMatchObject({ reason: "disposed", message: /again/ });
});
