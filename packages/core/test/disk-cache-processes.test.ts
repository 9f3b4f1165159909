/** The disk cache shared by real processes, some of which are killed or run out of room. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "tsup";
import { afterAll, beforeAll, expect, test } from "vitest";
import { diskCache } from "../src/node/disk-cache.ts";

const run = promisify(execFile);
let root = "";
let child = "";

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "r1reward-processes-"));
  await chmod(root, 0o755);
  await build({
    entry: { child: fileURLToPath(new URL("disk-cache-child.ts", import.meta.url)) },
    outDir: root,
    outExtension: () => ({ js: ".mjs" }),
    format: "esm",
    target: "node20",
    config: false,
    silent: true,
  });
  child = join(root, "child.mjs");
}, 60_000);
afterAll(() => rm(root, { recursive: true, force: true }));

const resultOf = async (work: Promise<{ stdout: string }>): Promise<unknown> => JSON.parse((await work).stdout);

/** Every file of every sub-folder: [sub-folder, name]. */
const filesOf = async (folder: string): Promise<readonly (readonly [string, string])[]> => {
  const shards = await readdir(folder);
  const lists = await Promise.all(
    shards.map(async (shard) => (await readdir(join(folder, shard))).map((name) => [shard, name] as const)),
  );
  return lists.flat();
};

test("eight processes write the same keys at once: nobody sees a broken entry, and all remain", async () => {
  const folder = join(root, "shared");
  const writers = Array.from({ length: 8 }, (_, i) =>
    resultOf(run(process.execPath, [child, "share", folder, `w${i}`])),
  );
  for (const result of await Promise.all(writers)) {
    expect(result).toEqual({ broken: [], hits: 60, misses: 0, corrupt: 0, writes: 60, writeErrors: 0 });
  }
  const files = await filesOf(folder);
  expect(files).toHaveLength(60);
  expect(files.every(([shard, name]) => name.startsWith(shard) && name.endsWith(".json"))).toBe(true);
}, 120_000);

/** Starts a writer and kills it after a while. */
const killWhileWriting = async (folder: string, afterMs: number): Promise<void> => {
  const writer = spawn(process.execPath, [child, "flood", folder, "w"], { stdio: ["ignore", "pipe", "inherit"] });
  await once(writer.stdout, "data");
  await sleep(afterMs);
  writer.kill("SIGKILL");
  await once(writer, "exit");
};

test("24 writers are killed with SIGKILL at different moments: readers see whole entries only", async () => {
  const folder = join(root, "killed");
  let unfinished = 0;
  let whole = 0;
  for (let round = 0; round < 24; round += 1) {
    await killWhileWriting(folder, (round * 37) % 100); // moments that no rhythm of the writer can avoid
    const cache = await diskCache(folder);
    for (const [, name] of await filesOf(folder)) {
      if (name.endsWith(".tmp")) {
        unfinished += 1;
        continue;
      }
      const found = await cache.get(name.slice(0, -".json".length));
      const [writer, , length] = (found?.text.split(":")[0] ?? "").split("/");
      expect([writer, found?.text.length, found?.usage.completionTokens]).toEqual([
        "w",
        Number(length),
        Number(length),
      ]);
      whole += 1;
    }
    expect(cache.stats().corrupt).toBe(0);
    await cache[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
  expect(unfinished, "writers that were killed in the middle of an entry").toBeGreaterThan(0);
  expect(whole).toBeGreaterThan(0);
}, 120_000);

test("no room on the disk: the write fails with CacheError, is counted, and leaves nothing half-written", async () => {
  const folder = join(root, "full");
  // The system refuses bytes beyond the limit in the middle of the file, as a full disk does (EFBIG for ENOSPC).
  const script = `ulimit -f 100; exec "$0" "$@"`;
  const result = await resultOf(run("bash", ["-c", script, process.execPath, child, "fill", folder, "w"]));
  expect(result).toMatchObject({
    code: "R1_CACHE",
    message: expect.stringContaining("EFBIG"),
    writes: 1,
    writeErrors: 1,
  });
  expect(await filesOf(folder)).toHaveLength(1);
}, 60_000);

test("2,000 reads and writes at once fit into 96 open files", async () => {
  const script = `ulimit -n 96; exec "$0" "$@"`;
  const result = await resultOf(
    run("bash", ["-c", script, process.execPath, child, "burst", join(root, "burst"), "w"]),
  );
  expect(result).toEqual({ hits: 2_000, misses: 0, corrupt: 0, writes: 2_000, writeErrors: 0 });
}, 60_000);

test("a folder that may not be written is refused when it is opened", async () => {
  const folder = join(root, "forbidden");
  await mkdir(folder);
  await chmod(folder, 0o555);
  // The superuser may write anywhere, so under it the child runs as nobody.
  const options = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const result = await resultOf(run(process.execPath, [child, "open", folder], options));
  expect(result).toMatchObject({ code: "R1_CACHE", message: expect.stringContaining("EACCES") });
}, 60_000);
