import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openResults, type ResultLine } from "./results-file.ts";

interface Line extends ResultLine {
  readonly value: number;
}
const line = (key: string, value = 1, status: "ok" | "failed" = "ok"): Line => ({ key, run: "r", status, value });
const options = { run: "r", overwrite: false };

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-results-"));
  path = join(folder, "out.jsonl");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const write = async (...lines: Line[]) => {
  await using results = await openResults<Line>(path, options);
  await Promise.all(lines.map((each) => results.append(each)));
};
const finished = async () => {
  await using results = await openResults<Line>(path, options);
  return [...results.finished.keys()];
};

describe("openResults", () => {
  it("continues where an earlier run stopped", async () => {
    await write(line("a"), line("b"));
    await write(line("c"));
    expect(await finished()).toEqual(["a", "b", "c"]);
    expect((await readFile(path, "utf8")).split("\n")).toHaveLength(4);
  });

  it("cuts off a line that was torn at any byte, and nothing else", async () => {
    await write(line("a"), line("b", 2));
    const whole = await readFile(path);
    const firstLine = whole.indexOf(10) + 1;
    for (let cut = firstLine; cut < whole.length; cut += 1) {
      await writeFile(path, whole.subarray(0, cut));
      expect(await finished(), `cut at byte ${cut}`).toEqual(["a"]);
      expect((await stat(path)).size).toBe(firstLine);
    }
  });

  it("cuts a torn line that is longer than its read window", async () => {
    await write(line("a"));
    const { size } = await stat(path);
    await appendFile(path, `{"key":"${"x".repeat(3_000_000)}`);
    expect(await finished()).toEqual(["a"]);
    expect((await stat(path)).size).toBe(size);
  });

  it("drops failed lines, so that they are tried again", async () => {
    await write(line("a"), line("b", 0, "failed"), line("c"));
    expect(await finished()).toEqual(["a", "c"]);
    expect(await readFile(path, "utf8")).not.toContain("failed");
  });

  it("refuses a file of another run, and names the line", async () => {
    await write(line("a"));
    await expect(openResults(path, { run: "other", overwrite: false })).rejects.toThrow(
      /out\.jsonl:1: .*another run.*--overwrite/,
    );
    await using results = await openResults<Line>(path, { run: "other", overwrite: true });
    expect(results.finished.size).toBe(0);
  });

  it("refuses a file that it did not write, and leaves it as it was", async () => {
    for (const notes of ["my notes\nmore\n", "my notes", '{"key":1}\n', '{"id":"x"']) {
      await writeFile(path, notes);
      await expect(openResults(path, options)).rejects.toThrow(/out\.jsonl:(1|last line): expected a result line/);
      expect(await readFile(path, "utf8")).toBe(notes);
    }
  });

  it("says so when it cannot write", async () => {
    await expect(openResults(join(folder, "missing", "out.jsonl"), options)).rejects.toThrow(/cannot write results/);
    await expect(openResults(folder, options)).rejects.toThrow(/expected a file/);
  });
});
