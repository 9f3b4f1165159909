import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CheckpointError } from "../errors.ts";
import { encodeSafetensors, fromFloat32, type SafetensorsTensor } from "../safetensors/index.ts";
import { openSafetensors, openSharded, openWeights, saveSafetensors, streamSafetensors } from "./index.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1-safetensors-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const f32 = (shape: readonly number[], start = 0): SafetensorsTensor<"F32"> => {
  const length = shape.reduce((a, b) => a * b, 1);
  return { dtype: "F32", shape, data: Float32Array.from({ length }, (_, i) => start + i) };
};

const problemOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => new Error("was accepted"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof CheckpointError) return error.problem;
  throw error;
};

/** Overwrites a file without end, each time with values that begin at a higher number. */
const WRITER = `
  import { saveSafetensors } from "./safetensors-file.ts";
  process.send("ready");
  for (let start = 1; ; start++) {
    const data = Float32Array.from({ length: 50_000 }, (_, i) => start + i);
    await saveSafetensors(process.argv[2], [["w", { dtype: "F32", shape: [data.length], data }]]);
  }`;

describe("one file", () => {
  it("reads single tensors, rows of them, and says where they lie", async () => {
    const path = join(folder, "w.safetensors");
    await saveSafetensors(path, [
      ["a", f32([2, 3])],
      ["b", f32([4, 2], 100)],
    ]);
    await using file = await openSafetensors(path);
    expect(file.names).toEqual(["a", "b"]);
    expect([...(await file.read("b")).data]).toEqual([100, 101, 102, 103, 104, 105, 106, 107]);
    const rows = await file.read("b", { rows: [1, 3] });
    expect(rows.shape).toEqual([2, 2]);
    expect([...rows.data]).toEqual([102, 103, 104, 105]);
    const { offset, length } = file.locate("b");
    const bytes = await readFile(path);
    expect(new Float32Array(bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + length))[0]).toBe(
      100,
    );
    expect(await problemOf(file.read("b", { rows: [1, 5] }))).toBe("shape-mismatch");
    expect(await problemOf(file.read("b", { rows: [0.5, 1] }))).toBe("shape-mismatch");
    await expect(file.read("c")).rejects.toThrow(/tensor "c": expected this tensor/);
    await expect(file.read("a", { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
  });

  it("refuses what is no safetensors file", async () => {
    expect(await problemOf(openSafetensors(join(folder, "none")))).toBe("io");
    expect(await problemOf(openSafetensors(folder))).toBe("io");
    const pickle = join(folder, "model.safetensors");
    await writeFile(pickle, Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0, 8, 8, 0));
    await expect(openSafetensors(pickle)).rejects.toThrow(/save_file/);
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    expect(await problemOf(openSafetensors(fifo))).toBe("io");
  });

  it("asks for one tensor at a time when streaming, and keeps the old file on failure", async () => {
    const path = join(folder, "w.safetensors");
    const asked: string[] = [];
    const specs = [
      ["b", f32([2])],
      ["a", f32([3])],
    ] as const;
    await streamSafetensors(path, specs, async (name) => {
      asked.push(name);
      return name === "a" ? f32([3]) : f32([2]);
    });
    expect(asked).toEqual(["a", "b"]);
    const before = await readFile(path);
    const broken = streamSafetensors(path, specs, (name) => (name === "a" ? f32([3], 9) : f32([5])));
    expect(await problemOf(broken)).toBe("shape-mismatch");
    await expect(saveSafetensors(path, [["a", f32([1])]], { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
    expect(await problemOf(saveSafetensors(join(folder, "no", "w"), [["a", f32([1])]]))).toBe("io");
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(folder)).toEqual(["w.safetensors"]);
  });

  it("leaves the old or the new file when the writer is killed at any point", async () => {
    const path = join(folder, "w.safetensors");
    await saveSafetensors(path, [["w", f32([50_000], 0)]]);
    const script = join(folder, "writer.mjs");
    await build({
      stdin: { contents: WRITER, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
      outfile: script,
      bundle: true,
      platform: "node",
      format: "esm",
      logLevel: "error",
      alias: { "@r1reward/core": fileURLToPath(new URL("../../../core/src/errors.ts", import.meta.url)) },
    });
    let newer = 0;
    for (let round = 0; round < 12; round++) {
      const { ino } = await stat(path);
      const child = fork(script, [path], { silent: true });
      await once(child, "message");
      await new Promise((resolve) => setTimeout(resolve, (round * 7) % 23));
      // However slow the machine: one writer lives until a file of its own has taken the place.
      while (round === 0 && (await stat(path)).ino === ino) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill("SIGKILL");
      await once(child, "exit");
      await using file = await openSafetensors(path);
      const data = (await file.read("w")).data as Float32Array;
      const start = data[0] as number;
      expect(data.every((value, i) => value === start + i)).toBe(true);
      newer += start > 0 ? 1 : 0;
    }
    expect(newer).toBeGreaterThan(0);
  });
});

describe("numbers that are looked at and not kept", () => {
  it.each(["F32", "BF16", "F16", "F64"] as const)(
    "%s: a NaN is found wherever it is, and named by its place",
    async (dtype) => {
      const path = join(folder, "large.safetensors");
      const size = 700_001; // more than one window, and no whole number of them
      for (const at of [0, 262_143, 262_144, 524_288, size - 1]) {
        const values = new Float32Array(size).fill(0.5);
        values[at] = Number.NaN;
        await saveSafetensors(path, [["w", fromFloat32(dtype, [size], values)]]);
        await using file = await openSafetensors(path);
        const message = expect.stringContaining(`element ${at}`) as string;
        await expect(file.check("w")).rejects.toMatchObject({ problem: "not-finite", tensor: "w", message });
      }
      await saveSafetensors(path, [["w", fromFloat32(dtype, [size], new Float32Array(size).fill(3))]]);
      await using file = await openSafetensors(path);
      await file.check("w");
      const control = new AbortController();
      control.abort();
      await expect(file.check("w", control.signal)).rejects.toMatchObject({ code: "R1_ABORTED" });
    },
  );
});

describe("shards", () => {
  const write = async (name: string, tensors: readonly (readonly [string, SafetensorsTensor])[]) =>
    writeFile(join(folder, name), encodeSafetensors(tensors));
  const writeIndex = (index: unknown) =>
    writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify(index, null, 2));
  const map = { a: "s-1.safetensors", b: "s-2.safetensors" };
  const total = { total_size: 8 + 12 };

  beforeEach(async () => {
    await write("s-1.safetensors", [["a", f32([2])]]);
    await write("s-2.safetensors", [["b", f32([3], 5)]]);
  });

  it("reads across shards", async () => {
    await writeIndex({ metadata: total, weight_map: map });
    await using weights = await openWeights(folder);
    expect(weights.names).toEqual(["a", "b"]);
    expect([...(await weights.read("b")).data]).toEqual([5, 6, 7]);
    expect(weights.entry("a").shape).toEqual([2]);
    expect(weights.locate("b").path).toBe(join(folder, "s-2.safetensors"));
    await expect(weights.read("c")).rejects.toThrow(/in the index/);
  });

  it.each([
    ["a path", { a: "../s-1.safetensors", b: map.b }, "bad-path"],
    ["an absolute path", { a: "/etc/passwd", b: map.b }, "bad-path"],
    ["another extension", { a: "s-1.bin", b: map.b }, "bad-path"],
    ["a backslash", { a: "..\\s-1.safetensors", b: map.b }, "bad-path"],
    ["a number", { a: 1 }, "bad-path"],
    ["a file that is not there", { a: "s-9.safetensors", b: map.b }, "io"],
    ["a tensor in the wrong shard", { a: map.b, b: map.b }, "missing-tensor"],
    ["a tensor nobody claims", { a: map.a, b: map.b, c: map.b }, "missing-tensor"],
    ["a tensor left out", { a: map.a }, "bad-index"],
    ["no tensors", {}, "bad-index"],
  ])("refuses an index with %s", async (_, weightMap, problem) => {
    if (problem === "bad-index" && "a" in weightMap)
      await write("s-1.safetensors", [
        ["a", f32([2])],
        ["x", f32([1])],
      ]);
    await writeIndex({ weight_map: weightMap });
    expect(await problemOf(openWeights(folder))).toBe(problem);
  });

  it("refuses a wrong total, too many shards, and text that is no index", async () => {
    await writeIndex({ metadata: { total_size: 21 }, weight_map: map });
    expect(await problemOf(openWeights(folder))).toBe("bad-index");
    await writeIndex({
      weight_map: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `${i}.safetensors`])),
    });
    expect(await problemOf(openWeights(folder))).toBe("bad-index");
    await writeFile(
      join(folder, "model.safetensors.index.json"),
      '{"weight_map":{"a":"s-1.safetensors","a":"x.safetensors"}}',
    );
    await expect(openSharded(join(folder, "model.safetensors.index.json"))).rejects.toThrow(/twice/);
  });

  it("refuses links that leave the folder unless they are allowed", async () => {
    const inner = join(folder, "snapshot");
    await mkdir(inner);
    await symlink(join(folder, "s-1.safetensors"), join(inner, "s-1.safetensors"));
    await writeFile(
      join(inner, "model.safetensors.index.json"),
      JSON.stringify({ weight_map: { a: "s-1.safetensors" } }),
    );
    expect(await problemOf(openWeights(inner))).toBe("bad-path");
    await using weights = await openWeights(inner, { allowLinks: true });
    expect(weights.names).toEqual(["a"]);
  });

  it("opens a snapshot of a Hugging Face cache, whose files are links to blobs beside it", async () => {
    const snapshot = join(folder, "models--a--b", "snapshots", "0123abc");
    const blobs = join(folder, "models--a--b", "blobs");
    await mkdir(snapshot, { recursive: true });
    await mkdir(blobs);
    await copyFile(join(folder, "s-1.safetensors"), join(blobs, "5e8f"));
    await symlink(join("..", "..", "blobs", "5e8f"), join(snapshot, "s-1.safetensors"));
    await writeFile(join(blobs, "77aa"), JSON.stringify({ weight_map: { a: "s-1.safetensors" } }));
    await symlink(join("..", "..", "blobs", "77aa"), join(snapshot, "model.safetensors.index.json"));
    await using weights = await openWeights(snapshot);
    expect(weights.names).toEqual(["a"]);
    await rm(join(snapshot, "s-1.safetensors"));
    await symlink(join(folder, "s-1.safetensors"), join(snapshot, "s-1.safetensors")); // out of the cache
    expect(await problemOf(openWeights(snapshot))).toBe("bad-path");
  });

  it("opens a folder with a single file", async () => {
    await write("model.safetensors", [["a", f32([2])]]);
    await using weights = await openWeights(folder);
    expect(weights.names).toEqual(["a"]);
  });
});
