import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CheckpointError, type CheckpointProblem } from "../errors.ts";
import {
  assertShapes,
  bf16ToFloat32,
  decodeSafetensors,
  encodeSafetensors,
  f16ToFloat32,
  firstNonFinite,
  float32ToBf16,
  float32ToF16,
  fromFloat32,
  toFloat32,
  type SafetensorsTensor,
} from "./index.ts";

const fixture = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../test/fixtures/${name}.safetensors`, import.meta.url)));

/** A file from header text, written by hand so that it can be wrong. */
const file = (header: string | Uint8Array, dataBytes: number, length?: bigint): Uint8Array => {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
};

const entry = (name: string, dtype: string, shape: readonly unknown[], offsets: readonly unknown[]) =>
  `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: offsets })}`;

const problemOf = (bytes: Uint8Array, options = {}): CheckpointProblem => {
  try {
    decodeSafetensors(bytes, options);
  } catch (error) {
    if (error instanceof CheckpointError) return error.problem;
    throw error;
  }
  throw new Error("was accepted");
};

const f32 = (...values: number[]): SafetensorsTensor<"F32"> => ({
  dtype: "F32",
  shape: [values.length],
  data: Float32Array.from(values),
});

describe("files of the reference implementation", () => {
  // tools/golden/safetensors_files.py wrote them: ramp = -3 … 3, floats are ramp / 3.
  const read = decodeSafetensors(fixture("reference"));
  const ramp = [-3, -2, -1, 0, 1, 2, 3];

  it("reads every dtype", () => {
    expect([...read.get("z.f32").data]).toEqual(ramp.map((x) => Math.fround(x / 3)));
    expect([...read.get("a.f64").data]).toEqual(ramp.map((x) => x / 3));
    // 1/3 in half is 0x3555 = 0.333251953125, in bfloat16 0x3eab = 0.333984375
    expect(toFloat32(read.get("b.f16"))[4]).toBe(0.333251953125);
    expect(toFloat32(read.get("c.bf16"))[4]).toBe(0.333984375);
    expect([...read.get("d.i64").data]).toEqual(ramp.map((x) => BigInt(x) * 2n ** 40n));
    expect([...read.get("e.i32").data]).toEqual(ramp.map((x) => x * 2 ** 20));
    expect([...read.get("f.i16").data]).toEqual(ramp.map((x) => x * 2 ** 10));
    expect([...read.get("g.i8").data]).toEqual(ramp);
    expect([...read.get("h.u8").data]).toEqual([0, 50, 100, 150, 200]);
    expect([...read.get("i.bool").data]).toEqual([1, 0, 1]);
    expect(read.get("scalar").shape).toEqual([]);
    expect(read.get("scalar").data[0]).toBe(2.5);
    expect(read.get("empty").shape).toEqual([0, 4]);
    expect(read.get("empty").data.length).toBe(0);
    expect([...read.get("größe").data]).toEqual([1, 2]);
    expect(read.header.metadata).toEqual(new Map([["format", "pt"]]));
  });

  it("makes no copy of aligned tensors", () => {
    const bytes = fixture("reference");
    expect(decodeSafetensors(bytes).get("a.f64").data.buffer).toBe(bytes.buffer);
  });

  it("copies tensors that lie unaligned, with equal values", () => {
    const bytes = fixture("reference");
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const moved = decodeSafetensors(shifted.subarray(1));
    for (const name of read.names) expect(moved.get(name)).toEqual(read.get(name));
  });

  it("writes the same bytes as the reference writer", () => {
    const again = encodeSafetensors(
      [...read.names].reverse().map((name) => [name, read.get(name)] as const),
      { metadata: { format: "pt" } },
    );
    expect(Buffer.from(again).equals(Buffer.from(fixture("reference")))).toBe(true);
  });
});

describe("conversions", () => {
  const golden = decodeSafetensors(fixture("conversions"));
  const values = new Float32Array((golden.get("f32_bits").data as Int32Array).slice().buffer);
  const bitsOf = (name: string) => new Uint16Array((golden.get(name).data as Int16Array).slice().buffer);

  it.each([
    ["f16_bits", float32ToF16, 0x7c00],
    ["bf16_bits", float32ToBf16, 0x7f80],
  ] as const)("rounds to %s as PyTorch does, NaN as NaN", (name, convert, infinity) => {
    const expected = bitsOf(name);
    const got = convert(values);
    let nans = 0;
    for (let i = 0; i < values.length; i++) {
      const isNan = ((expected[i] as number) & 0x7fff) > infinity;
      nans += isNan ? 1 : 0;
      if (isNan) expect((got[i] as number) & 0x7fff).toBeGreaterThan(infinity);
      else expect(got[i]).toBe(expected[i]);
    }
    expect(nans).toBeGreaterThan(5);
    expect(expected.length).toBeGreaterThan(6000);
  });

  it("widens all 65536 halves as NumPy does", () => {
    const wide = f16ToFloat32(Uint16Array.from({ length: 65536 }, (_, i) => i));
    const bits = new Uint32Array(wide.buffer);
    for (let i = 0; i < bits.length; i++) if (Number.isNaN(wide[i])) bits[i] = 0x7fc00000;
    const digest = createHash("sha256").update(new Uint8Array(bits.buffer)).digest("hex");
    expect(digest).toBe(golden.header.metadata.get("all_halves_sha256"));
  });

  it("returns every half and bfloat16 unchanged after a round trip", () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const half = float32ToF16(f16ToFloat32(all));
    const brain = float32ToBf16(bf16ToFloat32(all));
    for (let i = 0; i < 65536; i++) {
      if ((i & 0x7fff) <= 0x7c00) expect(half[i]).toBe(i);
      if ((i & 0x7fff) <= 0x7f80) expect(brain[i]).toBe(i);
    }
  });

  it("judges every half and every bfloat16 pattern, wherever it stands", () => {
    const widen = { F16: f16ToFloat32, BF16: bf16ToFloat32 };
    for (const dtype of ["F16", "BF16"] as const) {
      for (let pattern = 0; pattern < 65536; pattern++) {
        const at = pattern % 5; // odd and even places; lengths 4 and 5; on a word's start and in its middle
        const length = 4 + (at === 4 ? 1 : pattern & 1);
        const data = new Uint16Array(new ArrayBuffer(2 * length + 2), 2 * (pattern & 1), length).fill(0x3bff);
        data[at] = pattern;
        const value = widen[dtype](data)[at];
        expect(firstNonFinite({ dtype, shape: [length], data })).toBe(Number.isFinite(value) ? null : at);
        expect(value).toBe(widen[dtype](Uint16Array.of(pattern))[0]);
      }
    }
  });

  it("finds the first value that is not finite", () => {
    expect(firstNonFinite(f32(1, 2, NaN))).toBe(2);
    expect(firstNonFinite(f32(1, 2, 3))).toBeNull();
    for (const dtype of ["F16", "BF16", "F64"] as const) {
      expect(firstNonFinite(fromFloat32(dtype, [3], Float32Array.of(1, -Infinity, NaN)))).toBe(1);
      expect(firstNonFinite(fromFloat32(dtype, [2], Float32Array.of(1, 65000)))).toBeNull();
    }
    const bytes = encodeSafetensors([["w", f32(1, Infinity)]]);
    expect(() => decodeSafetensors(bytes, { finite: true }).get("w")).toThrow(/tensor "w".*element 1/);
    expect(decodeSafetensors(bytes).get("w").data[1]).toBe(Infinity);
  });
});

describe("hostile headers", () => {
  const ok = entry("w", "F32", [2], [0, 8]);

  it.each<[string, Uint8Array, CheckpointProblem]>([
    ["an empty file", new Uint8Array(0), "too-short"],
    ["nine bytes", new Uint8Array(9), "too-short"],
    ["a torch zip", Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0, 0, 0), "pickle"],
    ["a bare pickle", Uint8Array.of(0x80, 2, 0x7d, 0x71, 0, 0x2e, 0, 0, 0, 0), "pickle"],
    ["a header over the cap", file(`{${ok}}`, 8, 16_000_001n), "header-too-large"],
    ["a length of 2^64-1", file(`{${ok}}`, 8, 2n ** 64n - 1n), "header-too-large"],
    ["a length beyond the file", file(`{${ok}}`, 8, 1000n), "header-length"],
    ["a header that is no UTF-8", file(Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d), 0), "not-utf8"],
    ["an overlong UTF-8 quote", file(Uint8Array.of(0x7b, 0xc0, 0xa2, 0x7d), 0), "not-utf8"],
    ["a header that begins with a space", file(` {${ok}}`, 8), "not-json"],
    ["a header that is an array", file(`[]`, 0), "not-json"],
    ["an unclosed object", file(`{${ok}`, 8), "not-json"],
    ["text after the object", file(`{${ok}} {}`, 8), "not-json"],
    ["a trailing comma", file(`{${ok},}`, 8), "not-json"],
    ["an unclosed string", file(`{"w`, 0), "not-json"],
    ["a bad escape", file(`{"\\x":1}`, 0), "not-json"],
    ["deep nesting", file(`{"w":${"[".repeat(50_000)}`, 0), "not-json"],
    ["a duplicate tensor", file(`{${ok},${ok}}`, 8), "duplicate-key"],
    ["a duplicate under an escape", file(`{"\\u0077":${ok.slice(4)},${ok}}`, 8), "duplicate-key"],
    [
      "a duplicate field",
      file(`{"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8),
      "duplicate-key",
    ],
    ["a missing field", file(`{"w":{"dtype":"F32","shape":[2]}}`, 8), "not-json"],
    ["a field too many", file(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}`, 8), "not-json"],
    ["a tensor that is a number", file(`{"w":1}`, 0), "not-json"],
    ["an unknown dtype", file(`{${entry("w", "F8_E4M3", [8], [0, 8])}}`, 8), "bad-dtype"],
    ["a dtype from Object.prototype", file(`{${entry("w", "constructor", [8], [0, 8])}}`, 8), "bad-dtype"],
    ["a dtype that is a number", file(`{"w":{"dtype":1,"shape":[2],"data_offsets":[0,8]}}`, 8), "bad-dtype"],
    ["a negative dimension", file(`{${entry("w", "F32", [-2], [0, 8])}}`, 8), "not-json"],
    ["a fractional dimension", file(`{${entry("w", "F32", [2.5], [0, 8])}}`, 8), "not-json"],
    [
      "a dimension beyond 2^53",
      file(`{"w":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,8]}}`, 8),
      "not-json",
    ],
    ["a string dimension", file(`{${entry("w", "F32", ["2"], [0, 8])}}`, 8), "bad-shape"],
    ["sizes that overflow", file(`{${entry("w", "F32", [4294967296, 4294967296], [0, 8])}}`, 8), "bad-shape"],
    ["bytes that overflow", file(`{${entry("w", "F64", [9007199254740991], [0, 8])}}`, 8), "bad-shape"],
    ["rank 17", file(`{${entry("w", "F32", Array(17).fill(1), [0, 4])}}`, 4), "bad-shape"],
    ["one offset", file(`{${entry("w", "F32", [2], [0])}}`, 8), "bad-offsets"],
    ["reversed offsets", file(`{${entry("w", "F32", [2], [8, 0])}}`, 8), "bad-offsets"],
    ["a span too long", file(`{${entry("w", "F32", [2], [0, 12])}}`, 12), "bad-offsets"],
    ["a hole at the start", file(`{${entry("w", "F32", [2], [4, 12])}}`, 12), "bad-offsets"],
    ["a hole between", file(`{${ok},${entry("v", "F32", [1], [12, 16])}}`, 16), "bad-offsets"],
    ["an overlap", file(`{${ok},${entry("v", "F32", [2], [4, 12])}}`, 12), "bad-offsets"],
    ["the same span twice", file(`{${ok},${entry("v", "F32", [2], [0, 8])}}`, 8), "bad-offsets"],
    ["bytes after the tensors", file(`{${ok}}`, 9), "length-mismatch"],
    ["a truncated file", file(`{${ok}}`, 7), "length-mismatch"],
    ["an empty name", file(`{${entry("", "F32", [2], [0, 8])}}`, 8), "bad-name"],
    ["a name with a control", file(`{${entry("a\u0000b", "F32", [2], [0, 8])}}`, 8), "bad-name"],
    ["a lone surrogate", file(`{"\\ud800":${ok.slice(4)}}`, 8), "bad-name"],
    ["__proto__", file(`{${entry("__proto__", "F32", [2], [0, 8])}}`, 8), "bad-name"],
    ["metadata that is no object", file(`{"__metadata__":"x",${ok}}`, 8), "bad-metadata"],
    ["metadata that is a number", file(`{"__metadata__":{"x":1},${ok}}`, 8), "bad-metadata"],
  ])("refuses %s", (_, bytes, problem) => {
    expect(problemOf(bytes)).toBe(problem);
  });

  const text = (words: string): Uint8Array => new TextEncoder().encode(words);

  it.each<[string, Uint8Array, RegExp]>([
    [
      "a Git LFS pointer",
      text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
      /this is a Git LFS pointer: fetch the file/,
    ],
    ["a web page", text("<!DOCTYPE html>\n<html><body>Not found</body></html>"), /looks like text of a web page/],
    ["a message", text("Access denied: sign in first"), /looks like text, which begins with "Access denied: s"/],
    ["JSON", text('{"error":"Repository not found"}'), /looks like text/],
  ])("says that it is %s", (_, bytes, message) => {
    expect(problemOf(bytes)).toBe("text");
    expect(() => decodeSafetensors(bytes, { file: "model.safetensors" })).toThrow(
      /^model\.safetensors: expected a safe/,
    );
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  it("refuses 100,000 tensors over one span, in time that grows with the header only", () => {
    const header = Array.from({ length: 100_000 }, (_, i) => entry(`w${i}`, "F32", [2], [0, 8]));
    expect(problemOf(file(`{${header.join(",")}}`, 8))).toBe("bad-offsets");
  });

  it("accepts a header of 640 bytes, whose first byte is a pickle's too", () => {
    const json = `{${ok}}`.padEnd(640, " ");
    const bytes = file(json, 8);
    expect([bytes[0], bytes[1]]).toEqual([0x80, 2]);
    expect(decodeSafetensors(bytes).names).toEqual(["w"]);
  });

  it("accepts zero-sized tensors and an empty file", () => {
    const bytes = file(`{${entry("e", "F32", [0, 3], [0, 0])},${ok}}`, 8);
    expect(decodeSafetensors(bytes).get("e").data.length).toBe(0);
    expect(decodeSafetensors(file("{}", 0)).names).toEqual([]);
  });

  it("applies a caller's name rule", () => {
    expect(problemOf(file(`{${ok}}`, 8), { names: /^model\./ })).toBe("bad-name");
  });

  it("compares shapes with what a model expects", () => {
    const { header } = decodeSafetensors(encodeSafetensors([["w", f32(1, 2)]]));
    expect(() => assertShapes(header, new Map([["w", [2]]]))).not.toThrow();
    expect(() => assertShapes(header, new Map([["w", [1, 2]]]))).toThrow(/expected \[1, 2\], got \[2\]/);
    expect(() => assertShapes(header, new Map([["v", [2]]]))).toThrow(/missing|expected this tensor/);
    expect(() => assertShapes(header, new Map())).toThrow(/no such tensor/);
  });
});

