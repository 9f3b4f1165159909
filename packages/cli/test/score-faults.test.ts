/** `score` against a real server that fails on purpose, killed in the middle and started again. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFaultServer, type FaultServer, type FaultServerRequest } from "@r1reward/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { r1reward, start } from "./run-cli.ts";

interface Line {
  readonly key: string;
  readonly status: string;
  readonly index: number;
  readonly id: string;
  readonly winner: 0 | 1 | "tie" | null;
  readonly rewards: readonly [number, number];
  readonly judgments: readonly { readonly swapped: boolean; readonly reasoning: string }[];
}

const PAIRS = 48;

/** Quality of both responses, so that the judge of this test has something to see. */
const qualities = (i: number): readonly [number, number] => [(i * 37) % 101, (i * 59 + 7) % 101];

const pairs = Array.from({ length: PAIRS }, (_, i) => ({
  id: `pair-${i}`,
  question: `Question number ${i}?`,
  responses: qualities(i).map((quality) => `An answer of quality ${quality}.`),
}));

/** Prefers the higher quality, whichever way round they are shown; the better one is 1 or 2 in the order shown. */
const judge = ({ prompt }: FaultServerRequest): string => {
  const [first = 0, second = 0] = [...prompt.matchAll(/of quality (\d+)\./g)].map(([, digits]) => Number(digits));
  const id = /Question number (\d+)\?/.exec(prompt)?.[1];
  return `<think>Question ${id}: ${first} against ${second}.</think><answer>${first > second ? 1 : 2}</answer>`;
};

let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-score-"));
  out = join(folder, "out.jsonl");
  await writeFile(join(folder, "pairs.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const args = (server: FaultServer, file = out) => [
  ...["score", join(folder, "pairs.jsonl"), "-u", server.url, "-m", "r1", "-o", file],
  ...["--cache", join(folder, "cache"), "-c", "8", "--quiet"],
];

const readOut = async (file = out): Promise<Line[]> =>
  (await readFile(file, "utf8"))
    .split("\n")
    .slice(0, -1) // a line that was torn by the kill has no newline
    .map((line) => JSON.parse(line) as Line);

/** What must not depend on faults: everything but times, tokens and what came from the cache. */
const results = (lines: readonly Line[]) =>
  lines
    .toSorted((a, b) => a.index - b.index)
    .map(({ key, status, index, id, winner, rewards, judgments }) => ({
      ...{ key, status, index, id, winner, rewards },
      judgments: judgments.map(({ swapped, reasoning }) => ({ swapped, reasoning })),
    }));

/** Good replies the server has given for a pair, both orders together. */
const repliesOf = (server: FaultServer, id: string): number =>
  [...server.stats().replies]
    .filter(([prompt]) => prompt.includes(`Question number ${id.slice(5)}?`))
    .reduce((sum, [, count]) => sum + count, 0);

const faultFree = async (): Promise<ReturnType<typeof results>> => {
  await using server = await startFaultServer({ reply: judge, model: "r1" });
  const file = join(folder, "reference.jsonl");
  const run = await r1reward([...args(server, file), "--no-cache"]);
  expect(run.stderr).toBe("");
  expect(run.code).toBe(0);
  return results(await readOut(file));
};

describe("score against a server with faults", () => {
  it("is killed again and again, loses no pair, pays for none that it has, and ends as without faults", async () => {
    const expected = await faultFree();
    await using server = await startFaultServer({
      reply: judge,
      model: "r1",
      delayMs: 15,
      seed: 11,
      faults: { rate: 0.3, kinds: ["429", "503", "reset", "half-body", "stall"], stallMs: 5_000, retryAfter: 0.05 },
    });
    let kills = 0;
    for (let round = 0; ; round += 1) {
      const before = round === 0 ? [] : await readOut().catch(() => []);
      const paid = new Map(before.map(({ id }) => [id, repliesOf(server, id)]));
      const { child, ended } = start(args(server));
      const timer = round < 6 ? setTimeout(() => child.kill("SIGKILL"), 350 + 130 * round) : undefined;
      const { code, signal, stderr } = await ended;
      clearTimeout(timer);
      // Whatever stood in the file before this round was not asked for again.
      for (const [id, count] of paid) expect(repliesOf(server, id), id).toBe(count);
      if (signal === null) {
        expect(stderr).toBe("");
        expect(code).toBe(0);
        break;
      }
      kills += 1;
    }
    const lines = await readOut();
    const prompts = pairs.reduce((sum, { responses }) => sum + new Set(responses).size, 0); // equal responses look the same both ways
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(results(lines)).toEqual(expected);
    expect(new Set(lines.map(({ key }) => key)).size).toBe(PAIRS);
    // A reply that was on its way when the process died cannot be known: at most 8 pairs of 2 looks per kill.
    const { replies } = server.stats();
    const extra = [...replies.values()].reduce((sum, count) => sum + count - 1, 0);
    expect(replies.size).toBe(prompts);
    expect(extra).toBeLessThanOrEqual(kills * 16);
  }, 120_000);

  it("writes failed pairs down, says so, and tries only them again", async () => {
    await using server = await startFaultServer({
      reply: (request) => (request.prompt.includes("Question number 7?") ? "I would rather not say." : judge(request)),
      model: "r1",
    });
    const down = await startFaultServer({ model: "r1" });
    await down.close();
    const dead = await r1reward([
      "score",
      join(folder, "pairs.jsonl"),
      "-u",
      down.url,
      "-m",
      "r1",
      "-o",
      out,
      "--deadline",
      "1",
      "--limit",
      "3",
      "--no-cache",
      "-q",
    ]);
    expect(dead.code).toBe(4);
    expect((await readOut()).map(({ status }) => status)).toEqual(["failed", "failed", "failed"]);

    const run = await r1reward([...args(server).filter((arg) => arg !== "--quiet"), "--overwrite"]);
    expect(run.code).toBe(0);
    expect(run.stderr).toMatch(/48 pairs · 48 scored · 1 ties · 1 unreadable · 0 failed/);
    const unreadable = (await readOut()).find(({ id }) => id === "pair-7");
    expect(unreadable).toMatchObject({ status: "ok", winner: null, rewards: [null, null] });

    const requests = server.stats().requests;
    const again = await r1reward(args(server).filter((arg) => arg !== "--quiet"));
    expect(again.stderr).toMatch(/48 pairs · 0 scored, 48 already there/);
    expect(server.stats().requests).toBe(requests);
  }, 60_000);
});
