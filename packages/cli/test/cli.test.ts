/** The program as its users meet it: right input, wrong input, pipes, full disks, Ctrl-C. */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startFaultServer } from "@r1reward/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { r1reward, start } from "./run-cli.ts";

const SAMPLES = fileURLToPath(new URL("../samples/", import.meta.url));
const KEY = "sk-sentinel-0123456789";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-cli-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const pair = (id: string, first = "short", second = "a longer answer") =>
  JSON.stringify({ id, question: "Why?", responses: [first, second], human: 1 });
const lines = (text: string) => text.trimEnd().split("\n");

/** A VL-RewardBench file in the reference repository's layout: chosen longer, shorter, equally long. */
const vlFile = async () => {
  const rows = [
    { id: "RLAIF-1", chosen: "long enough", rejected: "short" },
    { id: "mathverse_1", chosen: "four", rejected: "sixteen" },
    { id: "wildvision-1", chosen: "same!", rejected: "equal" },
  ].map((row) => JSON.stringify({ ...row, prompt: "What?", image: "vl_reward/img/image_1.jpg" }));
  const path = join(folder, "vl.jsonl");
  await writeFile(path, rows.join("\n"));
  return path;
};

describe("eval", () => {
  it("prints the documented JSON: ties wrong in the headline, rates as fractions, three splits", async () => {
    const run = await r1reward([
      "eval",
      "vl-rewardbench",
      "-d",
      await vlFile(),
      "-j",
      "baseline:longer",
      "--json",
      "-q",
    ]);
    expect(run.stderr).toBe("");
    expect(run.code).toBe(0);
    const report = JSON.parse(run.stdout) as { splits: object; overall: { interval95: [number, number] } };
    expect(report).toMatchObject({
      benchmark: "vl-rewardbench",
      n: 3,
      overall: { correct: 1, accuracy: 1 / 3 },
      positionBias: { firstRate: 0.5 },
      unreadable: 0,
      ties: 1,
    });
    expect(Object.keys(report.splits)).toEqual(["official", "official-2024", "r1-reward"]);
    // 1 of 3 right: Wilson gives [0.0615, 0.7923] at z = 1.96.
    const [low, high] = report.overall.interval95;
    expect(low).toBeCloseTo(0.0615, 3);
    expect(high).toBeCloseTo(0.7923, 3);
  });

  it("resumes from its own records and compares with an earlier run", async () => {
    const data = await vlFile();
    const [first, second] = [join(folder, "a.jsonl"), join(folder, "b.jsonl")];
    const evalWith = (judge: string, out: string, ...more: string[]) =>
      r1reward(["eval", "vl-rewardbench", "-d", data, "-j", judge, "-o", out, "-q", ...more]);
    await evalWith("baseline:longer", first);
    const again = await evalWith("baseline:longer", first);
    expect(again.code).toBe(0);
    expect(lines(await readFile(first, "utf8"))).toHaveLength(3);
    const other = await evalWith("baseline:first", second, "--compare", first, "--json");
    expect(JSON.parse(other.stdout)).toMatchObject({ comparison: { n: 3, onlyARight: 1, onlyBRight: 0 } });
    const mixed = await evalWith("baseline:first", first);
    expect(mixed.code).toBe(2);
    expect(mixed.stderr).toMatch(/a\.jsonl:1: .*another run/);
  });
});

