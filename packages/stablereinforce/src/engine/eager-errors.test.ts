/** What goes wrong on runtimes that run eagerly: the engine's errors, with TensorFlow.js's own as their cause. */
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eagerError } from "./runtime/eager-errors.ts";
import type { EngineError } from "./index.ts";
import { createEngine, type Engine, type RuntimeName } from "./index.ts";

describe.each<RuntimeName>(["tfjs-cpu", "tfjs-wasm"])("on %s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime })));
  afterAll(async () => engine[Symbol.asyncDispose]());

  const failure = async (fn: (x: tf.Tensor) => tf.Tensor, shape: readonly number[]): Promise<unknown> => {
    const x = engine.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
    const outcome = await engine
      .compile(fn, { name: "step" })(x)
      .catch((error: unknown) => error);
    engine.dispose(x);
    return outcome;
  };

  it("memory that runs out is named, and what to lower", async () => {
    const n = 2 ** 20; // [n, 1] · [1, n] is 4 TiB
    const error = await failure((a) => tf.matMul(a, a, false, true), [n, 1]);
    expect(error).toMatchObject({ code: "R1_ENGINE", reason: "out-of-memory" });
    expect((error as EngineError).message).toMatch(
      /running step on (cpu|wasm): .*could not be allocated: lower the batch/,
    );
    expect((error as EngineError).cause).toBeInstanceOf(Error);
  });

  it("shapes that do not fit name the function and the line", async () => {
    const error = await failure((a) => tf.matMul(a, a), [2, 3]);
    expect(error).toMatchObject({ code: "R1_ENGINE", reason: "shape", message: /running step on .*inner shapes/i });
    expect((error as EngineError).site).toMatch(/eager-errors\.test\.ts/);
    expect((error as EngineError).cause).toBeInstanceOf(Error);
    expect(await failure((a) => tf.reshape(a, [7]), [2, 3])).toMatchObject({ reason: "shape" });
  });

  it("a kernel that is not there is named", async () => {
    const odd = (): tf.Tensor => tf.engine().runKernel("Nowhere", {});
    expect(await failure(odd, [1])).toMatchObject({
      reason: "no-kernel",
      op: "Nowhere",
      message: /no kernel.*(cpu|wasm)/,
    });
  });

  it("the user's own exceptions stay what they are", async () => {
    class Mine extends Error {}
    const mine = new Mine("shape of my own");
    const boom = (): tf.Tensor => {
      throw mine;
    };
    expect(await failure(boom, [1])).toBe(mine);
    const array = (): tf.Tensor => tf.tensor(new Float32Array(2 ** 53));
    expect(await failure(array, [1])).toBeInstanceOf(RangeError);
    const inGradient = (x: tf.Tensor): tf.Tensor => tf.grads(boom as never)([x])[0] as tf.Tensor;
    expect(await failure(inGradient, [1])).toBe(mine);
  });
});

it("a bundled TensorFlow.js is recognised by the names of its operations", () => {
  const error = new Error("Error in matMul: inner shapes (3) and (2) must match");
  error.stack = `Error: x\n    at Qe (app.mjs:1:200)\n    at matMul__op (app.mjs:1:300)\n    at step (app.mjs:9:1)`;
  expect(eagerError("running step on cpu", "cpu", error)).toMatchObject({ reason: "shape", cause: error });
});
