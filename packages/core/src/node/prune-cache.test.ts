import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CachedReply } from "../interfaces.ts";
import { diskCache, diskCacheUsage, pruneDiskCache } from "./index.ts";

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "r1reward-prune-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const keyOf = (n: number): string => createHash("sha256").update(String(n)).digest("hex");
const pathOf = (n: number): string => join(folder, keyOf(n).slice(0, 2), `${keyOf(n)}.json`);
const reply = (text: string): CachedReply => ({ text, finishReason: "stop", usage: { promptTokens: 1, completionTokens: 1 }, latencyMs: 1 }); // prettier-ignore

const DAY = 86_400_000;
const NOW = Date.UTC(2030, 0, 1);

/** Entries 0 … n − 1, the n-th used n days ago. → bytes of each */
const fill = async (n: number): Promise<number> => {
  await using cache = await diskCache(folder, { durable: false });
  for (let i = 0; i < n; i++) {
    await cache.set(keyOf(i), reply("x".repeat(100)));
    await utimes(pathOf(i), (NOW - i * DAY) / 1000, (NOW - i * DAY) / 1000);
  }
  return (await stat(pathOf(0))).size;
};
const left = async (n: number): Promise<number[]> => {
  await using cache = await diskCache(folder);
  const found: number[] = [];
  for (let i = 0; i < n; i++) if ((await cache.get(keyOf(i))) !== undefined) found.push(i);
  return found;
};

describe("pruneDiskCache", () => {
  it("keeps what was used last, as much as fits", async () => {
    const bytes = await fill(10);
    const maxBytes = 3 * bytes + 1;
    const would = await pruneDiskCache(folder, { maxBytes, dryRun: true });
    expect(await diskCacheUsage(folder)).toEqual({ entries: 10, bytes: 10 * bytes, oldestUse: NOW - 9 * DAY });
    const did = await pruneDiskCache(folder, { maxBytes });
    expect(did).toEqual(would);
    expect(did).toEqual({ kept: { entries: 3, bytes: 3 * bytes }, removed: { entries: 7, bytes: 7 * bytes } });
    expect(await left(10)).toEqual([0, 1, 2]);
  });

  it("takes what is older, and both limits together", async () => {
    const bytes = await fill(6);
    await pruneDiskCache(folder, { maxAgeMs: 3.5 * DAY, now: NOW });
    expect(await left(6)).toEqual([0, 1, 2, 3]);
    for (let i = 0; i < 4; i++) await utimes(pathOf(i), (NOW - i * DAY) / 1000, (NOW - i * DAY) / 1000); // they were read just now
    await pruneDiskCache(folder, { maxAgeMs: 2.5 * DAY, maxBytes: 2 * bytes, now: NOW });
    expect(await left(6)).toEqual([0, 1]);
    expect((await pruneDiskCache(folder, { maxBytes: 0 })).kept).toEqual({ entries: 0, bytes: 0 });
    expect(await diskCacheUsage(folder)).toEqual({ entries: 0, bytes: 0, oldestUse: null });
  });

  it("knows a reading from a writing", async () => {
    await fill(3);
    await utimes(pathOf(2), NOW / 1000, (NOW - 2 * DAY) / 1000); // written long ago, read today
    const bytes = (await stat(pathOf(0))).size;
    await pruneDiskCache(folder, { maxBytes: 2 * bytes });
    expect(await left(3)).toEqual([0, 2]);
  });

  it("leaves alone what is none of its own", async () => {
    await fill(1);
    const shard = keyOf(0).slice(0, 2);
    const outside = await mkdtemp(join(tmpdir(), "r1reward-outside-"));
    await writeFile(join(outside, `${"ab".repeat(32)}.json`), "theirs");
    await symlink(outside, join(folder, shard === "ab" ? "cd" : "ab"));
    await writeFile(join(folder, "notes.txt"), "mine");
    await writeFile(join(folder, shard, "notes.json"), "mine");
    await mkdir(join(folder, shard, `${shard}${"0".repeat(62)}.json`));
    const fresh = join(folder, shard, `${keyOf(0)}.json.1.tmp`);
    await writeFile(fresh, "half"); // being written
    expect((await pruneDiskCache(folder, { maxBytes: 0 })).removed.entries).toBe(1);
    expect((await readdir(join(folder, shard))).sort()).toEqual([`${keyOf(0)}.json.1.tmp`, "notes.json", `${shard}${"0".repeat(62)}.json`].sort()); // prettier-ignore
    expect(await readdir(outside)).toHaveLength(1);
    await utimes(fresh, 1, 1); // a writer that died
    await pruneDiskCache(folder, { maxBytes: 0 });
    expect(await readdir(join(folder, shard))).not.toContain(`${keyOf(0)}.json.1.tmp`);
    await rm(outside, { recursive: true });
  });

  it("is safe while others read, write and prune", async () => {
    await fill(40);
    await using cache = await diskCache(folder, { durable: false });
    const work = Array.from({ length: 200 }, (_, i) =>
      i % 2 === 0 ? cache.set(keyOf(i % 60), reply(`again ${i}`)) : cache.get(keyOf(i % 60)),
    );
    const prunes = Array.from({ length: 4 }, () => pruneDiskCache(folder, { maxBytes: 1000 }));
    await Promise.all([...work, ...prunes]);
    expect(cache.stats()).toMatchObject({ corrupt: 0, writeErrors: 0, writes: 100 });
  });

  it("asks for a limit, and names a folder that is not there", async () => {
    await expect(pruneDiskCache(folder, {})).rejects.toMatchObject({ code: "R1_CONFIG" });
    await expect(pruneDiskCache(folder, { maxBytes: -1 })).rejects.toThrow(/maxBytes: expected a number from 0/);
    await expect(pruneDiskCache(folder, { maxBytes: Number.NaN })).rejects.toThrow(/maxBytes/);
    const none = join(folder, "none");
    await expect(diskCacheUsage(none)).rejects.toMatchObject({ code: "R1_CACHE", message: expect.stringContaining(none) }); // prettier-ignore
    const aborted = AbortSignal.abort();
    await fill(1);
    await expect(pruneDiskCache(folder, { maxBytes: 0, signal: aborted })).rejects.toMatchObject({
      code: "R1_ABORTED",
    });
  });
});
