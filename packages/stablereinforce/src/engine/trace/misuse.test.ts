/** What a traced function gets wrong: one error with reason, op and line, and nothing outside is changed. */
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, EngineError, type Engine, type EngineErrorReason } from "../index.ts";

let engine: Engine;
beforeAll(async () => {
  await createEngine({ runtime: "tfjs-cpu" }); // for tensors outside of graphs
  engine = await createEngine({ runtime: "onnx-node" });
});
afterAll(async () => engine[Symbol.asyncDispose]());

const X = { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3], dtype: "float32" } as const;
const I = { data: Int32Array.of(0, 1, 2, 0, 1, 2), shape: [2, 3], dtype: "int32" } as const;

type Fn = (x: tf.Tensor, ints: tf.Tensor) => tf.Tensor | tf.Tensor[];

const thrownBy = async (fn: Fn): Promise<unknown> => {
  const compiled = engine.compile(fn, { name: "wrong" });
  return compiled(X, I).then(
    () => undefined,
    (error: unknown) => error,
  );
};

const refused = async (fn: Fn, reason: EngineErrorReason, op: RegExp): Promise<EngineError> => {
  const error = await thrownBy(fn);
  expect(error).toBeInstanceOf(EngineError);
  const { message, site, ...rest } = error as EngineError;
  expect({ reason: rest.reason, message }).toMatchObject({ reason });
  expect(rest.op ?? "").toMatch(op);
  expect(site).toMatch(/misuse\.test\.ts:\d+:\d+$/);
  return error as EngineError;
};

describe("variables", () => {
  it("are not assigned to, and stay what they were", async () => {
    const w = tf.variable(tf.tensor1d([1, 2, 3]), true, "misuse-w");
    const error = await refused(
      (x) => {
        w.assign(tf.sum(x, 0) as tf.Tensor1D);
        return tf.add(x, 1);
      },
      "no-kernel",
      /Variable\.assign/,
    );
    expect(error.message).toContain("misuse-w");
    expect(Array.from(w.dataSync())).toEqual([1, 2, 3]);
    w.assign(tf.tensor1d([4, 5, 6]));
    expect(Array.from(w.dataSync())).toEqual([4, 5, 6]);
    w.dispose();
  });

  it("are not read: minimize would train a copy", async () => {
    const w = tf.variable(tf.tensor1d([1, 2, 3]), true, "misuse-r");
    const sgd = tf.train.sgd(0.1);
    const loss = (x: tf.Tensor): tf.Scalar => tf.sum(tf.mul(x, w)) as tf.Scalar;
    const error = await refused((x) => sgd.minimize(() => loss(x), true) as tf.Scalar, "value-read", /Multiply/);
    expect(error.message).toMatch(/misuse-r .*argument/);
    await refused((x) => tf.grad((v: tf.Tensor) => loss(v))(x), "value-read", /Multiply/);
    expect(Array.from(w.dataSync())).toEqual([1, 2, 3]);
    w.dispose();
    sgd.dispose();
  });

  it("are not made, and leave their name free", async () => {
    await refused((x) => tf.variable(x, true, "misuse-m"), "no-kernel", /variable/);
    await refused((x) => tf.add(tf.train.momentum(0.1, 0.9).getConfig() === undefined ? x : x.variable(), 1), "no-kernel", /variable/); // prettier-ignore
    const w = tf.variable(tf.scalar(1), true, "misuse-m");
    expect(w.dataSync()[0]).toBe(1);
    w.dispose();
  });

  it("may be arguments", async () => {
    const w = tf.variable(tf.tensor1d([1, 2, 3]));
    const f = engine.compile((v: tf.Tensor) => tf.mul(v, 2));
    const first = await engine.read(await f(w));
    w.assign(tf.tensor1d([10, 20, 30]));
    const second = await engine.read(await f(w));
    expect([Array.from(first.data), Array.from(second.data)]).toEqual([
      [2, 4, 6],
      [20, 40, 60],
    ]);
    w.dispose();
  });
});

