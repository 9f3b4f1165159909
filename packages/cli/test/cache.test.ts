/** `r1reward cache` on a folder that `score` filled. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFaultServer } from "@r1reward/core/testing";
import { afterEach, beforeEach, expect, it } from "vitest";
import { r1reward } from "./run-cli.ts";

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "r1reward-cache-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

it("tells what there is, removes when asked and what was asked, and removed replies are asked for again", async () => {
  await using server = await startFaultServer({});
  const lines = Array.from({ length: 5 }, (_, i) => JSON.stringify({ id: `p${i}`, question: `${i}?`, responses: ["a", "b"] })); // prettier-ignore
  await writeFile(join(folder, "pairs.jsonl"), lines.join("\n"));
  const cache = join(folder, "cache");
  const score = () =>
    r1reward(["score", join(folder, "pairs.jsonl"), "-u", server.url, "-m", "r1", "--cache", cache, "-q"]);
  const json = async (...args: string[]) => JSON.parse((await r1reward(["cache", ...args, "--cache", cache, "--json"])).stdout) as object; // prettier-ignore
  expect((await score()).code).toBe(0);
  expect(await json("info")).toMatchObject({ folder: cache, entries: 10 });
  expect((await r1reward(["cache", "info", "--cache", cache])).stdout).toMatch(/: 10 replies, 0\.0 MB, the oldest last used on \d{4}-\d\d-\d\d\n$/); // prettier-ignore
  const none = await r1reward(["cache", "prune", "--cache", cache]);
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("expected --max-size or --older-than")]);
  const odd = await r1reward(["cache", "prune", "--cache", cache, "--max-size", "lots"]);
  expect([odd.code, odd.stderr]).toEqual([2, expect.stringContaining("expected a size such as 500MB or 2GB")]);
  expect(await json("prune", "--max-size", "0", "--dry-run")).toMatchObject({ removed: { entries: 10 }, kept: { entries: 0 } }); // prettier-ignore
  expect(await json("prune", "--older-than", "1d")).toMatchObject({ removed: { entries: 0 }, kept: { entries: 10 } });
  expect(await json("prune", "--max-size", "0")).toMatchObject({ removed: { entries: 10 } });
  const { requests } = server.stats();
  expect((await score()).code).toBe(0);
  expect(server.stats().requests).toBe(requests + 10);
}, 120_000);
