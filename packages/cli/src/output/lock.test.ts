import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockOutput } from "./lock.ts";

let folder: string;
let path: string;
let lock: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-lock-"));
  path = join(folder, "out.jsonl");
  lock = `${path}.lock`;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const holder = (changes: object) => JSON.stringify({ pid: 1, host: hostname(), since: "2024-01-01T00:00:00.000Z", token: "t", ...changes }); // prettier-ignore
const files = (): Promise<string[]> => readdir(folder);

/** A process that lives until it is told to end. */
const alive = async (): Promise<ChildProcess & { readonly pid: number }> => {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume(); console.log('up')"], { stdio: ["pipe", "pipe", "ignore"] }); // prettier-ignore
  await once(child.stdout, "data");
  return child as ChildProcess & { readonly pid: number };
};
const end = async (child: ChildProcess): Promise<void> => {
  child.kill("SIGKILL");
  await once(child, "exit");
};

describe("lockOutput", () => {
  it("has one holder at a time, and leaves nothing behind", async () => {
    {
      await using _first = await lockOutput(path);
      expect(JSON.parse(await readFile(lock, "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
      const message = `${path}: process ${process.pid} on ${hostname()}, since `;
      await expect(lockOutput(path)).rejects.toMatchObject({ code: "R1_OUTPUT", message: expect.stringContaining(message) }); // prettier-ignore
      expect(await files()).toEqual(["out.jsonl.lock"]);
    }
    expect(await files()).toEqual([]);
    await using _again = await lockOutput(path);
  });

  it("refuses while another process lives, and takes over when it was killed", async () => {
    const child = await alive();
    await writeFile(lock, holder({ pid: child.pid }));
    await expect(lockOutput(path)).rejects.toThrow(`${path}: process ${child.pid} on ${hostname()}, since 2024-01-01T00:00:00.000Z, is writing it`); // prettier-ignore
    expect(await readFile(lock, "utf8")).toBe(holder({ pid: child.pid }));
    await end(child);
    await using _taken = await lockOutput(path);
    expect(await files()).toEqual(["out.jsonl.lock"]);
    expect(JSON.parse(await readFile(lock, "utf8"))).toMatchObject({ pid: process.pid });
  });

  it("takes over what an earlier process with this pid left", async () => {
    await writeFile(lock, holder({ pid: process.pid }));
    await using _taken = await lockOutput(path);
    expect(await readFile(lock, "utf8")).not.toContain('"token":"t"');
  });

  it.each([
    ["another machine's", holder({ host: "elsewhere", pid: 99_999_999 }), /process 99999999 on elsewhere/],
    ["one that says nothing", "", /something is writing it.*remove .*out\.jsonl\.lock/],
    ["one of another program", '{"pid": "x"}', /something is writing it/],
  ])("does not touch %s", async (_, text, message) => {
    await writeFile(lock, text);
    await expect(lockOutput(path)).rejects.toThrow(message);
    expect(await readFile(lock, "utf8")).toBe(text);
    expect(await files()).toEqual(["out.jsonl.lock"]);
  });

  it("of many who find a stale lock at once, one gets it", async () => {
    const child = await alive();
    await end(child);
    for (let round = 0; round < 20; round++) {
      await writeFile(lock, holder({ pid: child.pid }));
      const all = await Promise.allSettled(Array.from({ length: 8 }, () => lockOutput(path)));
      const won = all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      expect(won).toHaveLength(1);
      await won[0]?.[Symbol.asyncDispose]();
      expect(await files()).toEqual([]);
    }
  });

  it("is one lock under all names of a file", async () => {
    await writeFile(path, "");
    await symlink(path, join(folder, "other"));
    await using _first = await lockOutput(path);
    await expect(lockOutput(join(folder, "other"))).rejects.toThrow(/is writing it/);
    await expect(lockOutput(join(folder, "..", folder.split("/").at(-1) ?? "", "out.jsonl"))).rejects.toThrow(
      /is writing/,
    );
  });

  it("does not remove what somebody else put in its place", async () => {
    const mine = await lockOutput(path);
    await writeFile(lock, holder({ token: "theirs" }));
    await mine[Symbol.asyncDispose]();
    expect(await readFile(lock, "utf8")).toContain("theirs");
  });

  it("leaves devices, folders and missing folders to whoever opens them", async () => {
    await mkdir(join(folder, "sub"));
    for (const one of ["/dev/null", join(folder, "sub"), join(folder, "none", "out.jsonl")]) {
      await using _nothing = await lockOutput(one);
    }
    expect(await files()).toEqual(["sub"]);
  });
});
