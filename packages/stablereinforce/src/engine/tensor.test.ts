/** What becomes a tensor, and what does not: nothing turns into other numbers on the way. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { createEngine, EngineError, hostTensor } from "./index.ts";

const failureOf = (...args: readonly unknown[]): EngineError => {
  try {
    (hostTensor as (...all: readonly unknown[]) => unknown)(...args);
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("was accepted");
};

describe("a tensor is refused", () => {
  it.each<[string, readonly unknown[], RegExp]>([
    ["of nested arrays", [[[1, 2], [3]]], /at element 0 for dtype float32, got an array: flatten/],
    ["of strings", [["1", "2"]], /expected a number at element 0.*got "1"/],
    ["of a string", ["12"], /expected Float32Array, a list or a number.*got "12"/],
    ["of a hole", [Array(1)], /element 0.*got undefined/],
    ["of bigints", [[1n, 2n]], /element 0.*got the bigint 1n/],
    ["of a bigint", [3n], /got the bigint 3n/],
    ["of null", [null], /got null/],
    ["of nothing", [undefined], /got undefined/],
    ["of an object", [{ length: 2 }], /got a Object/],
    ["of doubles", [Float64Array.of(1)], /expected Float32Array.*got a Float64Array/],
    ["of int64", [BigInt64Array.of(1n)], /int64 is not used here: convert to Int32Array/],
    [
      "of int32 beyond its range",
      [[0, 3e9], [2], "int32"],
      /whole number from -2147483648 to 2147483647 at element 1.*3000000000/,
    ],
    ["of int32 with a fraction", [1.5, [], "int32"], /whole number.*got 1\.5/],
    ["of int32 with NaN", [[NaN], [1], "int32"], /whole number.*got NaN/],
    ["of bools that are numbers", [[0, 2], [2], "bool"], /true, false, 0 or 1 at element 1.*got 2/],
    ["of bytes that are no bools", [Uint8Array.of(0, 1, 200)], /0 or 1 at element 2.*got 200: .*Float32Array/],
    ["of dtype int64", [[1], [1], "int64"], /expected dtype float32, int32, bool, got "int64"/],
    ["of dtype string", [["a"], [1], "string"], /expected dtype .*got "string"/],
    ["of dtype constructor", [[1], [1], "constructor"], /expected dtype/],
    ["of dtype null", [[1], [1], null], /expected dtype .*got null/],
  ])("%s", (_, args, message) => {
    expect(failureOf(...args)).toMatchObject({ code: "R1_ENGINE", reason: "dtype", message });
  });

  it.each<[string, unknown, RegExp]>([
    ["below 0", [-2, -3], /whole numbers from 0, got \[-2, -3\]/],
    ["that is a fraction", [1.5, 4], /got \[1\.5, 4\]/],
    ["that is NaN", [NaN], /got \[NaN\]/],
    ["of strings", ["6"], /got \["6"\]/],
    ["that is a number", 6, /got 6/],
    ["that is null", null, /got null/],
    ["of another size", [2, 2], /shape \[2, 2\] holds 4 elements, got 6/],
  ])("of a shape %s", async (_, shape, message) => {
    expect(failureOf(new Float32Array(6), shape)).toMatchObject({ code: "R1_ENGINE", reason: "shape", message });
    await using engine = await createEngine({ runtime: "tfjs-cpu" });
    const host = { data: new Float32Array(6), shape, dtype: "float32" };
    const call = engine.compile((x: tf.Tensor) => tf.add(x, 1))(host as never);
    await expect(call).rejects.toMatchObject({ reason: "shape", message });
  });
});

it("a tensor holds what it was given", () => {
  expect(hostTensor([true, false], undefined, "bool").data).toEqual(Uint8Array.of(1, 0));
  expect(hostTensor([-0, -(2 ** 31), 2 ** 31 - 1], [3, 1], "int32").data).toEqual(
    Int32Array.of(0, -(2 ** 31), 2 ** 31 - 1),
  );
  expect(hostTensor([NaN, Infinity, 1]).data).toEqual(Float32Array.of(NaN, Infinity, 1));
  expect(hostTensor(true)).toEqual({ data: Uint8Array.of(1), shape: [], dtype: "bool" });
  expect(hostTensor(2, [1, 1])).toEqual({ data: Float32Array.of(2), shape: [1, 1], dtype: "float32" });
  expect(hostTensor([], [0, 3]).shape).toEqual([0, 3]);
  const data = new Float32Array(4);
  expect(hostTensor(data, [2, 2]).data).toBe(data);
});
