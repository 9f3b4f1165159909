/** `data` and `eval` on rows that are of no use, and on places that cannot be written. */
import { execFile, execFileSync } from "node:child_process";
import { cp, link, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startFaultServer } from "@r1reward/core/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { r1reward, type Run } from "./run-cli.ts";

// Many processes, one after another: on a busy machine each takes a second to start.
vi.setConfig({ testTimeout: 180_000 });

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-data-faults-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const data = (...args: string[]): Promise<Run> => r1reward(["data", ...args]);

const write = (name: string, rows: readonly object[]): Promise<void> =>
  writeFile(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

const idsIn = async (name: string): Promise<unknown[]> =>
  (await readFile(at(name), "utf8"))
    .split("\n")
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { id: unknown }).id);

const fails = (run: Run, code: number, ...said: readonly string[]): void => {
  expect(run.code, run.stderr).toBe(code);
  for (const words of said) expect(run.stderr).toContain(words);
  expect(run.stderr).not.toMatch(/^ +at /m); // a stack is for what nobody foresaw
};

const pair = (id: string, more: object = {}) => ({ id, question: `What of ${id}?`, responses: ["x", "y"], ...more });
const labelled = (id: string, more: object = {}) => pair(id, { human: 1, ...more });

/** One pixel. */
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

describe("--removed", () => {
  const twice = [labelled("a"), { ...labelled("a"), id: "again" }, labelled("b")];
  const dedupe = (...more: string[]): Promise<Run> => data("dedupe", at("in.jsonl"), ...more);

  it("never writes over the input, the benchmark or the output, by whatever name", async () => {
    await write("in.jsonl", twice);
    await write("bench.jsonl", [labelled("z")]);
    const before = await readFile(at("in.jsonl"), "utf8");
    await symlink(at("in.jsonl"), at("link.jsonl"));
    for (const name of ["in.jsonl", "link.jsonl"])
      for (const more of [[], ["--overwrite"]])
        fails(await dedupe("-o", at("out.jsonl"), "--removed", at(name), ...more), 2, "--removed", name);
    fails(await dedupe("-o", at("same.jsonl"), "--removed", join(folder, ".", "same.jsonl")), 2, "which is --out");
    const against = ["decontaminate", at("in.jsonl"), "--against", at("bench.jsonl"), "-o", at("out.jsonl")];
    fails(await data(...against, "--removed", at("bench.jsonl"), "--overwrite"), 2, "bench.jsonl, which is read");
    expect(await readFile(at("in.jsonl"), "utf8")).toBe(before);
    expect((await readdir(folder)).sort()).toEqual(["bench.jsonl", "in.jsonl", "link.jsonl"]);
  });

  it("replaces a file only when told to, whole, and leaves a second name of the input alone", async () => {
    await write("in.jsonl", twice);
    await write("removed.jsonl", [{ mine: true }]);
    const asked = ["-o", at("out.jsonl"), "--removed", at("removed.jsonl")];
    fails(await dedupe(...asked), 2, "--removed", "pass --overwrite");
    expect(await readFile(at("removed.jsonl"), "utf8")).toBe('{"mine":true}\n');
    expect(await readdir(folder)).not.toContain("out.jsonl");
    expect((await dedupe(...asked, "--overwrite")).code).toBe(0);
    expect([await idsIn("out.jsonl"), await idsIn("removed.jsonl")]).toEqual([["a", "b"], ["again"]]);
    await link(at("in.jsonl"), at("hard.jsonl"));
    expect((await dedupe("--removed", at("hard.jsonl"), "--overwrite")).code).toBe(0);
    expect([await idsIn("in.jsonl"), await idsIn("hard.jsonl")]).toEqual([["a", "again", "b"], ["again"]]);
  });

  it("is there together with the output, or neither is", async () => {
    await write("in.jsonl", twice);
    await writeFile(at("file"), "");
    for (const place of ["nowhere/removed.jsonl", "file/removed.jsonl"])
      fails(await dedupe("-o", at("out.jsonl"), "--removed", at(place)), 5, place, "cannot be written");
    fails(await dedupe("-o", at("nowhere/out.jsonl"), "--removed", at("removed.jsonl")), 5, "nowhere/out.jsonl");
    fails(await dedupe("-o", at("out.jsonl"), "--removed", "-"), 2, "--removed: expected a file");
    await writeFile(at("in.jsonl"), `${JSON.stringify(twice[0])}\n{`);
    fails(await dedupe("-o", at("out.jsonl"), "--removed", at("removed.jsonl")), 3, "in.jsonl:2");
    expect((await readdir(folder)).sort()).toEqual(["file", "in.jsonl"]);
  });
});

