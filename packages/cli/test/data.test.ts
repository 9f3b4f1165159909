/** `data` as a user runs it: a process of its own, files, and a teacher behind a real socket. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFaultServer, type FaultServer, type FaultServerRequest } from "@r1reward/core/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { r1reward, start } from "./run-cli.ts";

// Many processes, one after another: on a busy machine each takes a second to start.
vi.setConfig({ testTimeout: 180_000 });

type Row = Record<string, unknown> & { readonly id: string; readonly human: 0 | 1; readonly attempts?: unknown };

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-data-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const rowsOf = async (name: string): Promise<Row[]> =>
  (await readFile(at(name), "utf8"))
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row);

const write = (name: string, rows: readonly object[]): Promise<void> =>
  writeFile(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

const ok = async (...args: string[]): Promise<string> => {
  const run = await r1reward(["data", ...args]);
  expect(run.stderr).not.toContain("error");
  expect(run.code).toBe(0);
  return run.stderr;
};

const PAIRS = 40;
const pairs = Array.from({ length: PAIRS }, (_, i) => ({
  id: `pair-${i}`,
  question: `Question number ${i}?`,
  responses: [`First answer to ${i}.`, `Second answer to ${i}.`],
  human: i % 3 === 0 ? 1 : 0,
}));

/** Right at the first, second or third attempt, told by its temperature, or never: by the number of the question. */
const teacher = ({ prompt, body }: FaultServerRequest): string => {
  const i = Number(/Question number (\d+)\?/.exec(prompt)?.[1]);
  const attempt = [0, 0.5, 1].indexOf(Number(body["temperature"])) + 1;
  const right = (i % 3 === 0 ? 1 : 0) + 1;
  const answer = attempt > i % 4 ? right : 3 - right;
  return `<think>Question ${i}, attempt ${attempt}.</think>\n<answer>${answer}</answer>`;
};

const distillArgs = (server: FaultServer, out: string): string[] => [
  ...["data", "distill", at("pairs.jsonl"), "-u", server.url, "-m", "teacher", "-o", at(out), "-c", "4"],
  ...["--price-in", "1", "--price-out", "2"],
];

/** Good replies per question, all attempts together. */
const paid = (server: FaultServer): Map<number, number> => {
  const counts = new Map<number, number>();
  for (const [prompt, count] of server.stats().replies) {
    const i = Number(/Question number (\d+)\?/.exec(prompt)?.[1]);
    counts.set(i, (counts.get(i) ?? 0) + count);
  }
  return counts;
};

const checkDistilled = (rows: readonly Row[]): void => {
  expect(rows.map(({ id }) => id)).toEqual(pairs.map(({ id }) => id));
  rows.forEach((row, i) => {
    const solved = i % 4 < 3;
    expect(row.attempts).toBe(solved ? (i % 4) + 1 : "failed");
    const critique = `<think>Question ${i}, attempt ${(i % 4) + 1}.</think><answer>${row.human + 1}</answer>`;
    expect(row["critique"]).toBe(solved ? critique : undefined);
  });
};

