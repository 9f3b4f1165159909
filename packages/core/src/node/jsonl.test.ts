import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DatasetError } from "../errors.ts";
import { readJsonl, type JsonlOptions, type JsonlRow } from "./jsonl.ts";
import { readLines } from "./lines.ts";

let folder = "";
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "r1-jsonl-"))));
afterAll(() => rm(folder, { recursive: true }));

const collect = async (source: string | Readable, options?: JsonlOptions): Promise<JsonlRow[]> => {
  const rows: JsonlRow[] = [];
  for await (const row of readJsonl(source, options)) rows.push(row);
  return rows;
};

const stream = (...chunks: (string | Uint8Array)[]): Readable =>
  Readable.from(
    chunks.map((chunk) => Buffer.from(chunk as string)),
    { objectMode: false },
  );

const failure = async (source: string | Readable, options?: JsonlOptions): Promise<DatasetError> => {
  const error: unknown = await collect(source, options).catch((caught: unknown) => caught);
  if (error instanceof DatasetError) return error;
  throw new Error(`expected a DatasetError, got ${String(error)}`);
};

describe("readJsonl", () => {
  it("numbers lines from 1 and takes CRLF, blank lines, a byte order mark and a last line without end", async () => {
    const path = join(folder, "mixed.jsonl");
    await writeFile(path, '\ufeff{"a":1}\r\n\n  \r\n[2]\n"drei"');
    expect(await collect(path)).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 4, value: [2] },
      { line: 5, value: "drei" },
    ]);
    expect(await collect(stream(""))).toEqual([]);
  });

  it("puts lines together whatever the chunks, also inside of a character", async () => {
    const values = fc.array(fc.jsonValue(), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(values, fc.integer({ min: 1, max: 7 }), async (records, size) => {
        const bytes = Buffer.from(records.map((record) => JSON.stringify(record)).join("\n"));
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, k) =>
          bytes.subarray(k * size, (k + 1) * size),
        );
        const rows = await collect(stream(...chunks));
        expect(rows.map(({ value }) => JSON.stringify(value))).toEqual(records.map((r) => JSON.stringify(r)));
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ["no JSON", '{"a":1}\n{"a":', 2, /expected JSON, got something else, column 6/],
    ["a truncated list", "[1,2", 1, /column 5/],
    ["a byte order mark in the middle", "1\n\ufeff2", 2, /expected JSON/],
    ["a prototype key", '{"x":{"__proto__":{"polluted":1}}}', 1, /__proto__: the key __proto__ is not allowed/],
    ["an escaped prototype key", '{"\\u005f_proto__":{}}', 1, /__proto__/],
    ["a constructor with a prototype", '{"constructor":{"prototype":{"a":1}}}', 1, /constructor\.prototype/],
  ])("names the line of %s", async (_name, text, line, message) => {
    const error = await failure(stream(text));
    expect(error).toMatchObject({ file: "<stream>", line, message: expect.stringMatching(message) });
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it("leaves harmless mentions alone", async () => {
    const [row] = await collect(stream('{"constructor":"ACME","text":"__proto__ \\u00e9"}'));
    expect(row?.value).toEqual({ constructor: "ACME", text: "__proto__ é" });
  });

  it("names the line of invalid UTF-8 instead of replacing characters", async () => {
    const error = await failure(stream('"ok"\n"', Uint8Array.of(0xc3, 0x28), '"\n'));
    expect(error).toMatchObject({ line: 2, message: expect.stringMatching(/expected UTF-8/) });
  });

  it("never quotes the record in an error: records may be private", async () => {
    expect((await failure(stream('{"patient": Smith}'))).message).not.toMatch(/Smith/);
  });

  it("refuses a 100 MB line after the cap, without holding it, and goes on with the next line", async () => {
    const piece = Buffer.alloc(1 << 20, "x");
    let fed = 0;
    const source = Readable.from(
      (function* () {
        yield Buffer.from("1\n");
        for (; fed < 100; fed++) yield piece;
        yield Buffer.from("\n3\n");
      })(),
      { objectMode: false, highWaterMark: 1 },
    );
    const before = process.memoryUsage().arrayBuffers;
    let fedAtError = -1;
    const seen: (string | number)[] = [];
    for await (const result of readLines(source, { file: "big", maxLineBytes: 4 << 20 })) {
      if ("error" in result) {
        fedAtError = fed;
        expect(result.error.message).toMatch(/big:2: expected a line of at most 4194304 bytes/);
        seen.push("error", result.line);
      } else seen.push(result.text, result.line);
    }
    expect(seen).toEqual(["1", 1, "error", 2, "3", 3]);
    expect(fedAtError).toBeLessThan(10);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 << 20);
  });

  it("keeps a line of exactly the cap", async () => {
    expect(await collect(stream('"abc"\n'), { maxLineBytes: 5 })).toHaveLength(1);
    expect((await failure(stream('"abcd"\n'), { maxLineBytes: 5 })).line).toBe(1);
    expect((await failure(stream('"abcd"'), { maxLineBytes: 5 })).line).toBe(1);
  });

  it("says what is wrong with the file itself", async () => {
    expect((await failure(join(folder, "missing.jsonl"))).message).toMatch(/cannot be read: no such file/);
    expect((await failure(folder)).message).toMatch(/is a folder/);
  });

  it("stops when asked, even while the stream is silent", async () => {
    const silent = new Readable({ read: () => undefined });
    const controller = new AbortController();
    const reading = collect(silent, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(reading).rejects.toMatchObject({ code: "R1_ABORTED" });
    await expect(collect(stream("1"), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "R1_ABORTED" });
  });

  it("reads standard input for -", async () => {
    const stdin = vi.spyOn(process, "stdin", "get").mockReturnValue(stream('{"a":1}\n{') as typeof process.stdin);
    const error = await failure("-");
    stdin.mockRestore();
    expect(error).toMatchObject({ file: "<stdin>", line: 2 });
  });

  it("never touches __proto__ itself: works where node --disable-proto=throw would throw", async () => {
    const accessor = Object.getOwnPropertyDescriptor(Object.prototype, "__proto__")!;
    const refuse = (): never => {
      throw new Error("__proto__ was touched");
    };
    Object.defineProperty(Object.prototype, "__proto__", { configurable: true, get: refuse, set: refuse });
    try {
      expect(await collect(stream('{"a":{"b":[{}]}}'))).toHaveLength(1);
      expect((await failure(stream('{"a":[{"__proto__":{"b":1}}]}'))).field).toBe("__proto__");
    } finally {
      Object.defineProperty(Object.prototype, "__proto__", accessor);
    }
  });
});
