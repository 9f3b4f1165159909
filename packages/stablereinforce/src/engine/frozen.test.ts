/** Frozen weights: a graph that reads them from their file computes what it computes with them in memory. */
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSafetensors, saveSafetensors, type SafetensorsFile } from "../node/index.ts";
import { embedding } from "../ops/index.ts";
import { fromFloat32, type SafetensorsTensor } from "../safetensors/index.ts";
import { createEngine, isEngineTensor, type Engine, type EngineTensor, type RuntimeName } from "./index.ts";
import { externalOf } from "./frozen.ts";
import { cellOf } from "./tensor.ts";

const wave = (n: number, seed: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.3 + seed) / 4);

let folder = "";
let file: SafetensorsFile;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-frozen-"));
  const stored: [string, SafetensorsTensor][] = [
    ...(["F32", "F16", "BF16"] as const).flatMap((dtype): [string, SafetensorsTensor][] => [
      [`in.${dtype}`, fromFloat32(dtype, [24, 16], wave(384, 1))],
      [`out.${dtype}`, fromFloat32(dtype, [8, 24], wave(192, 2))],
      [`table.${dtype}`, fromFloat32(dtype, [11, 24], wave(264, 3))],
    ]),
    ["ids", { dtype: "I32", shape: [3], data: Int32Array.of(4, 0, 4) }],
    ["big", { dtype: "I64", shape: [1], data: BigInt64Array.of(7n) }],
    ["none", fromFloat32("F32", [0, 4], new Float32Array(0))],
  ];
  await saveSafetensors(join(folder, "model.safetensors"), stored);
  file = await openSafetensors(join(folder, "model.safetensors"));
});
afterAll(async () => {
  await file[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

interface Weights<T> {
  readonly table: T;
  readonly in: T;
  readonly out: T;
}

/** A table looked up, a layer as PyTorch stores it (transposed) and one that is not; loss and gradient by `x`. */
const step = (x: tf.Tensor, ids: tf.Tensor, w: Weights<tf.Tensor>) => {
  const f = (a: tf.Tensor): tf.Scalar => {
    const h = tf.add(embedding(w.table, ids), tf.matMul(a, w.in, false, true));
    return tf.sum(tf.square(tf.matMul(tf.tanh(h), w.out, false, true))) as tf.Scalar;
  };
  const { value, grads } = tf.valueAndGrads(f)([x]);
  return { value, grad: grads[0] as tf.Tensor };
};

const valuesOf = async (engine: Engine, weights: Weights<EngineTensor>): Promise<number[]> => {
  const compiled = engine.compile(step);
  const x = engine.tensor(wave(48, 4), [3, 16]);
  const ids = engine.tensor(Int32Array.of(4, 0, 4));
  const out = await compiled(x, ids, weights);
  const values = [await engine.number(out.value), ...(await engine.read(out.grad)).data];
  engine.dispose([out, x, ids]);
  await compiled.dispose();
  return values;
};

const RUNTIMES: RuntimeName[] = ["onnx-node", "onnx-web", "tfjs-cpu"];

describe.each(RUNTIMES)("on %s", (runtime) => {
  it.each(["F32", "F16", "BF16"])("%s weights give what they give from memory, gradients too", async (dtype) => {
    const engine = await createEngine({ runtime, threads: 1 });
    const names = { table: `table.${dtype}`, in: `in.${dtype}`, out: `out.${dtype}` };
    const take = async <T>(f: (name: string) => Promise<T>): Promise<Weights<T>> => ({
      table: await f(names.table),
      in: await f(names.in),
      out: await f(names.out),
    });
    const frozen = await take((name) => engine.frozen(file, name));
    const loaded = await take(async (name) => {
      const { data, shape } = await engine.read(await engine.frozen(file, name));
      return engine.tensor(data, shape);
    });
    expect(externalOf(cellOf(frozen.in).value)?.type).toBe(
      runtime === "onnx-node" ? { F32: "float32", F16: "float16", BF16: "bfloat16" }[dtype] : undefined,
    );
    const [got, want] = [await valuesOf(engine, frozen), await valuesOf(engine, loaded)];
    expect(want.some((x) => Math.abs(x) > 1e-3)).toBe(true);
    got.forEach((x, i) => expect(x).toBeCloseTo(want[i] as number, 5));
    await engine[Symbol.asyncDispose]();
  });

  it("whole numbers are loaded, others are refused by name", async () => {
    const engine = await createEngine({ runtime, threads: 1 });
    const ids = await engine.frozen(file, "ids");
    expect(await engine.read(ids)).toEqual({ data: Int32Array.of(4, 0, 4), shape: [3], dtype: "int32" });
    expect((await engine.read(await engine.frozen(file, "none"))).shape).toEqual([0, 4]);
    await expect(engine.frozen(file, "big")).rejects.toMatchObject({ reason: "dtype", message: /frozen big.*I64/ });
    await expect(engine.frozen(file, "gone")).rejects.toMatchObject({ problem: "missing-tensor", tensor: "gone" });
    await engine[Symbol.asyncDispose]();
  });
});

describe("in their file", () => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime: "onnx-node", threads: 1 })), 30_000);
  afterAll(async () => engine[Symbol.asyncDispose]());
  const double = (w: tf.Tensor, v: tf.Tensor) => tf.add(tf.mul(w, 2), v);

  it("two files in different folders, one behind a link, serve one graph", async () => {
    const away = await mkdtemp(join(tmpdir(), "r1reward-away-"));
    await mkdir(join(folder, "sub"), { recursive: true });
    await saveSafetensors(join(away, "blob"), [["w", fromFloat32("F32", [2], Float32Array.of(5, 6))]]);
    await symlink(join(away, "blob"), join(folder, "sub", "linked.safetensors"));
    await saveSafetensors(join(folder, "sub", "b.safetensors"), [
      ["w", fromFloat32("BF16", [2], Float32Array.of(1, 2))],
    ]);
    const files = await Promise.all(
      ["linked", "b"].map((name) => openSafetensors(join(folder, "sub", `${name}.safetensors`))),
    );
    const [w, v] = await Promise.all(files.map((one) => engine.frozen(one, "w")));
    const out = await engine.compile(double)(w as EngineTensor, v as EngineTensor);
    expect(Array.from((await engine.read(out)).data)).toEqual([11, 14]);
    await Promise.all(files.map((one) => one[Symbol.asyncDispose]()));
    await rm(away, { recursive: true });
  });

  it("a frozen tensor alone is a result too, and other tensors make other graphs", async () => {
    const same = engine.compile((w: tf.Tensor) => w, { name: "same" });
    for (const name of ["in.F32", "in.BF16"]) {
      const w = await engine.frozen(file, name);
      expect(await engine.read(await same(w))).toEqual(await engine.read(w));
    }
    const [a, b] = [await engine.frozen(file, "in.F32"), engine.tensor(wave(384, 9), [24, 16])];
    expect((await engine.read(await same(b))).data).toEqual(wave(384, 9));
    expect((await engine.read(await same(a))).data).toEqual(wave(384, 1));
  });

  it("cannot be donated, saved, or used when disposed", async () => {
    const w = await engine.frozen(file, "in.F32");
    const v = engine.tensor(wave(384, 5), [24, 16]);
    await expect(engine.compile(double, { name: "d", donate: [0] })(w, v)).rejects.toThrow(
      /d: frozen.*cannot be donated/,
    );
    await expect(engine.compile(double, { name: "s" }).save(w, v)).rejects.toMatchObject({ reason: "bad-graph" });
    expect(isEngineTensor(w)).toBe(true);
    engine.dispose(w);
    await expect(engine.compile(double)(w, v)).rejects.toMatchObject({ reason: "disposed" });
  });

  it("results that are written in place are right too", async () => {
    const w = await engine.frozen(file, "in.BF16"); // [24, 16]
    const state = engine.tensor(new Float32Array(2 ** 15).fill(2), [2048, 16]);
    const f = engine.compile((s: tf.Tensor, m: tf.Tensor) => tf.add(s, tf.sum(m, 0)), { donate: [0] });
    const sums = Array.from({ length: 16 }, (_, i) => i);
    const { data } = await engine.read(w);
    const want = sums.map((i) => 2 + Array.from(data).reduce((sum, x, at) => (at % 16 === i ? sum + 2 * x : sum), 0));
    const out = await engine.read(await f(await f(state, w), w));
    want.forEach((x, i) => expect(out.data[i]).toBeCloseTo(x, 4));
  });

  it("numbers at odd places are loaded instead", async () => {
    const odd = { ...file, locate: (name: string) => ({ ...file.locate(name), offset: file.locate(name).offset + 1 }) };
    expect(externalOf(cellOf(await engine.frozen(odd, "in.F32")).value)).toBeUndefined();
  });

  it("a file that went away is named", async () => {
    const path = join(folder, "short-lived.safetensors");
    await saveSafetensors(path, [["w", fromFloat32("F32", [2], Float32Array.of(5, 6))]]);
    const opened = await openSafetensors(path);
    const w = await engine.frozen(opened, "w");
    await rm(path);
    await expect(engine.compile((x: tf.Tensor) => tf.mul(x, 2), { name: "late" })(w)).rejects.toMatchObject({
      code: "R1_ENGINE",
      message: /late.*short-lived\.safetensors/s,
    });
    await opened[Symbol.asyncDispose]();
  });
});
