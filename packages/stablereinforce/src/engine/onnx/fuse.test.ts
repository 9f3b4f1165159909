import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rmsNorm } from "../../ops/rms-norm.ts";
import { createEngine, type Engine, type RuntimeName } from "../index.ts";
import { traceFunction } from "../trace/trace.ts";
import { fused } from "./fuse.ts";
import { withPrecision } from "./precision.ts";

type Fn = (...tensors: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

const graphOf = (fn: Fn, shapes: readonly number[][]) =>
  traceFunction(
    fn as never,
    shapes.map((shape) => ({ shape, dtype: "float32" as const })),
    { list: shapes.map((_, leaf) => ({ leaf })) },
  ).graph;

/** Names of the nodes that are left, sorted. */
const ops = (fn: Fn, ...shapes: number[][]): string[] =>
  fused(graphOf(fn, shapes))
    .nodes.map(({ op }) => op)
    .sort();

const [X, W] = [
  [5, 3],
  [4, 3],
];

describe("products", () => {
  it("with a transposed matrix are one node, with what is added to them", () => {
    expect(ops((x, w) => tf.matMul(x!, w!, false, true), X, W)).toEqual(["Gemm"]);
    expect(ops((x, w, b) => tf.add(tf.matMul(x!, w!, false, true), b!), X, W, [4])).toEqual(["Gemm"]);
    expect(ops((x, w, b) => tf.add(b!, tf.matMul(x!, w!, false, true)), X, W, [5, 4])).toEqual(["Gemm"]);
    expect(ops((x, w) => tf.matMul(x!, w!, true, true), [3, 5], W)).toEqual(["Gemm"]);
  });

  it("keep an addition that other shapes or other readers need", () => {
    const twice = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor): tf.Tensor[] => {
      const product = tf.matMul(x, w, false, true);
      return [tf.add(product, b), product];
    };
    expect(ops(twice as Fn, X, W, [4])).toEqual(["Add", "Gemm"]);
    expect(ops((x, w, b) => tf.add(tf.matMul(x!, w!, false, true), b!), X, W, [5, 1])).toEqual(["Add", "Gemm"]);
    expect(ops((x, w, b) => tf.add(tf.matMul(x!, w!, false, true), b!), X, W, [2, 5, 4])).toEqual(["Add", "Gemm"]);
  });

  it("keep an addition that spreads them", () => {
    const biased: Fn = (x, w, b) => tf.add(tf.matMul(x!, w!, false, true), b!);
    expect(ops(biased, [1, 3], W, [5, 4])).toEqual(["Add", "Gemm"]);
    expect(ops(biased, X, [1, 3], [5, 4])).toEqual(["Add", "Gemm"]);
    expect(ops(biased, X, [1, 3], [4])).toEqual(["Add", "Gemm"]);
    expect(ops(biased, [1, 3], [1, 3], [4])).toEqual(["Add", "Gemm"]);
    expect(ops(biased, [1, 3], W, [4])).toEqual(["Gemm"]);
    expect(ops(biased, [1, 3], [1, 3], [1])).toEqual(["Gemm"]);
  });

  it("without transposition, of stacks and in 16 bits stay as they are", () => {
    expect(ops((x, w) => tf.matMul(x!, w!), X, [3, 4])).toEqual(["MatMul"]);
    expect(ops((x, w) => tf.matMul(x!, w!, false, true), [2, 5, 3], [2, 4, 3])).toEqual(["MatMul", "Transpose"]);
    const narrow = withPrecision(
      graphOf((x, w) => tf.matMul(x!, w!, false, true), [X, W] as number[][]),
      "float16",
    );
    expect(fused(narrow).nodes.map(({ op }) => op)).toContain("MatMul");
  });
});

