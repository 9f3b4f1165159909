/** Weights that stay in their folder: the same model, trained, judged with and saved. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { inlineMedia, loadMessages } from "@r1reward/core";
import { shapesDataset, shapesProtocol } from "@r1reward/core/shapes";
import { createEngine, isEngineTensor, type Engine, type HostTensor } from "../engine/index.ts";
import { trainSft } from "../train/index.ts";
import type { Params } from "../policy/types.ts";
import { fromFloat32, type FloatDtype } from "../safetensors/index.ts";
import {
  freshQwen,
  mapQwenFolder,
  openLocalModel,
  openQwen,
  openSafetensors,
  readQwenFolder,
  saveSafetensors,
} from "./index.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const pairs = [...shapesDataset({ n: 2, seed: 2, deflate: (data) => deflateSync(data) })].map(({ pair }) => pair);
const texts = pairs.flatMap((pair) =>
  shapesProtocol.prompt(pair).flatMap(({ content }) => content.flatMap((p) => (p.type === "text" ? [p.text] : []))),
);
const SIZE = {
  ...{ visionHiddenSize: 16, visionDepth: 2, visionHeads: 2, visionIntermediateSize: 24 },
  ...{ hiddenSize: 32, layers: 2, heads: 4, kvHeads: 2, intermediateSize: 48, context: 512 },
};
let engine: Engine;
let root: string;
const folders: Partial<Record<FloatDtype, string>> = {};

beforeAll(async () => {
  engine = await createEngine({ runtime: "onnx-node", threads: 1 });
  root = await mkdtemp(join(tmpdir(), "mapped-qwen-"));
  await using made = freshQwen({ engine, size: SIZE, texts, vocabSize: 400, initSeed: 3 });
  for (const dtype of ["F32", "BF16", "F16"] as const) {
    folders[dtype] = join(root, dtype);
    await made.save?.(join(root, dtype), made.policy.parameters(), { dtype });
  }
});
afterAll(async () => {
  expect(engine.liveTensors()).toBe(0);
  await engine[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const numbers = async (weight: unknown): Promise<number[]> =>
  Array.from((isEngineTensor(weight) ? await engine.read(weight) : (weight as HostTensor)).data);

/** Trains adapters, or the text tower, for some steps: losses, what is sampled then, and the saved model. */
const trained = async (path: string, mapWeights: boolean, kind: "lora" | "text") => {
  const how = kind === "lora" ? { lora: { rank: 2, alpha: 4 } } : { freezeVision: true };
  await using model = await openQwen(path, { engine, mapWeights, ...how });
  const examples = await Promise.all(pairs.map((pair) => model.encode(shapesProtocol.prompt(pair), "red, so 2")));
  const losses: number[] = [];
  let weights: Params<HostTensor> = {};
  const run = { batch: 2, epochs: 4, learningRate: 0.01, warmup: 0 };
  for await (const report of trainSft({ policy: model.policy, examples, run })) {
    losses.push(report.loss as number);
    ({ weights } = await report.snapshot());
  }
  const out = join(root, `out-${kind}-${mapWeights}-${path.slice(root.length + 1)}`);
  await model.save?.(out, weights);
  return { losses, saved: (await readQwenFolder(out)).params, names: Object.keys(model.policy.parameters()) };
};

describe.each(["F32", "BF16", "F16"] as const)("weights stored as %s that stay in their files", (dtype) => {
  const path = () => folders[dtype] as string;

  it("are the same numbers, and lie nowhere else", async () => {
    const read = await readQwenFolder(path());
    await using mapped = await mapQwenFolder(path(), { engine });
    expect(mapped.dtype).toBe(dtype);
    expect(Object.keys(mapped.params).sort()).toEqual(Object.keys(read.params).sort());
    for (const [name, weight] of Object.entries(mapped.params)) {
      expect(isEngineTensor(weight)).toBe(true);
      expect(await numbers(weight), name).toEqual(await numbers(read.params[name]));
    }
  });

  it.each(["lora", "text"] as const)("train and save as those in memory do: %s", async (kind) => {
    const [loaded, mapped] = [await trained(path(), false, kind), await trained(path(), true, kind)];
    expect(loaded.losses.at(-1)).toBeLessThan(loaded.losses[0] as number);
    mapped.losses.forEach((loss, i) => expect(loss).toBeCloseTo(loaded.losses[i] as number, 5));
    expect(mapped.names).toEqual(loaded.names);
    expect(mapped.names.some((name) => name.startsWith("visual."))).toBe(false);
    expect(Object.keys(mapped.saved)).toEqual(Object.keys(loaded.saved));
    for (const [name, { data }] of Object.entries(mapped.saved)) {
      const want = loaded.saved[name]?.data ?? [];
      expect(
        data.every((x, i) => Math.abs(x - (want[i] as number)) < 1e-4),
        name,
      ).toBe(true);
    }
  });

  it("judge as those in memory do", async () => {
    const prompt = await loadMessages(shapesProtocol.prompt(pairs[0] as never), inlineMedia(), { where: "0" });
    const replies: unknown[] = [];
    for (const mapWeights of [false, true]) {
      await using model = await openLocalModel(path(), { engine, mapWeights });
      const made = await model.completeMany(prompt, 3, { temperature: 1, seed: 5, maxTokens: 8 });
      replies.push([model.revision, made.map(({ text }) => text)]);
    }
    expect(replies[1]).toEqual(replies[0]);
  });
});

