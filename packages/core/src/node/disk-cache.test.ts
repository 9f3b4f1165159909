import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CacheError, ConfigError } from "../errors.ts";
import type { CachedReply } from "../interfaces.ts";
import { responseCacheContract } from "../testing/contracts/index.ts";
import { diskCache } from "./disk-cache.ts";
import { decodeEntry, encodeEntry } from "./disk-entry.ts";

const hex = (text: string): string => createHash("sha256").update(text).digest("hex");
const KEY = hex("key");
const reply: CachedReply = {
  text: "<think>ünï 🙂</think><answer>1</answer>",
  finishReason: "stop",
  usage: { promptTokens: 3, completionTokens: null },
  logps: [{ token: "1", logp: -0.5, top: [{ token: "2", logp: -1 }] }],
  latencyMs: 12.5,
};

let root = "";
let folders = 0;
const newFolder = (): string => join(root, `cache-${(folders += 1)}`);
const fileOf = (folder: string, key = KEY): string => join(folder, key.slice(0, 2), `${key}.json`);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "r1reward-disk-cache-"));
});
afterAll(() => rm(root, { recursive: true }));

for (const durable of [true, false]) {
  describe(`contract, durable ${durable}`, () => {
    for (const { name, run } of responseCacheContract({ create: () => diskCache(newFolder(), { durable }) })) {
      test(name, run);
    }
  });
}

test("another process finds what was stored: one JSON file per reply, named by its key", async () => {
  const folder = newFolder();
  await (await diskCache(folder)).set(KEY, reply);
  expect(await (await diskCache(folder)).get(KEY)).toEqual(reply);
  const text = await readFile(fileOf(folder), "utf8");
  const body = JSON.stringify(reply);
  expect(text).toBe(`{"format":"r1reward-reply/1","key":"${KEY}","sha256":"${hex(body)}","reply":${body}}\n`);
  expect(JSON.parse(text)).toMatchObject({ reply });
  expect(await readdir(dirname(fileOf(folder)))).toEqual([`${KEY}.json`]);
});

test("no flipped bit, cut or added byte, nor a run of noise, is ever taken for a reply", () => {
  const entry = encodeEntry(KEY, reply);
  for (let bit = 0; bit < entry.length * 8; bit += 1) {
    const flipped = Uint8Array.from(entry);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(decodeEntry(KEY, flipped), `bit ${bit}`).toBeUndefined();
  }
  for (let length = 0; length < entry.length; length += 1) {
    expect(decodeEntry(KEY, entry.subarray(0, length)), `${length} bytes`).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(entry.length), fc.nat(40), (noise, at, cut) => {
      const spoilt = Buffer.concat([entry.subarray(0, at), noise, entry.subarray(at + cut)]);
      fc.pre(!spoilt.equals(entry));
      expect(decodeEntry(KEY, spoilt)).toBeUndefined();
    }),
    { numRuns: 2_000 },
  );
  expect(decodeEntry(KEY, entry)).toEqual(reply);
});

test("an entry under another key, and a well-formed one that is no reply, are foreign", () => {
  expect(decodeEntry(hex("other"), encodeEntry(KEY, reply))).toBeUndefined();
  for (const body of ['{"text":"x"}', "null", "[]", JSON.stringify({ ...reply, usage: { promptTokens: -1 } }), "{"]) {
    const file = `{"format":"r1reward-reply/1","key":"${KEY}","sha256":"${hex(body)}","reply":${body}}\n`;
    expect(decodeEntry(KEY, Buffer.from(file)), body).toBeUndefined();
  }
});

type Spoil = (file: string) => Promise<unknown>;
test.each<[string, Spoil]>([
  ["truncated", (file) => truncate(file, 40)],
  ["empty", (file) => truncate(file, 0)],
  ["foreign", (file) => writeFile(file, "something else")],
  ["too large", (file) => writeFile(file, Buffer.alloc(3_000))],
  ["a folder", (file) => rm(file).then(() => mkdir(file))],
  ["a pipe that would block", async (file) => (await rm(file), execFileSync("mkfifo", [file]))],
  ["a link to a good entry", async (file) => (await symlinkAway(file), undefined)],
])("%s: a miss that is counted, and can be stored again unless it is a folder", async (what, spoil) => {
  const folder = newFolder();
  const cache = await diskCache(folder, { maxEntryBytes: 2_000 });
  await cache.set(KEY, reply);
  await spoil(fileOf(folder));
  expect(await cache.get(KEY)).toBeUndefined();
  expect(cache.stats()).toEqual({ hits: 0, misses: 1, corrupt: 1, writes: 1, writeErrors: 0 });
  if (what === "a folder") return;
  await cache.set(KEY, reply);
  expect(await cache.get(KEY)).toEqual(reply);
});

/** Moves a file elsewhere and leaves a link to it. */
const symlinkAway = async (file: string): Promise<void> => {
  const target = join(root, `target-${(folders += 1)}`);
  await writeFile(target, await readFile(file));
  await rm(file);
  await symlink(target, file);
};