describe("score", () => {
  it("reads stdin and writes stdout", async () => {
    const run = await r1reward(["score", "-", "-j", "baseline:longer"], {
      stdin: `\ufeff${pair("a")}\r\n${pair("b", "equal", "equal")}`,
    });
    expect(run.code).toBe(0);
    const [a, b] = lines(run.stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(a).toMatchObject({ id: "a", winner: 1, rewards: [-1, 1], consistent: true });
    expect(b).toMatchObject({ id: "b", winner: "tie", rewards: [0, 0] });
    expect(run.stderr).toMatch(/2 pairs · 2 scored · 1 ties/);
  });

  it("names file, line and field of a bad record, or skips and counts it", async () => {
    const path = join(folder, "pairs.jsonl");
    await writeFile(path, [pair("a"), '{"id":"b","question":"?","responses":["one"]}', pair("c")].join("\n"));
    const stopped = await r1reward(["score", path, "-j", "baseline:longer", "-q"]);
    expect(stopped.code).toBe(3);
    expect(stopped.stderr).toMatch(/pairs\.jsonl:2: responses: expected/);
    const skipped = await r1reward(["score", path, "-j", "baseline:longer", "--on-bad-row", "skip"]);
    expect(skipped.code).toBe(0);
    expect(skipped.stderr).toMatch(/1 rows skipped/);
    expect(lines(skipped.stdout)).toHaveLength(2);
  });

  it("keeps what was written when the disk is full, says so, and goes on when there is room", async () => {
    const path = join(folder, "pairs.jsonl");
    const out = join(folder, "out.jsonl");
    await writeFile(path, Array.from({ length: 200 }, (_, i) => pair(`p${i}`)).join("\n"));
    const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
    // A file size limit of 64 KiB stands in for a full disk: the write comes up short in the middle of a line.
    const script = `ulimit -f 64; exec "${process.execPath}" "${main}" score "${path}" -j baseline:longer -o "${out}" -q`;
    const full = spawnSync("bash", ["-c", script], { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
    expect(full.status).toBe(5);
    expect(full.stderr).toMatch(/out\.jsonl: cannot write results/);
    const kept = lines(await readFile(out, "utf8"));
    expect(kept.length).toBeGreaterThan(10);
    for (const line of kept) expect(() => JSON.parse(line) as unknown).not.toThrow();
    const rest = await r1reward(["score", path, "-j", "baseline:longer", "-o", out]);
    expect(rest.stderr).toContain(`${200 - kept.length} scored, ${kept.length} already there`);
    expect(lines(await readFile(out, "utf8"))).toHaveLength(200);
  });

  it("stops at Ctrl-C with what it has, and says how to go on", async () => {
    await using server = await startFaultServer({ model: "m", delayMs: 150 });
    const path = join(folder, "pairs.jsonl");
    const out = join(folder, "out.jsonl");
    await writeFile(path, Array.from({ length: 40 }, (_, i) => pair(`p${i}`)).join("\n"));
    const { child, ended } = start(["score", path, "-u", server.url, "-o", out, "-c", "2", "--no-cache"]);
    const written = () => readFile(out, "utf8").catch(() => "");
    while (!(await written()).includes("\n")) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    const run = await ended;
    expect(run.code).toBe(130);
    expect(run.stderr).toMatch(/run the same command again to go on/);
    const done = lines(await readFile(out, "utf8")).length;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(40);
  });

  it("refuses a wrong model name at once, with the server's words and without the key", async () => {
    await using server = await startFaultServer({ model: "r1-reward", apiKey: KEY });
    const env = { R1REWARD_API_KEY: KEY, R1REWARD_BASE_URL: server.url };
    const run = await r1reward(["score", "-", "-m", "other", "--no-cache"], { stdin: pair("a"), env });
    expect(run.code).toBe(4);
    expect(run.stdout).toMatch(/"status":"failed".*does not exist/);
    const wrongKey = await r1reward(["score", "-", "-m", "r1-reward", "--no-cache"], {
      stdin: pair("a"),
      env: { ...env, R1REWARD_API_KEY: `${KEY}-wrong` },
    });
    expect(wrongKey.code).toBe(4);
    for (const { stdout, stderr } of [run, wrongKey]) expect(stdout + stderr).not.toContain(KEY);
  });

  it("will not judge a picture it cannot see", async () => {
    await using server = await startFaultServer({ model: "m" });
    const stdin = JSON.stringify({ id: "a", question: "?", image: "cat.png", responses: ["x", "y"] });
    const without = await r1reward(["score", "-", "-u", server.url], { stdin });
    expect(without.code).toBe(3);
    expect(without.stderr).toMatch(/<stdin>:1: image:|:1: image:/);
    expect(server.stats().requests).toBe(0);
  });
});

describe("wrong usage", () => {
  it.each([
    [["score", "-"], /--judge: expected a built-in judge, or a server/],
    [["score", "-", "-m", "r1-reward"], /--model: expected tiny, a folder, or a server that has "r1-reward"/],
    [["score", "-", "-j", "baseline:best"], /--judge: expected baseline:longer/],
    [["score", "-", "-j", "baseline:longer:3"], /--judge: expected/],
    [["score", "-", "-j", "baseline:longer", "--votes", "0"], /whole number ≥ 1/],
    [["score", "-", "-j", "baseline:longer", "-f", "csv"], /--format: expected one of/],
    [["score", "-", "-u", "ftp://x", "-m", "m"], /baseURL/],
    [["score", "-", "-u", "http://127.0.0.1:1", "-m", "m", "-p", "nope"], /--protocol: expected one of r1, /],
    [
      ["score", "-", "-u", "http://127.0.0.1:1", "-m", "m", "--map-weights"],
      /--map-weights: expected a folder as --model/,
    ],
    [["eval", "nonsense", "-d", "x"], /vl-rewardbench/],
    [["eval", "vl-rewardbench", "-j", "baseline:first"], /--data/],
    [["frobnicate"], /unknown command/],
  ])("%j ends with exit code 2 and says what was expected", async (args, message) => {
    const run = await r1reward(args, { stdin: pair("a") });
    expect(run.stderr).toMatch(message);
    expect(run.code).toBe(2);
    expect(run.stdout).toBe("");
  });

  it("a missing file is an input error that names it", async () => {
    const run = await r1reward(["score", join(folder, "no.jsonl"), "-j", "baseline:longer"]);
    expect(run.code).toBe(3);
    expect(run.stderr).toMatch(/no\.jsonl/);
  });
});

describe("a model in a folder", () => {
  it.each<[string, readonly [string, string][], RegExp]>([
    ["that is not there", [], /expected a folder, there is none/],
    ["without its files", [["readme.txt", "nothing here"]], /expected a model's folder with config\.json/],
    [
      "that is broken",
      [
        ["config.json", "{"],
        ["tokenizer.json", "{"],
      ],
      /tokenizer\.json/,
    ],
  ])("%s ends with exit code 3 and is named", async (name, files, message) => {
    const path = join(folder, name.replaceAll(" ", "-"));
    if (files.length > 0) await mkdir(path);
    for (const [file, content] of files) await writeFile(join(path, file), content);
    // the path stands above a server's address that happens to be in the environment
    const env = { R1REWARD_BASE_URL: "http://127.0.0.1:1" };
    const run = await r1reward(["score", "-", "--no-cache", "-m", path], { stdin: pair("a"), env });
    expect(run.stderr).toMatch(message);
    expect(run.stderr).toContain(path);
    expect(run.code).toBe(3);
  });
});

describe("doctor", () => {
  it("finds a server and its models, and says what is wrong with the name of one", async () => {
    await using server = await startFaultServer({
      model: "r1-reward",
      routes: { "/v1/models": { object: "list", data: [{ id: "r1-reward" }] } },
    });
    const cache = ["--cache", join(folder, "cache")];
    const good = await r1reward(["doctor", "-u", server.url, "-m", "r1-reward", ...cache]);
    expect(good.code).toBe(0);
    expect(good.stdout).toMatch(/ok +judge at .*r1-reward/);
    const wrong = await r1reward(["doctor", "-u", server.url, "-m", "gpt", "--json", ...cache]);
    expect(wrong.code).toBe(2);
    const findings = JSON.parse(wrong.stdout) as { check: string; state: string; hint?: string }[];
    expect(findings.find(({ check }) => check.startsWith("judge"))).toMatchObject({
      state: "fail",
      hint: expect.stringContaining("r1-reward") as string,
    });
  });

  it("says which runtime the engine would choose and why, and the command for a better one", async () => {
    const run = await r1reward(["doctor", "--json", "--cache", join(folder, "cache")]);
    const findings = JSON.parse(run.stdout) as { check: string; state: string; detail: string; hint?: string }[];
    const find = (check: string) => findings.find((one) => one.check === check);
    const auto = find("engine auto");
    expect(auto).toMatchObject({
      state: "ok",
      detail: expect.stringMatching(/^onnx-\w+\/\w+: compiled graphs/) as string,
    });
    const chosen = auto?.detail.split(":")[0] ?? "";
    expect(find(`engine ${chosen}`)).toMatchObject({ state: "ok" });
    const cuda = find("engine onnx-node/cuda");
    const offered = cuda?.state === "skip" && /npm install/.test(cuda.detail);
    if (offered && chosen === "onnx-node/cpu")
      expect(auto?.hint).toMatch(/onnx-node\/cuda.*NVIDIA.*: npm install .*cuda12$/);
  });

  it("says when the cache folder cannot be used", async () => {
    await writeFile(join(folder, "file"), "");
    const run = await r1reward(["doctor", "--cache", join(folder, "file", "cache")]);
    expect(run.code).toBe(2);
    expect(run.stdout).toMatch(/fail +reply cache/);
  });
});

describe("demo", () => {
  it("shows why always saying 1 is right in 100 % of the pairs in one placement and never in ours", async () => {
    const run = await r1reward(["demo"]);
    expect(run.code).toBe(0);
    expect(run.stdout).not.toContain("\u001b[");
    const table = lines(run.stdout).filter((line) => line.startsWith("baseline:"));
    expect(table).toHaveLength(4);
    expect(table[2]).toMatch(/^baseline:first +both orders +0\.0 % .* 50\.0 % .* 100\.0 % +24/);
    expect(table[3]).toMatch(/^baseline:first +best first +100\.0 %/);
    const tiny = lines(run.stdout).filter((line) => line.startsWith("tiny"));
    expect(tiny).toHaveLength(2);
    for (const row of tiny) expect(Number(/([\d.]+) %/.exec(row)?.[1])).toBeGreaterThan(70);
  }, 120_000);

  it("judges the same records with a model that sees the pictures", async () => {
    const pictures = new Set<string>();
    await using server = await startFaultServer({
      model: "r1-reward",
      routes: { "/v1/models": { object: "list", data: [{ id: "r1-reward" }] } },
      reply: ({ prompt }) => {
        for (const [picture] of prompt.matchAll(/\[image \w+\]/g)) pictures.add(picture);
        return "<think>Both were compared.</think><answer>2</answer>";
      },
    });
    await mkdir(join(folder, "cache"));
    const env = { R1REWARD_BASE_URL: server.url, R1REWARD_CACHE: join(folder, "cache") };
    const run = await r1reward(["demo"], { env });
    const told = lines(run.stderr).filter((line) => line !== "" && !line.startsWith("judging with"));
    expect(told).toEqual([]); // but for progress, on a slow machine
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/r1-reward +both orders +0\.0 % .* 0\.0 % +24 /);
    const samples = lines(await readFile(`${SAMPLES}pairs.jsonl`, "utf8")).map(
      (line) => (JSON.parse(line) as { image: string }).image,
    );
    expect(pictures.size).toBe(new Set(samples).size);
    const before = server.stats().requests;
    expect(before).toBe(48);
    await r1reward(["demo"], { env });
    expect(server.stats().requests).toBe(before);
  }, 240_000);
});
