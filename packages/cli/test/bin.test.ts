/** What npm links as `r1reward`: there before anything is built, and the program once it is. */
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };

const BIN = fileURLToPath(new URL(`../${manifest.bin.r1reward}`, import.meta.url));

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "r1reward-bin-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (command: string, ...args: string[]) => spawnSync(command, args, { encoding: "utf8" });

it("is a file of the sources that may be executed, and is packed", async () => {
  expect(manifest.bin.r1reward).not.toMatch(/dist/);
  expect(manifest.files).toContain("bin");
  expect((await stat(BIN)).mode & 0o111).toBe(0o111);
});

it("runs the program through a link, with its arguments", async () => {
  await symlink(BIN, join(folder, "r1reward"));
  const { status, stdout } = run(join(folder, "r1reward"), "--version");
  expect(stdout.trim()).toBe(manifest.version);
  expect(status).toBe(0);
  const wrong = run(join(folder, "r1reward"), "scoer");
  expect(wrong.stderr).toMatch(/unknown command 'scoer'/);
  expect(wrong.status).toBe(2);
});

it("says what to do where nothing was built", async () => {
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  await mkdir(join(folder, "bin"));
  await cp(BIN, join(folder, "bin/r1reward.js"));
  const { status, stderr } = run(process.execPath, join(folder, "bin/r1reward.js"), "doctor");
  expect(stderr).toBe("error @r1reward/cli has no dist/main.js: run npm run build first\n");
  expect(status).toBe(1);
});
