import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { toModel } from "../onnx/model.ts";
import { traceFunction } from "./trace.ts";

it("records forward and backward of a small net", () => {
  const fn = (w: tf.Tensor2D, x: tf.Tensor2D) => {
    const { value, grads } = tf.valueAndGrads(
      (w_: tf.Tensor) => tf.mean(tf.square(tf.tanh(tf.matMul(x, w_)))) as tf.Scalar,
    )([w]);
    return { value, g: grads[0] as tf.Tensor };
  };
  const traced = traceFunction(
    fn as never,
    [
      { shape: [3, 2], dtype: "float32" },
      { shape: [4, 3], dtype: "float32" },
    ],
    { list: [{ leaf: 0 }, { leaf: 1 }] },
  );
  console.log(traced.graph.nodes.map((n) => `${n.op}`).join(" "));
  expect(toModel(traced.graph, { name: "t" }).length).toBeGreaterThan(100);
});
