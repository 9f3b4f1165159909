/** Saved graphs: the same file for every compiled runtime, and nothing of it may differ. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { decodeProgram, encodeProgram } from "./saved.ts";
import { createEngine, EngineError, type EngineTensor } from "./index.ts";

const N = 2 ** 15; // outputs of 128 KiB are written in place where the runtime can
const fn = (s: { w: tf.Tensor }, x: tf.Tensor) => ({ w: tf.add(s.w, x), twice: tf.mul(s.w, 2), note: -0 });
const traced = (): never => {
  throw new Error("traced");
};

const problemOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error instanceof EngineError ? error.reason : error;
  }
  return undefined;
};

it.each([
  ["onnx-node", "onnx-web"],
  ["onnx-web", "onnx-node"],
  ["onnx-node", "onnx-node"],
] as const)("saved on %s, it runs on %s", async (from, to) => {
  const [source, target] = await Promise.all([from, to].map((runtime) => createEngine({ runtime, threads: 1 })));
  if (source === undefined || target === undefined) throw new Error("two engines");
  const host = (value: number) => ({ data: new Float32Array(N).fill(value), shape: [N], dtype: "float32" as const });
  const file = await source.compile(fn, { name: "step", donate: [0] }).save({ w: host(3) }, host(4));
  const loaded = target.compile(traced as unknown as typeof fn, { name: "step", donate: [0] });
  await loaded.load(file);
  let w: EngineTensor = target.tensor(new Float32Array(N).fill(3));
  for (let i = 1; i <= 3; i++) {
    const out = await loaded({ w }, host(4));
    w = out.w;
    expect((await target.read(w)).data[N - 1]).toBe(3 + 4 * i);
    expect((await target.read(out.twice)).data[0]).toBe(2 * (3 + 4 * (i - 1)));
    expect(Object.is(out.note, -0)).toBe(true);
  }
  await Promise.all([source, target].map((engine) => engine[Symbol.asyncDispose]()));
});

describe("a file", () => {
  const port = { shape: [2], dtype: "float32" as const };
  const program = { name: "f", model: Uint8Array.of(0x08, 8), inputs: [port], outputs: [port, port] };
  const result = { object: [["a", { list: [{ leaf: 0 }, { leaf: 1 }, { odd: "-0" }, { is: 3 }] }]] } as const;
  const saved = { key: "k", result };
  const file = encodeProgram(program, saved);

  it("is read as it was written", () => {
    expect(decodeProgram(file)).toEqual({ ...saved, program });
  });

  it("of which any bit was changed is refused", () => {
    for (let at = 0; at < 8 * file.length; at++) {
      const changed = file.map((byte, i) => (i === at >> 3 ? byte ^ (1 << (at & 7)) : byte));
      expect(
        problemOf(() => decodeProgram(changed)),
        `bit ${at}`,
      ).toBe("bad-graph");
    }
  });

  it("that ends anywhere before its end is refused", () => {
    for (let end = 0; end < file.length; end++) {
      expect(
        problemOf(() => decodeProgram(file.subarray(0, end))),
        `${end} bytes`,
      ).toBe("bad-graph");
    }
  });

  it.each([
    ["no inputs", { ...program, inputs: undefined }, saved],
    ["inputs of no shape", { ...program, inputs: [{ dtype: "float32" }] }, saved],
    ["outputs of another dtype", { ...program, outputs: [port, { ...port, dtype: "int64" }] }, saved],
    ["a result of more than the outputs", { ...program, outputs: [port] }, saved],
    ["no result", program, { key: "k" }],
    ["a result of something else", program, { key: "k", result: { list: [7] } }],
    ["no signature", program, { result }],
  ])("with %s in its notes is refused, whole as it is", (_, what, notes) => {
    expect(problemOf(() => decodeProgram(encodeProgram(what as never, notes as never)))).toBe("bad-graph");
  });
});