test("writing replaces a link and leaves what it pointed at alone", async () => {
  const folder = newFolder();
  const cache = await diskCache(folder);
  const victim = join(root, "victim");
  await writeFile(victim, "precious");
  await mkdir(dirname(fileOf(folder)));
  await symlink(victim, fileOf(folder));
  await cache.set(KEY, reply);
  expect(await readFile(victim, "utf8")).toBe("precious");
  expect(await cache.get(KEY)).toEqual(reply);
});

test("a sub-folder that is a link is neither read nor written through", async () => {
  const [folder, elsewhere] = [newFolder(), newFolder()];
  await (await diskCache(elsewhere)).set(KEY, reply);
  const cache = await diskCache(folder);
  await symlink(dirname(fileOf(elsewhere)), dirname(fileOf(folder)));
  expect(await cache.get(KEY)).toBeUndefined();
  await expect(cache.set(KEY, reply)).rejects.toBeInstanceOf(CacheError);
  expect(cache.stats()).toEqual({ hits: 0, misses: 1, corrupt: 1, writes: 0, writeErrors: 1 });
});

test("a folder that was cleared while in use is filled again", async () => {
  const folder = newFolder();
  const cache = await diskCache(folder);
  await cache.set(KEY, reply);
  await rm(dirname(fileOf(folder)), { recursive: true });
  expect(await cache.get(KEY)).toBeUndefined();
  await cache.set(KEY, reply);
  expect(await cache.get(KEY)).toEqual(reply);
  await rm(folder, { recursive: true });
  await expect(cache.set(KEY, reply)).rejects.toThrow(/writing entry .*ENOENT/);
  expect(cache.stats()).toMatchObject({ writes: 2, writeErrors: 1, corrupt: 0 });
});

test("a folder that cannot be used is refused at once", async () => {
  const file = join(root, "a-file");
  await writeFile(file, "x");
  for (const folder of [file, join(file, "below"), "/proc/self/no-such-place"]) {
    await expect(diskCache(folder)).rejects.toThrow(/^cache folder .*expected a folder that can be written/);
    await expect(diskCache(folder)).rejects.toBeInstanceOf(CacheError);
  }
});

test("a reply that JSON cannot say, or that is too large, is refused, counted and leaves nothing behind", async () => {
  const folder = newFolder();
  const cache = await diskCache(folder, { maxEntryBytes: 1_000 });
  const endless = { ...reply, logps: [{ token: "1", logp: -Infinity, top: [] }] };
  for (const bad of [endless, { ...reply, latencyMs: Number.NaN }, { ...reply, text: "x".repeat(1_000) }]) {
    await expect(cache.set(KEY, bad)).rejects.toBeInstanceOf(CacheError);
  }
  expect(cache.stats()).toMatchObject({ writes: 0, writeErrors: 3 });
  expect(existsSync(fileOf(folder))).toBe(false);
});

test.each(["../../etc/passwd", "", KEY.toUpperCase(), `${KEY}0`, "a/b", "\u0000"])("key %j is refused", async (key) => {
  const cache = await diskCache(newFolder());
  await expect(cache.get(key)).rejects.toBeInstanceOf(ConfigError);
  await expect(cache.set(key, reply)).rejects.toBeInstanceOf(ConfigError);
});

test.each([0, -1, 1.5, Number.NaN])("maxEntryBytes %s is refused", async (maxEntryBytes) => {
  await expect(diskCache(newFolder(), { maxEntryBytes })).rejects.toBeInstanceOf(ConfigError);
});

test("what a killed writer left is swept an hour later; a fresh one's is not touched", async () => {
  const folder = newFolder();
  const shard = dirname(fileOf(folder));
  await mkdir(shard, { recursive: true });
  const [old, fresh] = [join(shard, "old.tmp"), join(shard, "fresh.tmp")];
  await writeFile(old, "x");
  await writeFile(fresh, "x");
  await utimes(old, new Date(), new Date(Date.now() - 61 * 60 * 1000));
  await (await diskCache(folder)).set(KEY, reply);
  expect((await readdir(shard)).sort()).toEqual([`${KEY}.json`, "fresh.tmp"].sort());
});

test("closing waits for what was let in, and lets nothing in after", async () => {
  const folder = newFolder();
  const cache = await diskCache(folder);
  const keys = Array.from({ length: 100 }, (_, i) => hex(String(i)));
  const writes = keys.map((key) => cache.set(key, reply));
  await cache[Symbol.asyncDispose]();
  expect(keys.every((key) => existsSync(fileOf(folder, key)))).toBe(true);
  await Promise.all(writes);
  await expect(cache.get(KEY)).rejects.toThrow("the cache is closed");
  await expect(cache.set(KEY, reply)).rejects.toBeInstanceOf(CacheError);
});