describe("errors", () => {
  it("of the function itself pass unchanged", async () => {
    for (const own of [
      new RangeError("mine"),
      new TypeError("my dtype"),
      new EngineError("my own", { reason: "shape", site: "a:1:1" }),
    ]) {
      const error = await thrownBy((x) => tf.tidy(() => {
        if (x.size > 0) throw own;
        return x;
      })); // prettier-ignore
      expect(error).toBe(own);
    }
    const inCell = new RangeError("in a cell");
    const cell = (): never => {
      throw inCell;
    };
    const cells = (x: tf.Tensor): tf.Tensor => tf.multiRNNCell([cell], x as tf.Tensor2D, [x as never], [x as never])[0][0] as tf.Tensor; // prettier-ignore
    expect(await thrownBy(cells)).toBe(inCell);
    const own = new Error("in a gradient");
    const custom = tf.customGrad((x: unknown) => ({
      value: tf.square(x as tf.Tensor),
      gradFunc: () => {
        throw own;
      },
    }));
    expect(await thrownBy((x) => tf.grad((v: tf.Tensor) => tf.sum(custom(v)))(x))).toBe(own);
  });

  it("of dtypes say so", async () => {
    await refused((_x, i) => tf.cosh(i), "dtype", /cosh/);
    await refused((_x, i) => tf.log(i), "dtype", /log/);
    await refused((_x, i) => tf.logicalNot(i), "dtype", /logicalNot/);
    await refused((_x, i) => tf.reciprocal(i), "dtype", /Reciprocal/);
    await refused((_x, i) => tf.log1p(i), "dtype", /Log1p/);
    await refused((_x, i) => tf.relu(tf.cast(i, "bool")), "dtype", /Relu/);
    await refused((x, i) => tf.concat([i, x]), "dtype", /Concat/);
    await refused((x, i) => tf.stack([i, x]), "dtype", /Pack/);
  });

  it("of kernels name op and line", async () => {
    await refused((x) => tf.stack([x, tf.transpose(x)]), "shape", /Pack/);
    await refused((x) => tf.split(x, 2, 1), "shape", /SplitV/);
    await refused((x) => tf.softmax(tf.sum(x)), "shape", /Softmax/);
    await refused((x) => tf.prelu(x, tf.zeros([2])), "shape", /Prelu/);
    await refused((x) => tf.einsum("ij,jk->ik", x, x), "shape", /Einsum/);
    await refused((x) => tf.einsum("ij->iz", x), "attribute", /Einsum/);
    await refused((_x, i) => tf.oneHot(i, 2 ** 40), "too-large", /OneHot/);
    await refused(() => tf.range(0, 2 ** 40), "too-large", /Range/);
    await refused((x) => tf.argMax(tf.slice(x, [0, 0], [2, 0]), 1), "shape", /ArgMax/);
    const ids = (...list: number[]): tf.Tensor1D => tf.tensor1d(list, "int32");
    expect((await refused((x) => tf.gather(x, ids(0, -1)), "shape", /GatherV2/)).message).toContain("index -1");
    expect((await refused((x) => tf.gather(x, ids(3), 1), "shape", /GatherV2/)).message).toContain("0 … 2");
    await refused((x) => tf.gatherND(x, tf.tensor2d([[1, 3]], [1, 2], "int32")), "shape", /GatherNd/);
  });

  it("of trees that hold themselves name the place", async () => {
    const [held, list] = [{ x: X, self: {} as unknown }, [X] as unknown[]];
    held.self = held;
    list.push({ list });
    const call = engine.compile((a: unknown) => (a as { x: tf.Tensor }).x) as (a: unknown) => Promise<unknown>;
    await expect(call(held)).rejects.toMatchObject({ reason: "tree", message: /arguments\.0\.self: .*holds itself/ });
    await expect(call(list)).rejects.toMatchObject({
      reason: "tree",
      message: /arguments\.0\.1\.list: .*an array that/,
    });
    const twice = { x: X };
    await expect(call({ x: X, a: twice, b: twice })).resolves.toBeDefined();
  });

  it("of missing gradients name the op", async () => {
    const error = await refused((x) => tf.grad((v: tf.Tensor) => tf.topk(v, 1).values)(x), "no-kernel", /TopK/);
    expect(error.message).toMatch(/TopK: has no gradient/);
  });
});
