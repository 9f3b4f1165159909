/**
 * Training that is killed with SIGKILL at random moments. `npm run soak:kill` does it 200 times (R1_KILLS); the suite, a few.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCheckpoint, type LoadedCheckpoint } from "../src/checkpoint/index.ts";
import { folderStore } from "../src/node/folder-store.ts";

const KILLS = Number(process.env.R1_KILLS ?? 8);
const SEED = Number(process.env.R1_KILL_SEED ?? Date.now() % 2 ** 31);
const STEPS = 120;
/** A step and its save take some 10 ms: kills fall into sampling, updates, saves and between. */
const LONGEST_MS = 250;

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
let root = "";
beforeAll(async () => {
  root = await mkdtemp(at(".kill-")); // inside the package, so that its dependencies resolve
  await build({
    entryPoints: [at("kill-child.ts")],
    outfile: join(root, "child.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    alias: {
      "@r1reward/core": at("../../core/src/index.ts"),
      "#transport": at("../../core/src/model/transport-undici.ts"),
    },
    external: ["@tensorflow/*", "onnxruntime-*", "pure-rand", "undici", "sharp"],
  });
}, 60_000);
afterAll(() => rm(root, { recursive: true, force: true }));

const start = (folder: string): ChildProcess =>
  spawn(process.execPath, [join(root, "child.mjs"), folder, String(STEPS)], { stdio: ["ignore", "pipe", "inherit"] });

/** Starts or goes on; kills after so many milliseconds of training. → was it killed, or did it finish before? */
const trainAndKill = async (folder: string, afterMs: number): Promise<boolean> => {
  const child = start(folder);
  const ended = once(child, "exit");
  await Promise.race([once(child.stdout as NodeJS.ReadableStream, "data"), ended]);
  await Promise.race([sleep(afterMs), ended]);
  child.kill("SIGKILL");
  const [code, signal] = (await ended) as [number | null, string | null];
  if (signal === null) expect(code).toBe(0);
  return signal === "SIGKILL";
};

const finish = async (folder: string): Promise<void> => {
  const [code] = (await once(start(folder), "exit")) as [number | null];
  expect(code).toBe(0);
};

/** The reports without what two equal runs may differ in. */
const reportsOf = async (folder: string): Promise<unknown[]> =>
  (await readFile(join(folder, "reports.jsonl"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => {
      const timed = ["seconds", "sampleSeconds", "updateSeconds", "tokensPerSecond", "memory"];
      return Object.fromEntries(Object.entries(JSON.parse(line) as object).filter(([name]) => !timed.includes(name)));
    });

const last = (folder: string): Promise<LoadedCheckpoint | null> =>
  loadCheckpoint(folderStore(join(folder, "checkpoints")));

test(
  `${KILLS} kills: always a whole checkpoint, and the finished run equals the unbroken one (seed ${SEED})`,
  async () => {
    const random = xoroshiro128plus(SEED);
    const unbroken = join(root, "unbroken");
    await finish(unbroken);
    const reports = await reportsOf(unbroken);
    expect(reports).toHaveLength(STEPS);
    const end = await last(unbroken);
    expect(end?.snapshot.step).toBe(STEPS);
    let [kills, runs] = [0, 0];
    while (kills < KILLS) {
      const folder = join(root, `run-${runs}`);
      let step = 0;
      let done = false;
      while (!done && kills < KILLS) {
        done = !(await trainAndKill(folder, uniformInt(random, 0, LONGEST_MS)));
        const found = await last(folder);
        expect(found?.refused ?? []).toEqual([]);
        expect(found?.snapshot.step ?? 0).toBeGreaterThanOrEqual(step);
        step = found?.snapshot.step ?? 0;
        if (!done) kills += 1;
      }
      if (!done) await finish(folder);
      expect((await last(folder))?.snapshot).toEqual(end?.snapshot);
      expect(await reportsOf(folder)).toEqual(reports);
      runs += 1;
    }
    console.log(`${kills} kills in ${runs} runs of ${STEPS} steps: every checkpoint whole, every finished run equal`);
  },
  120_000 + KILLS * 15_000,
);
