/** Arrays behind handles: results are written where nobody reads, however handles were made. */
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine, type EngineTensor, type RuntimeName } from "./index.ts";

const N = 2 ** 15; // 128 KiB: arrays of this size are used again

describe.each<RuntimeName>(["onnx-node", "onnx-web", "tfjs-cpu"])("on %s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime, threads: 1 })));
  afterAll(async () => engine[Symbol.asyncDispose]());

  interface Moments<T> {
    readonly m: T;
    readonly v: T;
  }
  const step = () =>
    engine.compile((s: Moments<tf.Tensor>) => ({ m: tf.add(s.m, 1), v: tf.add(s.v, 100) }), {
      donate: [0],
      name: "step",
    });
  const ends = async (x: EngineTensor): Promise<number[]> => {
    const { data } = await engine.read(x);
    return [data[0] as number, data[data.length - 1] as number];
  };

  it("two donated handles over one array give two results", async () => {
    const zeros = new Float32Array(N);
    const f = step();
    let s: Moments<EngineTensor> = { m: engine.tensor(zeros), v: engine.tensor(zeros) };
    for (let i = 0; i < 2; i++) s = await f(s);
    expect([await ends(s.m), await ends(s.v)]).toEqual([
      [2, 2],
      [200, 200],
    ]);
    await f.dispose();
  });

  it("two parts of one buffer that overlap give two results, two that do not are both used", async () => {
    const buffer = new ArrayBuffer(4 * 3 * N);
    const part = (from: number) => engine.tensor(new Float32Array(buffer, 4 * from, N));
    for (const [a, b] of [
      [0, N / 2],
      [N, 2 * N],
    ] as const) {
      const f = step();
      new Float32Array(buffer).fill(0);
      let s: Moments<EngineTensor> = { m: part(a), v: part(b) };
      for (let i = 0; i < 3; i++) s = await f(s);
      expect([await ends(s.m), await ends(s.v)]).toEqual([
        [3, 3],
        [300, 300],
      ]);
      await f.dispose();
    }
  });

  it("an array is left alone while another handle has it, or it was given out", async () => {
    const add = engine.compile((x: tf.Tensor) => tf.add(x, 1), { donate: [0], name: "add" });
    const [kept, out] = [new Float32Array(N), new Float32Array(N)];
    const handle = engine.tensor(kept);
    const given = (await engine.take(engine.tensor(out))).data;
    let [x, y] = [engine.tensor(kept), engine.tensor(out)];
    for (let i = 0; i < 3; i++) [x, y] = [await add(x), await add(y)];
    expect(await ends(x)).toEqual([3, 3]);
    expect(await ends(handle)).toEqual([0, 0]);
    expect(given.every((value) => value === 0)).toBe(true);
    await add.dispose();
  });

  it("an array that was given up and comes back as an argument is read before it is written", async () => {
    const f = engine.compile((x: tf.Tensor, y: tf.Tensor) => [tf.add(x, 1), tf.add(y, 10)] as const, { donate: [0] });
    const ones = new Float32Array(N).fill(1);
    const host = () => ({ data: ones, shape: [N], dtype: "float32" as const });
    const [first] = (await f(engine.tensor(ones), engine.tensor(2))) as unknown as EngineTensor[];
    const [second, third] = (await f(first as EngineTensor, host())) as unknown as EngineTensor[];
    expect(await ends(second as EngineTensor)).toEqual([3, 3]);
    expect(await ends(third as EngineTensor)).toEqual([11, 11]);
    await f.dispose();
  });

  it("two functions that were given one array do not write into each other's results", async () => {
    const zeros = new Float32Array(N);
    const [f, g] = [step(), step()];
    const make = (): Moments<EngineTensor> => ({ m: engine.tensor(zeros), v: engine.tensor(new Float32Array(N)) });
    let [s, t] = [make(), make()];
    for (let i = 0; i < 3; i++) [s, t] = await Promise.all([f(s), g(t)]);
    expect([await ends(s.m), await ends(t.m)]).toEqual([
      [3, 3],
      [3, 3],
    ]);
    await Promise.all([f.dispose(), g.dispose()]);
  });
});