describe("data distill", () => {
  it("keeps right critiques, counts attempts, says what it cost, and asks nothing twice", async () => {
    await write("pairs.jsonl", pairs);
    await using server = await startFaultServer({ reply: teacher, model: "teacher" });
    const run = await r1reward([...distillArgs(server, "out.jsonl"), "--json", "-q"]);
    expect(run.code).toBe(0);
    checkDistilled(await rowsOf("out.jsonl"));
    const summary = JSON.parse(run.stderr) as Record<string, unknown>;
    expect(summary).toMatchObject({ pairs: 40, solved: 30, byAttempts: [10, 10, 10], failed: 10, unanswered: 0 });
    // 10 pairs of one attempt, 10 of two, 20 of three.
    expect(summary["bill"]).toMatchObject({ requests: 90, uncounted: 0 });
    const { promptTokens, completionTokens, cost } = summary["bill"] as Record<string, number>;
    expect(cost).toBeCloseTo((promptTokens! + 2 * completionTokens!) / 1e6, 12);
    const again = await r1reward(distillArgs(server, "out.jsonl"));
    expect(again.stderr).toContain("0 requests");
    expect(server.stats().requests).toBe(90);
    checkDistilled(await rowsOf("out.jsonl"));
  });

  it("is killed again and again, and pays for no reply that it has", async () => {
    await write("pairs.jsonl", pairs);
    await using server = await startFaultServer({
      reply: teacher,
      model: "teacher",
      delayMs: 20,
      seed: 5,
      faults: { rate: 0.2, kinds: ["429", "503", "reset"], retryAfter: 0.05 },
    });
    let kills = 0;
    for (let round = 0; ; round += 1) {
      const { child, ended } = start([...distillArgs(server, "out.jsonl"), "-q"]);
      // Killed once some more replies have arrived, however fast the machine is.
      const goal = server.stats().requests + 12;
      const watch = setInterval(() => {
        if (round < 4 && server.stats().requests >= goal) child.kill("SIGKILL");
      }, 5);
      const { code, signal, stderr } = await ended;
      clearInterval(watch);
      if (signal === null) {
        expect([code, stderr]).toEqual([0, ""]);
        break;
      }
      kills += 1;
      expect(await readdir(folder)).not.toContain("out.jsonl");
    }
    expect(kills).toBe(4);
    checkDistilled(await rowsOf("out.jsonl"));
    const counts = paid(server);
    // What was on its way when the process died cannot be known: 4 pairs at once, 4 kills.
    const extra = pairs.map((_, i) => counts.get(i)! - Math.min((i % 4) + 1, 3)).filter((more) => more > 0);
    expect(extra.reduce((sum, more) => sum + more, 0)).toBeLessThanOrEqual(4 * kills);
  });

  it("ends at Ctrl-C with what it has, and goes on", async () => {
    await write("pairs.jsonl", pairs);
    await using server = await startFaultServer({ reply: teacher, model: "teacher", delayMs: 30 });
    const { child, ended } = start(distillArgs(server, "out.jsonl"));
    const watch = setInterval(() => {
      if (server.stats().requests < 20) return;
      clearInterval(watch); // a second Ctrl-C would kill
      child.kill("SIGINT");
    }, 5);
    const { code, stderr } = await ended;
    clearInterval(watch);
    expect(code).toBe(130);
    expect(stderr).toContain("run the same command again to go on");
    const log = (await readFile(at("out.jsonl.attempts.jsonl"), "utf8")).split("\n").length - 1;
    expect(log).toBeGreaterThanOrEqual(10);
    expect((await r1reward(distillArgs(server, "out.jsonl"))).code).toBe(0);
    checkDistilled(await rowsOf("out.jsonl"));
  });

  it("says so when pairs get no answer, and asks for them again", async () => {
    await write("pairs.jsonl", pairs);
    await using refusing = await startFaultServer({ reply: teacher, model: "other" });
    const run = await r1reward(distillArgs(refusing, "out.jsonl"));
    expect(run.code).toBe(4);
    expect(run.stderr).toContain("40 without an answer: run again to ask for them");
    expect(await rowsOf("out.jsonl")).toEqual([]);
    await using server = await startFaultServer({ reply: teacher, model: "teacher" });
    expect((await r1reward(distillArgs(server, "out.jsonl"))).code).toBe(0);
    checkDistilled(await rowsOf("out.jsonl"));
  });

  it("refuses what cannot work", async () => {
    await write("pairs.jsonl", pairs);
    await write("out.jsonl", [{ mine: true }]);
    const base = ["data", "distill", at("pairs.jsonl"), "-u", "http://127.0.0.1:9/v1", "-m", "x"];
    expect(await r1reward(base)).toMatchObject({ code: 2, stderr: expect.stringContaining("--out") as string });
    const foreign = await r1reward([...base, "-o", at("out.jsonl")]);
    expect(foreign).toMatchObject({ code: 2, stderr: expect.stringContaining("without the log of a run") as string });
    expect(await rowsOf("out.jsonl")).toEqual([{ mine: true }]);
    await write("paths.jsonl", [{ ...pairs[0], image: "a.png" }]);
    const blind = await r1reward([...base.with(2, at("paths.jsonl")), "-o", at("new.jsonl")]);
    expect(blind).toMatchObject({ code: 3, stderr: expect.stringContaining("no image folder was given") as string });
  });
});