describe("properties", () => {
  const tensors = fc.uniqueArray(
    fc.record({ name: fc.string({ minLength: 1, maxLength: 12 }), values: fc.array(fc.float(), { maxLength: 9 }) }),
    { selector: (item) => item.name, maxLength: 6 },
  );
  const printable = (name: string) =>
    !/[\p{Cc}\p{Surrogate}]/u.test(name) && !["__metadata__", "__proto__"].includes(name);

  it("reads what it wrote", () => {
    fc.assert(
      fc.property(tensors, (all) => {
        const kept = all.filter(({ name }) => printable(name));
        const read = decodeSafetensors(
          encodeSafetensors(kept.map(({ name, values }) => [name, f32(...values)] as const)),
        );
        expect(read.names.length).toBe(kept.length);
        for (const { name, values } of kept) expect([...read.get(name).data]).toEqual([...Float32Array.from(values)]);
      }),
    );
  });

  it("never throws anything but CheckpointError on flipped bits, and never reads outside the file", () => {
    const original = fixture("reference");
    const headerBits = 8 * (8 + decodeSafetensors(original).header.dataStart - 8);
    const flips = fc.array(fc.nat(headerBits - 1), { minLength: 1, maxLength: 4 });
    let refused = 0;
    fc.assert(
      fc.property(flips, (bits) => {
        const bytes = original.slice();
        for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        try {
          const read = decodeSafetensors(bytes);
          const total = read.names.reduce((sum, name) => sum + read.get(name).data.byteLength, 0);
          expect(total).toBe(bytes.length - read.header.dataStart);
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
          refused++;
        }
      }),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(1000);
  });

  it("survives arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => decodeSafetensors(bytes)).toThrow(CheckpointError);
      }),
    );
  });
});

