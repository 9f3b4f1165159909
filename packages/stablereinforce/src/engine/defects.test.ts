/** Known defects of ONNX Runtime 1.30, each with a test that notices when our way around it stops working. */
import * as tf from "@tensorflow/tfjs-core";
import { expect, it, describe, beforeAll, afterAll } from "vitest";
import { attention, checkpoint, embedding, rmsNorm, tokenLogp } from "../ops/index.ts";
import { createEngine, type Engine, type EngineTensor } from "./index.ts";
import type { Graph } from "./onnx/ir.ts";
import { cellOf } from "./tensor.ts";
import { traceFunction } from "./trace/trace.ts";

const graphOf = (fn: (...xs: tf.Tensor[]) => tf.Tensor[], ...shapes: number[][]): Graph =>
  traceFunction(
    fn as never,
    shapes.map((shape) => ({ shape, dtype: "float32" })),
    { list: shapes.map((_, leaf) => ({ leaf })) },
  ).graph;

const opsOf = (graph: Graph): Set<string> => new Set(graph.nodes.map((node) => node.op));

const scalarOf = (x: tf.Tensor): tf.Scalar => tf.sum(tf.square(x)) as tf.Scalar;

describe("ScatterND with reduction add loses updates when threads meet in a row (#18048, #23396)", () => {
  it("no lowering emits one", () => {
    const ids = () => tf.tensor1d([0, 1, 1], "int32");
    const graph = graphOf(
      (table, rows) => [
        ...tf.grads((t) => scalarOf(embedding(t as tf.Tensor, ids())))([table as tf.Tensor]),
        ...tf.grads((t) => scalarOf(tf.gatherND(t as tf.Tensor, tf.tensor2d([[0], [0]], [2, 1], "int32"))))([
          table as tf.Tensor,
        ]),
        ...tf.grads((h, w) => scalarOf(tokenLogp(h as tf.Tensor, w as tf.Tensor, ids())))([
          rows as tf.Tensor,
          table as tf.Tensor,
        ]),
        tf.scatterND(tf.tensor2d([[0], [0], [1]], [3, 1], "int32"), rows as tf.Tensor, [4, 2]),
      ],
      [5, 2],
      [3, 2],
    );
    expect(opsOf(graph)).toContain("ScatterElements");
    for (const node of graph.nodes) if (node.op === "ScatterND") expect(node.attributes["reduction"]).toBeUndefined();
  });

  it.each(["onnx-node", "onnx-web"] as const)(
    "65536 rows into 16 add up exactly with two threads on %s",
    async (runtime) => {
      const engine = await createEngine({ runtime, threads: 2 });
      const f = engine.compile(
        (table: tf.Tensor, ids: tf.Tensor) =>
          tf.grads((t) => tf.sum(embedding(t as tf.Tensor, ids)) as tf.Scalar)([table])[0] as tf.Tensor,
      );
      const table = engine.tensor(new Float32Array(64), [16, 4]);
      const ids = engine.tensor(Int32Array.from({ length: 65_536 }, (_, i) => (i * 7) % 16));
      for (let round = 0; round < 3; round++) {
        const { data } = await engine.read(await f(table, ids));
        expect(Array.from(data)).toEqual(Array.from({ length: 64 }, () => 4096)); // 65536 / 16
      }
      await engine[Symbol.asyncDispose]();
    },
  );
});

it("WebGPU's SimplifiedLayerNormalization leaves its second output zero: RMSNorm is primitives", () => {
  const graph = graphOf(
    (x, g) => tf.grads((a, b) => scalarOf(rmsNorm(a as tf.Tensor, b as tf.Tensor)))([x as tf.Tensor, g as tf.Tensor]),
    [4, 8],
    [8],
  );
  for (const op of opsOf(graph)) expect(op).not.toMatch(/Normalization/);
});

it("GroupQueryAttention is slow to decode and has no gradient: attention is matrix products", () => {
  const graph = graphOf(
    (q, k) => [attention(q as tf.Tensor, k as tf.Tensor, k as tf.Tensor, { causal: true })],
    [1, 4, 8, 2],
    [1, 2, 8, 2],
  );
  expect(opsOf(graph)).toContain("MatMul");
  for (const op of opsOf(graph)) expect(op).not.toMatch(/Attention/);
});

it("recomputed activations are not merged with the first computation", () => {
  const body = (x: tf.Tensor): tf.Tensor => tf.tanh(tf.matMul(tf.tanh(x), x));
  const plain = graphOf((x) => tf.grads((a) => scalarOf(body(a as tf.Tensor)))([x as tf.Tensor]), [4, 4]);
  expect(plain.nodes.filter((node) => node.op === "Tanh")).toHaveLength(2);
  const thrifty = graphOf(
    (x) => tf.grads((a) => scalarOf(checkpoint(body as never)(a as tf.Tensor)))([x as tf.Tensor]),
    [4, 4],
  );
  expect(thrifty.nodes.filter((node) => node.op === "Tanh")).toHaveLength(4);
});

describe("onnxruntime-node", () => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime: "onnx-node" })));
  afterAll(async () => engine[Symbol.asyncDispose]());

  it("copies every output, unless the graph's sentinel stops it: state swaps between two sets of arrays", async () => {
    const step = engine.compile((s: tf.Tensor) => tf.add(s, 1), { donate: [0], name: "swap" });
    const arrayOf = (x: EngineTensor): unknown => (cellOf(x).value as { data: unknown }).data;
    let s = engine.tensor(new Float32Array(100_000));
    const seen = new Set<unknown>([arrayOf(s)]);
    for (let i = 0; i < 6; i++) {
      s = await step(s);
      seen.add(arrayOf(s));
    }
    expect(seen.size).toBe(2);
    expect((await engine.read(s)).data[99_999]).toBe(6);
  });

  it("dies of an integer division by zero: floorDiv never asks for one", async () => {
    const f = engine.compile((a: tf.Tensor, b: tf.Tensor) => tf.floorDiv(a, b));
    const out = await f(engine.tensor(Int32Array.of(7, -7, 7)), engine.tensor(Int32Array.of(0, 2, 0)));
    expect(Array.from((await engine.read(out)).data)).toEqual([0, -4, 0]);
  });
});