describe("data subset", () => {
  it("takes the paper's hard pairs, or those with a critique", async () => {
    const rows = [1, 2, 3, "failed"].map((attempts, i) => ({ ...pairs[i], attempts }));
    await write("distilled.jsonl", rows);
    await ok("subset", at("distilled.jsonl"), "-o", at("rl.jsonl"));
    expect((await rowsOf("rl.jsonl")).map(({ attempts }) => attempts)).toEqual([2, 3, "failed"]);
    await ok("subset", at("distilled.jsonl"), "--min", "1", "--failed", "exclude", "-o", at("sft.jsonl"));
    expect((await rowsOf("sft.jsonl")).map(({ attempts }) => attempts)).toEqual([1, 2, 3]);
    const raw = await r1reward(["data", "subset", at("sft.jsonl"), "-o", at("rl.jsonl")]);
    expect(raw).toMatchObject({ code: 2, stderr: expect.stringContaining("--overwrite") as string });
  });
});

describe("data balance, dedupe, decontaminate, convert", () => {
  it("balances places and changes nothing else", async () => {
    await write("pairs.jsonl", pairs);
    const said = await ok("balance", at("pairs.jsonl"), "-o", at("out.jsonl"));
    const rows = await rowsOf("out.jsonl");
    expect(rows.filter(({ human }) => human === 0)).toHaveLength(20);
    expect(said).toContain("20 with the better answer first");
    const best = (row: Row | (typeof pairs)[number]) => (row["responses" as never] as string[])[row.human];
    expect(rows.map(best)).toEqual(pairs.map(best));
  });

  it("leaves out copies, keeps image paths, and says of what", async () => {
    const long = Array.from({ length: 60 }, (_, i) => `word${i}`).join(" ");
    const [one, two] = [pairs[0]!, pairs[1]!];
    await write("raw.jsonl", [
      { ...one, image: "a.png" },
      { ...one, id: "turned", image: "a.png", responses: [one.responses[1], one.responses[0]], human: 0 },
      { ...one, id: "elsewhere", image: "b.png" },
      { ...two, question: long },
      { ...two, id: "reworded", question: `${long} indeed` },
    ]);
    await ok("dedupe", at("raw.jsonl"), "-o", at("out.jsonl"), "--removed", at("removed.jsonl"));
    expect((await rowsOf("out.jsonl")).map(({ id, image }) => [id, image])).toEqual([
      ["pair-0", "a.png"],
      ["elsewhere", "b.png"],
      ["pair-1", undefined],
    ]);
    expect(await rowsOf("removed.jsonl")).toMatchObject([
      { id: "turned", reason: "exact", of: "pair-0" },
      { id: "reworded", reason: "near", of: "pair-1" },
    ]);
  });

  it("finds a benchmark's pairs by text and by picture", async () => {
    await ok("shapes", "--n", "8", "-o", at("train"));
    await ok("shapes", "--n", "8", "--seed", "1", "-o", at("bench"));
    const [train, bench] = [await rowsOf("train/pairs.jsonl"), await rowsOf("bench/pairs.jsonl")];
    const stolen = { ...bench[2]!, id: "stolen", image: "../bench/images/000002.png" };
    const asked = { ...bench[3]!, id: "asked", responses: ["quite another", "answer to it"] };
    const root = {
      "train/": train,
      "bench/": [
        { ...stolen, image: "images/000002.png" },
        { ...asked, image: "images/000003.png" },
      ],
    };
    const all = Object.entries(root).flatMap(([prefix, rows]) =>
      rows.map((row) => ({ ...row, image: prefix + String(row["image"]) })),
    );
    await write("all.jsonl", all);
    const args = [
      at("all.jsonl"),
      "--image-root",
      folder,
      "--against",
      at("bench/pairs.jsonl"),
      "--against-image-root",
      at("bench"),
    ];
    await ok("decontaminate", ...args, "-o", at("clean.jsonl"), "--removed", at("r1.jsonl"));
    expect((await rowsOf("r1.jsonl")).map(({ id, reason }) => [id, reason])).toEqual([["stolen", "exact"]]);
    await ok("decontaminate", ...args, "--same-prompt", "-o", at("cleaner.jsonl"), "--removed", at("r2.jsonl"));
    expect((await rowsOf("r2.jsonl")).map(({ id, reason }) => [id, reason])).toEqual([
      ["stolen", "exact"],
      ["asked", "prompt"],
    ]);
    expect((await rowsOf("cleaner.jsonl")).map(({ id }) => id)).toEqual(train.map(({ id }) => id));
  });

  it("writes embedded images to files, and the released trainer's layout", async () => {
    await ok("shapes", "--n", "2", "-o", at("shapes"));
    const [row] = await rowsOf("shapes/pairs.jsonl");
    const base64 = (await readFile(at("shapes/images/000000.png"))).toString("base64");
    await write("embedded.jsonl", [{ ...row, image: base64 }]);
    await ok("convert", at("embedded.jsonl"), "--images", at("images"), "--to", "r1-reward-rl", "-o", at("rl.jsonl"));
    const [name] = await readdir(at("images"));
    const [written] = await rowsOf("rl.jsonl");
    const [turn] = JSON.parse(String(written!["message"])) as { content: Record<string, string>[] }[];
    expect(turn!.content.map(({ type }) => type)).toEqual(["text", "image"]);
    expect(turn!.content[1]!["image"]).toBe(`images/${name}`);
    expect(written!["answer"]).toEqual([`<answer>${row!.human + 1}</answer>`]);
    // And back.
    await ok("convert", at("rl.jsonl"), "--image-root", folder, "-o", at("back.jsonl"));
    const [back] = await rowsOf("back.jsonl");
    expect(back).toMatchObject({ question: row!["question"], responses: row!["responses"], human: row!.human });
    expect(await readFile(at(String(back!["image"])))).toEqual(await readFile(at("shapes/images/000000.png")));
  });
});