describe("writing", () => {
  it("refuses what a reader would refuse", () => {
    expect(() => encodeSafetensors([["a\nb", f32(1)]])).toThrow(CheckpointError);
    expect(() =>
      encodeSafetensors([
        ["w", f32(1)],
        ["w", f32(2)],
      ]),
    ).toThrow(/twice/);
    expect(() => encodeSafetensors([["__metadata__", f32(1)]])).toThrow(CheckpointError);
    expect(() => encodeSafetensors([["w", { ...f32(1), shape: [2] }]])).toThrow(/expected 2 elements of F32, got 1/);
    expect(() => encodeSafetensors([["w", { ...f32(1), shape: [0.5] }]])).toThrow(CheckpointError);
  });

  it.each<[string, unknown, RegExp]>([
    ["I32", Float32Array.of(1), /tensor "w": expected I32 in Int32Array, got Float32Array/],
    ["F32", Int32Array.of(1), /expected F32 in Float32Array, got Int32Array/],
    ["BF16", Int16Array.of(1), /expected BF16 in Uint16Array, got Int16Array/],
    ["I64", Float64Array.of(1), /expected I64 in BigInt64Array, got Float64Array/],
    ["F32", [1], /expected F32 in Float32Array, got Array/],
    ["F32", undefined, /expected F32 in Float32Array, got undefined/],
    ["F8", Uint8Array.of(1), /tensor "w": expected one of BOOL .* I64, got "F8"/],
    ["constructor", Uint8Array.of(1), /expected one of/],
    [undefined as never, Uint8Array.of(1), /expected one of .*got undefined/],
  ])("refuses %s in %j, which would be other numbers", (dtype, data, message) => {
    const write = () => encodeSafetensors([["w", { dtype, shape: [1], data } as never]]);
    expect(write).toThrow(CheckpointError);
    expect(write).toThrow(message);
  });
});
