/** Two processes on one `--out`: the second is refused; what a kill leaves behind is taken over by one alone. */
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startFaultServer } from "@r1reward/core/testing";
import { afterEach, beforeEach, expect, it } from "vitest";
import { r1reward, start } from "./run-cli.ts";

const PAIRS = 24;
let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-writer-"));
  out = join(folder, "out.jsonl");
  const lines = Array.from({ length: PAIRS }, (_, i) => JSON.stringify({ id: `p${i}`, question: `${i}?`, responses: ["a", "b"] })); // prettier-ignore
  await writeFile(join(folder, "pairs.jsonl"), lines.join("\n"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const serving = (delayMs: number) => startFaultServer({ delayMs, reply: () => "<think>x</think><answer>1</answer>" });
const args = (url: string): string[] => [
  ...["score", join(folder, "pairs.jsonl"), "-u", url, "-m", "r1", "-o", out],
  ...["--no-cache", "-c", "2", "--quiet"],
];
const keys = async (): Promise<string[]> =>
  (await readFile(out, "utf8")).split("\n").slice(0, -1).map((line) => (JSON.parse(line) as { key: string }).key); // prettier-ignore
const begun = async (): Promise<void> => {
  while (!(await stat(out).then(({ size }) => size > 0, () => false))) await sleep(20); // prettier-ignore
};
const locks = async (): Promise<string[]> => (await readdir(folder)).filter((name) => name.includes(".lock"));

it("refuses the second writer, naming the first, and the first is not disturbed", async () => {
  await using server = await serving(150);
  const first = start(args(server.url));
  await begun();
  first.child.kill("SIGSTOP"); // it must still be writing when the others come
  const second = await r1reward(args(server.url));
  expect([second.code, second.stderr]).toEqual([5, expect.stringContaining(`${out}: process ${first.child.pid} on `)]);
  const overwriting = await r1reward([...args(server.url), "--overwrite"]);
  expect([overwriting.code, overwriting.stderr]).toEqual([5, expect.stringContaining("is writing it")]);
  first.child.kill("SIGCONT");
  expect((await first.ended).code).toBe(0);
  expect(new Set(await keys()).size).toBe(PAIRS);
  expect(await keys()).toHaveLength(PAIRS);
  expect(await locks()).toEqual([]);
}, 120_000);

it("of four that go on after a kill, one does", async () => {
  await using server = await serving(100);
  const killed = start(args(server.url));
  await begun();
  killed.child.kill("SIGKILL");
  await killed.ended;
  expect(await locks()).toEqual(["out.jsonl.lock"]);
  expect(JSON.parse(await readFile(`${out}.lock`, "utf8"))).toMatchObject({ pid: killed.child.pid });
  const runs = await Promise.all(Array.from({ length: 4 }, () => r1reward(args(server.url))));
  const codes = runs.map(({ code }) => code).sort();
  expect(codes.filter((code) => code === 0).length).toBeGreaterThan(0); // one that starts when the first is done finds nothing to do
  expect(codes.every((code) => code === 0 || code === 5)).toBe(true);
  expect(new Set(await keys()).size).toBe(PAIRS);
  expect(await keys()).toHaveLength(PAIRS);
  expect(await locks()).toEqual([]);
}, 240_000);

it.each(["SIGINT", "SIGTERM"] as const)(
  "%s takes the lock away",
  async (signal) => {
    await using server = await serving(150);
    const run = start(args(server.url));
    await begun();
    expect(await locks()).toEqual(["out.jsonl.lock"]);
    run.child.kill(signal);
    expect((await run.ended).code).toBe(130);
    expect(await locks()).toEqual([]);
  },
  120_000,
);