describe("RMSNorm", () => {
  it("is one node forward", () => {
    expect(ops((x, g) => rmsNorm(x!, g!, 1e-5), [2, 5, 3], [3])).toEqual(["SimplifiedLayerNormalization"]);
  });

  it("keeps the parts that a gradient needs, and means over other axes", () => {
    const back: Fn = (x, g) =>
      tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.square(rmsNorm(a, b))))([x!, g!]) as tf.Tensor[];
    expect(ops(back, X!, [3])).not.toContain("SimplifiedLayerNormalization");
    const columns: Fn = (x, g) => tf.mul(tf.mul(x!, tf.rsqrt(tf.add(tf.mean(tf.square(x!), 0, true), 1))), g!);
    expect(ops(columns, [3, 3], [3])).not.toContain("SimplifiedLayerNormalization");
  });

  it("stays in parts where epsilon spreads it and where a row is empty", () => {
    const spread: Fn = (x, g) =>
      tf.mul(tf.mul(x!, tf.rsqrt(tf.add(tf.mean(tf.square(x!), -1, true), tf.fill([2, 1, 1], 0.5)))), g!);
    expect(ops(spread, [5, 3], [3])).not.toContain("SimplifiedLayerNormalization");
    expect(ops((x, g) => rmsNorm(x!, g!), [5, 0], [0])).not.toContain("SimplifiedLayerNormalization");
  });
});

const RUNTIMES: RuntimeName[] = ["onnx-node", "onnx-web"];

describe.each(RUNTIMES)("%s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime })));
  afterAll(async () => engine[Symbol.asyncDispose]());

  it("computes what loops compute", async () => {
    const numbers = (n: number, seed: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(seed + i * 1.7));
    const [x, w, b, g] = [numbers(15, 1), numbers(12, 2), numbers(20, 3), numbers(3, 4)];
    const run = engine.compile((xs: tf.Tensor, ws: tf.Tensor, bs: tf.Tensor, gs: tf.Tensor) =>
      tf.add(tf.matMul(rmsNorm(xs, gs, 0.1), ws, false, true), bs),
    );
    const made = await run(
      engine.tensor(x, [5, 3]),
      engine.tensor(w, [4, 3]),
      engine.tensor(b, [5, 4]),
      engine.tensor(g, [3]),
    );
    const { data } = await engine.read(made);
    engine.dispose(made);
    for (let i = 0; i < 5; i++) {
      const row = [...x.subarray(i * 3, i * 3 + 3)];
      const inverse = 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / 3 + 0.1);
      for (let j = 0; j < 4; j++) {
        const product = row.reduce((sum, v, k) => sum + v * inverse * g[k]! * w[j * 3 + k]!, 0);
        expect(data[i * 4 + j]).toBeCloseTo(product + b[i * 4 + j]!, 5);
      }
    }
  });
});

describe("a table of 16 bits in its file", () => {
  const EXTERNAL = { path: "/model.safetensors", offset: 0, length: 44, type: "bfloat16" } as const;
  const graph = (fn: Fn) =>
    traceFunction(
      fn as never,
      [
        { shape: [11, 2], dtype: "float32", external: EXTERNAL },
        { shape: [5], dtype: "int32" },
      ],
      { list: [{ leaf: 0 }, { leaf: 1 }] },
    ).graph;
  const rows = (table: tf.Tensor, ids: tf.Tensor): tf.Tensor => tf.gather(table, ids as tf.Tensor1D);

  it("is gathered first and widened then", () => {
    const { nodes } = fused(graph(rows as Fn));
    const at = nodes.findIndex(({ op }) => op === "Gather");
    expect(nodes[at]?.inputs[0]?.external).toEqual(EXTERNAL);
    expect(nodes[at]?.outputs[0]).toMatchObject({ type: "bfloat16", shape: [5, 2] });
    expect(nodes[at + 1]).toMatchObject({ op: "Cast", inputs: nodes[at]?.outputs });
    expect(nodes.filter(({ op }) => op === "Cast")).toHaveLength(1);
    const ids = nodes.flatMap(({ outputs }) => outputs.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("is widened as a whole for those who need the whole, once", () => {
    const both = (table: tf.Tensor, ids: tf.Tensor): tf.Tensor[] => [
      rows(table, ids),
      tf.matMul(rows(table, ids), table, false, true),
    ];
    const casts = fused(graph(both as Fn)).nodes.filter(({ op }) => op === "Cast");
    expect(casts.filter(({ inputs }) => inputs[0]?.external !== undefined)).toHaveLength(1);
  });
});