describe("data shapes", () => {
  it("writes pairs that eval reads, with a critique of each", async () => {
    await ok("shapes", "--n", "16", "--reasoning", "--style", "ood", "--split", "test", "-o", at("out"));
    const rows = await rowsOf("out/pairs.jsonl");
    rows.forEach((row) => expect(String(row["critique"])).toMatch(new RegExp(`<answer>${row.human + 1}</answer>$`)));
    expect(await readdir(at("out/images"))).toHaveLength(16);
    const run = await r1reward([
      "eval",
      "custom",
      "-d",
      at("out/pairs.jsonl"),
      "--image-root",
      at("out"),
      "-j",
      "baseline:longer",
      "--json",
    ]);
    const built = await r1reward(["eval", "shapes", "--n", "16", "--style", "ood", "-j", "baseline:longer", "--json"]);
    const accuracy = (text: string): unknown =>
      (JSON.parse(text) as { overall: { accuracy: number } }).overall.accuracy;
    expect(accuracy(run.stdout)).toBe(accuracy(built.stdout));
    const full = await r1reward(["data", "shapes", "--n", "2", "-o", at("out")]);
    expect(full).toMatchObject({ code: 2, stderr: expect.stringContaining("new or empty folder") as string });
  });

  it("needs --data for every other benchmark, and refuses options that cannot be", async () => {
    expect(await r1reward(["eval", "custom", "-j", "baseline:first"])).toMatchObject({ code: 2 });
    expect(await r1reward(["data", "shapes", "--n", "0", "-o", at("x")])).toMatchObject({ code: 2 });
    expect(await r1reward(["data", "shapes", "--style", "oil", "-o", at("x")])).toMatchObject({ code: 2 });
    const scored = await r1reward(["score", "shapes", "--n", "4", "-j", "baseline:longer", "-q"]);
    expect(scored.stdout.trim().split("\n")).toHaveLength(4);
  });
});