describe("a picture that cannot be read", () => {
  beforeEach(async () => {
    await writeFile(at("good.png"), PNG);
    await writeFile(at("broken.png"), PNG.subarray(0, 45)); // its size can be read, its pixels cannot
    await writeFile(at("text.png"), "no picture");
    const rows = ["good", "text", "missing", "good"].map((name, i) => labelled(`p${i}`, { image: `${name}.png` }));
    await write("in.jsonl", rows);
    await write("broken.jsonl", [labelled("a", { image: "good.png" }), labelled("b", { image: "broken.png" })]);
  });
  const skip = ["--on-bad-row", "skip"];

  it("is named with its line and pair, or skipped and counted", async () => {
    const dedupe = ["dedupe", at("in.jsonl"), "--image-root", folder, "-o", at("out.jsonl")];
    fails(await data(...dedupe), 3, `in.jsonl:2: pair "p1": image`);
    const run = await data(...dedupe, ...skip);
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).toMatch(/^skipped: .*in\.jsonl:2: pair "p1": image/m);
    expect(run.stderr).toMatch(/^skipped: .*in\.jsonl:3: pair "p2": .*missing\.png/m);
    expect(run.stderr).toContain("2 pairs kept · 0 left out · 2 rows skipped");
    expect(await idsIn("out.jsonl")).toEqual(["p0", "p3"]);
  });

  it("also when pictures are known by their looks", async () => {
    const dedupe = ["dedupe", at("broken.jsonl"), "--image-root", folder, "--pictures", "looks"];
    fails(await data(...dedupe), 3, `broken.jsonl:2: pair "b": image`);
    expect((await data(...dedupe, ...skip)).stderr).toContain("1 pairs kept · 0 left out · 1 rows skipped");
  });

  it("also in a benchmark, which is told apart", async () => {
    const args = ["decontaminate", at("broken.jsonl"), "--image-root", folder, "--against", at("in.jsonl")];
    const against = [...args, "--against-image-root", folder];
    fails(await data(...against), 3, `in.jsonl:2: pair "p1": image`);
    const run = await data(...against, ...skip, "-q");
    expect([run.code, run.stderr]).toEqual([0, ""]);
    expect((await data(...against, ...skip)).stderr).toContain("2 rows of --against skipped");
  });

  it("also when it is to be written to a file", async () => {
    await write("embedded.jsonl", [
      labelled("a", { image: "data:image/png;base64,QUJDRA==" }),
      labelled("b", { image: PNG.toString("base64") }),
    ]);
    const args = ["convert", at("embedded.jsonl"), "--images", at("images"), "-o", at("out.jsonl")];
    fails(await data(...args), 3, `embedded.jsonl:1: pair "a": image`);
    expect((await data(...args, ...skip)).stderr).toContain("1 rows skipped");
    expect(await idsIn("out.jsonl")).toEqual(["b"]);
  });
});