/** A copy of a folder with other tensors in it. */
const altered = async (name: string, change: (tensors: Map<string, HostTensor>) => void): Promise<string> => {
  const from = folders.F32 as string;
  const { config, params } = await readQwenFolder(from);
  const tensors = new Map(Object.entries(params));
  change(tensors);
  const path = join(root, name);
  await rm(path, { recursive: true, force: true });
  await import("node:fs/promises").then(({ cp }) => cp(from, path, { recursive: true }));
  expect(config.text.tiedEmbeddings).toBe(true);
  const entries = [...tensors].map(
    ([key, { data, shape }]) => [key, fromFloat32("F32", shape, data as Float32Array)] as const,
  );
  await saveSafetensors(join(path, "model.safetensors"), entries);
  return path;
};

describe("a folder that is mapped", () => {
  const EMBEDDING = "model.embed_tokens.weight";

  it("keeps in memory what is asked for", async () => {
    const stays = (name: string): boolean => name.startsWith("visual.");
    await using mapped = await mapQwenFolder(folders.BF16 as string, { engine, stays });
    for (const [name, weight] of Object.entries(mapped.params)) expect(isEngineTensor(weight)).toBe(stays(name));
  });

  it("is refused for a number that is none, whose place is named", async () => {
    const path = await altered("nan", (tensors) => {
      const { data } = tensors.get(EMBEDDING) as HostTensor;
      data[data.length - 3] = Number.NaN;
    });
    const { size } = await openSafetensors(join(path, "model.safetensors")).then(async (file) => {
      const { shape } = file.entry(EMBEDDING);
      await file[Symbol.asyncDispose]();
      return { size: shape.reduce((product, n) => product * n, 1) };
    });
    await expect(mapQwenFolder(path, { engine })).rejects.toMatchObject({
      problem: "not-finite",
      tensor: EMBEDDING,
      message: expect.stringContaining(`element ${size - 3}`) as string,
    });
    expect(engine.liveTensors()).toBe(0);
  });

  it("may hold its head twice, but not another one", async () => {
    const twice = await altered("twice", (tensors) =>
      tensors.set("lm_head.weight", tensors.get(EMBEDDING) as HostTensor),
    );
    await using mapped = await mapQwenFolder(twice, { engine });
    expect(Object.keys(mapped.params)).not.toContain("lm_head.weight");
    const other = await altered("other", (tensors) => {
      const { data, ...rest } = tensors.get(EMBEDDING) as HostTensor;
      tensors.set("lm_head.weight", { ...rest, data: (data as Float32Array).map((x) => x + 1) });
    });
    const before = engine.liveTensors();
    await expect(mapQwenFolder(other, { engine })).rejects.toMatchObject({
      problem: "bad-name",
      tensor: "lm_head.weight",
    });
    expect(engine.liveTensors()).toBe(before);
  });

  it("must not change: graphs that are made later say so", async () => {
    const path = await altered("changes", () => undefined);
    await using mapped = await mapQwenFolder(path, { engine });
    const w = mapped.params[EMBEDDING] as never;
    const { mul, sum } = await import("@tensorflow/tfjs-core");
    engine.dispose(await engine.compile((x: never) => sum(x), { name: "before" })(w));
    const file = join(path, "model.safetensors");
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, bytes.length - 4));
    const late = engine.compile((x: never) => mul(x, 2), { name: "late" });
    await expect(late(w)).rejects.toThrow(/late: .*model\.safetensors has changed since its weights were frozen/);
  });

  it("is not both: adapters and a vision tower that is frozen by name", async () => {
    const both = openQwen(folders.F32 as string, { engine, lora: { rank: 2, alpha: 4 }, freezeVision: true });
    await expect(both).rejects.toThrow(/freezeVision/);
  });
});
