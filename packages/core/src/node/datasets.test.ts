import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { png } from "../../test/images.ts";
import { plainPairsFormat } from "../dataset/formats/index.ts";
import type { DatasetError } from "../errors.ts";
import type { Preference } from "../types.ts";
import { readPreferences, type PreferenceSource, type ReadPreferencesOptions } from "./datasets.ts";
import { readParquet, type ParquetOptions } from "./parquet.ts";

let folder = "";
const at = (name: string): string => join(folder, name);
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "r1-data-"))));
afterAll(() => rm(folder, { recursive: true }));

const collect = async <T>(values: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
};
const pairs = (source: PreferenceSource, options?: ReadPreferencesOptions): Promise<Preference[]> =>
  collect(readPreferences(source, options));
const plain = (id: string, more: object = {}) => ({ id, question: "q", responses: ["a", "b"], ...more });

const picture = png(5, 4);
const ROWS = 25;

/** A file like the publisher's: text columns, a struct of bytes and path, lists, 64-bit integers; groups of ten rows. */
const writeParquet = async (name: string): Promise<string> => {
  const rows = Array.from({ length: ROWS }, (_, k) => k);
  const buffer = parquetWriteBuffer({
    rowGroupSize: 10,
    schema: [
      { name: "root", num_children: 5 },
      { name: "id", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
      { name: "query", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
      { name: "response", converted_type: "LIST", num_children: 1, repetition_type: "OPTIONAL" },
      { name: "list", num_children: 1, repetition_type: "REPEATED" },
      { name: "element", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
      { name: "image", num_children: 2, repetition_type: "OPTIONAL" },
      { name: "bytes", type: "BYTE_ARRAY", repetition_type: "OPTIONAL" },
      { name: "path", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
      { name: "human_ranking", converted_type: "LIST", num_children: 1, repetition_type: "OPTIONAL" },
      { name: "list", num_children: 1, repetition_type: "REPEATED" },
      { name: "element", type: "INT64", repetition_type: "OPTIONAL" },
    ],
    columnData: [
      { name: "id", data: rows.map((k) => `RLHF-${k}`) },
      { name: "query", data: rows.map((k) => `<image>\nWas zeigt Bild ${k}? ü`) },
      { name: "response", data: rows.map((k) => [`a${k}`, `b${k}`]) },
      { name: "image", data: rows.map((k) => ({ bytes: new Uint8Array(picture), path: `image_${k}.png` })) },
      { name: "human_ranking", data: rows.map((k) => (k % 2 ? [1n, 0n] : [0n, 1n])) },
    ],
  });
  await writeFile(at(name), new Uint8Array(buffer));
  return at(name);
};

describe("readPreferences", () => {
  it("reads the publisher's parquet file, image bytes untouched, over several row groups", async () => {
    const stream = readPreferences(await writeParquet("vl.parquet"));
    const read = await collect(stream);
    expect(stream.stats).toEqual({ read: ROWS, skipped: 0, imagesOmitted: 0, format: "vl-reward-bench" });
    expect(read[21]).toEqual({
      id: "RLHF-21",
      question: [
        { type: "image", image: { bytes: new Uint8Array(picture) } },
        { type: "text", text: "Was zeigt Bild 21? ü" },
      ],
      responses: ["a21", "b21"],
      human: 1,
      meta: { image: "image_21.png" },
    });
  });

  it("reads a JSON array, as Multimodal RewardBench ships", async () => {
    const record = {
      ID: "pairs-1",
      Text: "Who?",
      Image: "images/pairs/1.png",
      Output1: "x",
      Output2: "y",
      Better: "Output1",
      Category: "safety",
    };
    await writeFile(at("all.json"), JSON.stringify([record, { ...record, Better: "?" }], null, 2));
    await expect(pairs(at("all.json"), { imageRoot: "data" })).rejects.toMatchObject({ line: 2, field: "Better" });
    const [first] = await pairs(at("all.json"), { imageRoot: "data", onBadRow: "skip" });
    expect(first?.question[0]).toEqual({
      type: "image",
      image: { path: join(process.cwd(), "data", "images/pairs/1.png") },
    });
    await writeFile(at("object.json"), '{"rows":[]}');
    await expect(pairs(at("object.json"))).rejects.toThrow(/expected a JSON array of records, got an object/);
  });

  it("skips and counts what is broken in the middle of a JSONL file", async () => {
    const lines = [plain("1"), "{", plain("2", { human: 5 }), '{"__proto__":1}', plain("3")];
    await writeFile(
      at("broken.jsonl"),
      lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
    );
    const told: DatasetError[] = [];
    const stream = readPreferences(at("broken.jsonl"), { onBadRow: "skip", onSkip: (error) => told.push(error) });
    expect((await collect(stream)).map(({ id }) => id)).toEqual(["1", "3"]);
    expect(stream.stats).toMatchObject({ read: 2, skipped: 3 });
    expect(told.map(({ line }) => line)).toEqual([2, 3, 4]);
    await expect(pairs(at("broken.jsonl"))).rejects.toMatchObject({ file: at("broken.jsonl"), line: 2 });
  });

  it("reads streams and rows, counting images that are left out", async () => {
    const text = JSON.stringify(plain("s", { image: "a.png" }));
    const omit = { missingImages: "omit" } as const;
    const stream = readPreferences(Readable.from([Buffer.from(text)], { objectMode: false }), omit);
    expect(await collect(stream)).toHaveLength(1);
    expect(stream.stats.imagesOmitted).toBe(1);
    expect(await pairs([plain("r")], { format: plainPairsFormat })).toMatchObject([{ id: "r" }]);
    await expect(pairs([plain("r", { human: 3 })])).rejects.toMatchObject({ file: "<rows>", line: 1 });
    await expect(pairs(Readable.from([plain("r")]))).rejects.toThrow(/expected a stream of bytes/);
  });
});

describe("readParquet", () => {
  const rows = (file: string, options?: ParquetOptions) => collect(readParquet(file, options));

  it("numbers rows from 1 and reads only the columns asked for", async () => {
    const read = await rows(await writeParquet("some.parquet"), { columns: ["id"] });
    expect(read).toHaveLength(ROWS);
    expect([read[0], read[24]]).toEqual([
      { line: 1, value: { id: "RLHF-0" } },
      { line: 25, value: { id: "RLHF-24" } },
    ]);
  });

  it("names a column that is not there, and a row group that is too large", async () => {
    const file = await writeParquet("checked.parquet");
    await expect(rows(file, { columns: ["imgae"] })).rejects.toMatchObject({ field: "imgae" });
    await expect(rows(file, { maxRowGroupBytes: 100 })).rejects.toThrow(/:1: expected row groups of at most 100 bytes/);
  });

  it("refuses what is no parquet file, is cut, is a folder or is missing", async () => {
    const whole = await readFile(await writeParquet("whole.parquet"));
    await writeFile(at("cut.parquet"), whole.subarray(0, whole.length - 100));
    await writeFile(at("text.parquet"), '{"id":1}\n'.repeat(10));
    await writeFile(at("empty.parquet"), "");
    await mkdir(at("folder.parquet"));
    for (const name of ["cut", "text", "empty", "folder", "missing"]) {
      const file = at(`${name}.parquet`);
      await expect(rows(file), name).rejects.toMatchObject({ code: "R1_DATASET", file });
    }
  });

  it("turns damaged bits all over the footer into an error, or reads on: never a crash or a hang", async () => {
    const whole = await readFile(await writeParquet("damaged.parquet"));
    const footer = whole.readUInt32LE(whole.length - 8);
    let refused = 0;
    for (let offset = whole.length - 8 - footer; offset < whole.length; offset += 7) {
      const damaged = Buffer.from(whole);
      damaged[offset]! ^= 1 << (offset % 8);
      await writeFile(at("damaged.parquet"), damaged);
      const error: unknown = await rows(at("damaged.parquet")).then(
        () => undefined,
        (caught: unknown) => caught,
      );
      if (error === undefined) continue;
      expect(error).toMatchObject({ code: "R1_DATASET" });
      refused++;
    }
    expect(refused).toBeGreaterThan(10);
  });

  it("stops when asked", async () => {
    const file = await writeParquet("stop.parquet");
    await expect(rows(file, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "R1_ABORTED" });
  });
});