describe("a pair without a human's choice", () => {
  const rows = [labelled("a"), labelled("b"), pair("c"), labelled("d")];
  const reply = () => "<think>The second one says more.</think><answer>2</answer>";
  beforeEach(() => write("in.jsonl", rows));

  it("is found before a teacher is paid, or skipped and counted", async () => {
    await using server = await startFaultServer({ reply, model: "m" });
    const args = ["distill", at("in.jsonl"), "-u", server.url, "-m", "m", "-c", "1", "-o", at("out.jsonl")];
    fails(await data(...args), 3, `in.jsonl:3: human: pair "c": expected a human choice (0 or 1), got none`);
    expect(server.stats().requests).toBe(0);
    expect(await readdir(folder)).toEqual(["in.jsonl"]);
    const run = await data(...args, "--on-bad-row", "skip");
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr.match(/^skipped: /gm)).toHaveLength(1);
    expect(run.stderr).toContain("3 pairs · 3 solved");
    expect(run.stderr).toContain("1 rows skipped");
    expect(await idsIn("out.jsonl")).toEqual(["a", "b", "d"]);
    const again = await data(...args, "--on-bad-row", "skip", "--json", "-q");
    expect(JSON.parse(again.stderr)).toMatchObject({ pairs: 3, skipped: 1, bill: { requests: 0 } });
  });

  it("leaves what was paid for alone when everything is to be asked anew", async () => {
    await using server = await startFaultServer({ reply, model: "m" });
    const args = ["distill", at("in.jsonl"), "-u", server.url, "-m", "m", "-o", at("out.jsonl")];
    expect((await data(...args, "--on-bad-row", "skip")).code).toBe(0);
    const log = await readFile(at("out.jsonl.attempts.jsonl"), "utf8");
    fails(await data(...args, "--overwrite"), 3, "in.jsonl:3");
    expect(await readFile(at("out.jsonl.attempts.jsonl"), "utf8")).toBe(log);
  });

  it("is found before a judge is paid, or skipped and counted", async () => {
    await using server = await startFaultServer({ reply, model: "m" });
    const judges = [
      ["-u", server.url, "-m", "m", "--no-cache", "-c", "1"],
      ["-j", "baseline:first"],
    ];
    for (const judge of judges) {
      const args = ["eval", "custom", "-d", at("in.jsonl"), ...judge];
      fails(await r1reward(args), 3, `in.jsonl:3: human: pair "c"`);
      expect(server.stats().requests).toBe(0);
    }
    for (const judge of judges) {
      const run = await r1reward(["eval", "custom", "-d", at("in.jsonl"), ...judge, "--on-bad-row", "skip", "--json"]);
      expect(run.code, run.stderr).toBe(0);
      expect(run.stderr).toContain("1 rows could not be used and were skipped");
      expect(JSON.parse(run.stdout)).toMatchObject({ n: 3 });
    }
  });

  it("is not looked for in a pipe, which can be read only once", async () => {
    await using server = await startFaultServer({ reply, model: "m" });
    execFileSync("mkfifo", [at("pipe")]);
    const writing = execFile("bash", ["-c", `cat "${at("in.jsonl")}" > "${at("pipe")}"`]);
    const model = ["-u", server.url, "-m", "m"];
    const run = await r1reward([
      "eval",
      "custom",
      "-d",
      at("pipe"),
      ...model,
      "--on-bad-row",
      "skip",
      "--no-cache",
      "--json",
    ]);
    writing.kill();
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ n: 3 });
    fails(await data("distill", at("pipe"), ...model, "-o", at("out.jsonl")), 2, "<input>: expected a file");
  });

  it("cannot be written for the released trainer, and can be balanced", async () => {
    const args = ["convert", at("in.jsonl"), "--to", "r1-reward-rl", "-o", at("out.jsonl")];
    fails(await data(...args), 3, "in.jsonl:3: human");
    expect((await data(...args, "--on-bad-row", "skip")).stderr).toContain("3 pairs as r1-reward-rl · 1 rows skipped");
    expect((await data("balance", at("in.jsonl"))).stderr).toContain("1 without a label left as they are");
  });
});

