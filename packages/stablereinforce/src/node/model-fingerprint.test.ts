import { cp, mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { modelFingerprint } from "./model-fingerprint.ts";

let root: string;
let folder: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "fingerprint-"));
  folder = join(root, "model");
  await mkdir(folder);
  await writeFile(join(folder, "config.json"), "{}");
  await writeFile(join(folder, "model.safetensors"), Buffer.alloc(3 * 2 ** 20, 1));
});
afterAll(() => rm(root, { recursive: true, force: true }));

it("changes with the files that training reads, and with nothing else", async () => {
  const before = await modelFingerprint(folder);
  const copy = join(root, "copy");
  await cp(folder, copy, { recursive: true });
  await utimes(join(copy, "config.json"), 1, 1);
  await writeFile(join(copy, "README.md"), "of no interest");
  expect(await modelFingerprint(copy)).toBe(before);
  const bytes = Buffer.alloc(3 * 2 ** 20, 1);
  bytes[bytes.length - 1] = 2; // the last byte of the weights
  await writeFile(join(copy, "model.safetensors"), bytes);
  expect(await modelFingerprint(copy)).not.toBe(before);
});

it("names a folder that is not there", async () => {
  await expect(modelFingerprint(join(folder, "none"))).rejects.toMatchObject({ code: "R1_CHECKPOINT" });
});
