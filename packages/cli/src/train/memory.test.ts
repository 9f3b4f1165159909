import { expect, it } from "vitest";
import { loadRunConfig } from "./config/load.ts";
import { factsOf, type RunFacts } from "./facts.ts";
import { checkMemory, machineMemory, needsOf, notesOf } from "./memory.ts";

const SMALL = ["data.source.pairs=20", "evaluation.pairs=4"];
const tiny = (...set: string[]) => loadRunConfig({ preset: "tiny", set: [...SMALL, ...set] });

const opened = async (...set: string[]) => {
  const config = await tiny(...set);
  const signal = new AbortController().signal;
  const facts = await factsOf(config, ["sft", "rl"], { signal, note: (error) => expect.fail(String(error)) });
  return { config, facts };
};

const needed = (facts: RunFacts): number =>
  Math.max(...facts.stages.map((stage) => needsOf(facts, stage).memory.reduce((sum, { bytes }) => sum + bytes, 0)));

const GIB = 2 ** 30;
const told: string[] = [];
const check = (force: boolean, memoryBytes: number, freeBytes = memoryBytes) => {
  told.length = 0;
  return { force, machine: { memoryBytes, freeBytes }, tell: (text: string) => void told.push(text) };
};

it("refuses what the machine does not have, and says how much, of how much, and what to lower", async () => {
  const { config, facts } = await opened("sft.batch=100000");
  expect(() => checkMemory(config, facts, check(false, 8 * GIB))).toThrow(
    /^sft: about \d+\.\d GiB of memory are needed, this machine has 8\.0 GiB; the largest parts: activations \S+ GiB \(100000 rows of .*What helps: lower sft\.microBatch \(100000 rows at a time now\); set model\.checkpoint: true; .*--force-memory/,
  );
  checkMemory(config, facts, check(true, 8 * GIB));
  expect(told.join()).toMatch(/^memory: sft: about .* this machine has 8\.0 GiB/);
});

it("tells of what is not free, and says nothing where there is room", async () => {
  const { config, facts } = await opened();
  const bytes = needed(facts);
  checkMemory(config, facts, check(false, 2 * bytes, bytes - 1));
  expect(told.join()).toMatch(/^memory: .* are free now/);
  checkMemory(config, facts, check(false, 2 * bytes));
  expect(told).toEqual([]);
});

it("on a GPU the activations are not in the machine's memory", async () => {
  const { config, facts } = await opened("sft.batch=100000", "engine.provider=cuda", "engine.precision=float16");
  checkMemory(config, facts, check(false, GIB));
  expect(told).toEqual([]);
  const notes = notesOf(config).join("\n");
  expect(notes).toMatch(/engine\.precision float16: .* weights, moments, gradients and activations are float32/);
  expect(notes).toMatch(/engine\.provider cuda: activations are on the GPU/);
  expect(notesOf(await tiny())).toEqual([]);
});

it("knows what this process may have", () => {
  const { memoryBytes, freeBytes } = machineMemory();
  expect(memoryBytes).toBeGreaterThan(2 ** 28);
  expect(memoryBytes).toBeLessThan(2 ** 50);
  expect(freeBytes).toBeLessThanOrEqual(memoryBytes);
});