describe("data distill with a model that runs here", () => {
  it("takes the one that came with the install, or a folder, and goes on", async () => {
    expect((await data("shapes", "--n", "4", "--split", "test", "-o", at("shapes"))).code).toBe(0);
    const args = ["distill", at("shapes/pairs.jsonl"), "--image-root", at("shapes"), "--max-tokens", "160"];
    const tiny = [...args, "-m", "tiny", "-o", at("out.jsonl"), "--json", "-q"];
    const run = await data(...tiny);
    expect(run.code, run.stderr).toBe(0);
    const summary = JSON.parse(run.stderr) as { pairs: number; solved: number };
    expect(summary.pairs).toBe(4);
    expect(summary.solved).toBeGreaterThan(0);
    expect(await readFile(at("out.jsonl"), "utf8")).toMatch(/"critique":"<think>.* I see: /);
    expect(JSON.parse((await data(...tiny)).stderr)).toMatchObject({ pairs: 4, bill: { requests: 0 } });
    const folderArgs = [...args, "-m", at("nowhere"), "-o", at("other.jsonl")];
    fails(await data(...folderArgs), 3, "nowhere: expected a folder, there is none");
  });

  it("asks a folder by the protocol that its r1reward.json names", async () => {
    expect((await data("shapes", "--n", "2", "--split", "test", "-o", at("shapes"))).code).toBe(0);
    const bundled = fileURLToPath(new URL("../models/tiny", import.meta.url));
    await cp(bundled, at("judge"), { recursive: true });
    const args = [
      "distill",
      at("shapes/pairs.jsonl"),
      "--image-root",
      at("shapes"),
      "--max-tokens",
      "160",
      "--json",
      "-q",
    ];
    const model = ["-m", at("judge"), "-o", at("out.jsonl")];
    await writeFile(at("judge/r1reward.json"), JSON.stringify({ protocol: "sheps" }));
    fails(await data(...args, ...model), 2, "r1reward.json: protocol: expected one of");
    await writeFile(at("judge/r1reward.json"), JSON.stringify({ protocol: "shapes" }));
    const run = await data(...args, ...model); // prompts of r1 are longer than its context
    expect(run.code, run.stderr).toBe(0);
    expect(await readFile(at("out.jsonl"), "utf8")).toMatch(/"critique":"<think>.* I see: /);
  });

  it("says what can be named", async () => {
    await write("in.jsonl", [labelled("a")]);
    const args = ["distill", at("in.jsonl"), "-o", at("out.jsonl")];
    fails(await data(...args), 2, "--base-url: expected an OpenAI-compatible server", "--model tiny");
    fails(await data(...args, "-m", "gpt"), 2, `--model: expected tiny, a folder, or a server that has "gpt"`);
    fails(await data(...args, "-u", "http://127.0.0.1:9/v1", "-m", "x", "--map-weights"), 2, "--map-weights");
  });
});

describe("places that cannot be written", () => {
  beforeEach(async () => {
    await writeFile(at("file"), "");
    await write("in.jsonl", [labelled("a", { image: PNG.toString("base64") })]);
  });

  it.each([
    ["below a file", "file/x", "ENOTDIR"],
    ["in no folder", "nowhere/x", "ENOENT"],
  ])("%s", async (_, place, words) => {
    const said = [words, `${at(place)}: cannot be written`];
    for (const command of ["convert", "balance"])
      fails(await data(command, at("in.jsonl"), "-o", at(place)), 5, ...said);
    fails(await data("shapes", "--n", "2", "-o", at(place)), 5, ...said);
  });

  it("an image folder below a file", async () => {
    const images = ["--image-root", folder, "--images", at("file/images")];
    fails(await data("convert", at("in.jsonl"), ...images), 5, "file/images", "cannot be written");
  });

  it("a folder or a pipe, which is no file to replace", async () => {
    const convert = ["convert", at("in.jsonl"), "--overwrite", "-o"];
    fails(await data(...convert, folder), 2, "expected a file, got a folder");
    execFileSync("mkfifo", [at("pipe")]);
    fails(await data(...convert, at("pipe")), 2, "expected a file, got a device or pipe");
    const distill = ["distill", at("in.jsonl"), "-u", "http://127.0.0.1:9/v1", "-m", "m", "--overwrite", "-o"];
    for (const place of [folder, at("pipe")])
      fails(await data(...distill, place), 2, "--out", "expected a file, got a");
  });

  it.skipIf(process.platform !== "linux")("/proc, at once", async () => {
    fails(await data("convert", at("in.jsonl"), "-o", "/proc/x"), 5, "/proc/x: cannot be written");
    fails(await data("shapes", "--n", "2", "-o", "/proc/x"), 5, "/proc/x: cannot be written");
    const images = await data("convert", at("in.jsonl"), "--image-root", "/proc", "--images", "/proc/x/y");
    fails(images, 5, "/proc/x/y: cannot be written");
  });
});

describe("data balance", () => {
  it("names a field of --by that no pair has", async () => {
    await write("in.jsonl", [labelled("a", { category: "x" }), labelled("b", { category: "y" }), pair("c")]);
    const args = ["balance", at("in.jsonl"), "-o", at("out.jsonl")];
    fails(await data(...args, "--by", "categroy"), 2, `--by: expected a field of the pairs in`, "categroy", "category");
    fails(await data(...args, "--by", "constructor"), 2, `"constructor"`);
    expect(await readdir(folder)).toEqual(["in.jsonl"]);
    expect((await data(...args, "--by", "category")).code).toBe(0);
    await write("none.jsonl", [pair("c")]); // nothing is balanced
    expect((await data("balance", at("none.jsonl"), "--by", "category")).code).toBe(0);
  });

  it("stops at a pair that it would have to turn though it has a critique, and writes nothing", async () => {
    const critique = "<think>No.</think><answer>2</answer>";
    await write("in.jsonl", [labelled("a", { critique }), labelled("b", { critique })]);
    fails(await data("balance", at("in.jsonl"), "-o", at("out.jsonl")), 2, "has a critique", "balance before");
    expect(await readdir(folder)).toEqual(["in.jsonl"]);
  });
});

describe("help", () => {
  it("says of each command what its flags do there", async () => {
    for (const name of ["dedupe", "convert"]) {
      const text = (await data(name, "--help")).stdout.replace(/\s+/g, " ");
      expect(text).toContain("read only the first n records");
      expect(text).toContain("must not exist unless --overwrite");
      expect(text).not.toMatch(/judge only|unfinished/);
    }
    expect((await data("distill", "--help")).stdout.replace(/\s+/g, " ")).toContain("<file>.attempts.jsonl");
    for (const name of ["score", "eval"])
      expect((await r1reward([name, "--help"])).stdout.replace(/\s+/g, " ")).toContain("drawn pairs (shapes)");
  });
});
