import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import { defineReward } from "@r1reward/core";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine } from "../engine/engine.ts";
import { initParams, type TransformerConfig } from "../model/index.ts";
import { characterTokenizer, transformerPolicy } from "../policy/index.ts";
import { createSampler, type Completion, type HostSampler } from "../sample/index.ts";
import { trainStableReinforce } from "../train/index.ts";
import { createSamplePool } from "./sample-pool.ts";

const CONFIG: TransformerConfig = {
  vocabSize: 48,
  hiddenSize: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 48,
  tiedEmbeddings: true,
};
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let folder: string;
let workerUrl: URL;
beforeAll(async () => {
  folder = await mkdtemp(at("../../test/.worker-")); // inside the package, so that its dependencies resolve
  await build({
    entryPoints: [at("./sample-worker.ts")],
    outfile: join(folder, "worker.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    alias: { "@r1reward/core": at("../../../core/src/errors.ts") },
    external: ["@tensorflow/*", "onnxruntime-*", "pure-rand"],
  });
  workerUrl = pathToFileURL(join(folder, "worker.mjs"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const seeds = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("a pool", () => {
  it("gives what one sampler gives, with few prompts and with many", async () => {
    const params = initParams(CONFIG, 3);
    await using engine = await createEngine({ runtime: "onnx-node", threads: 1 });
    await using sampler = createSampler(engine, CONFIG);
    await using pool = createSamplePool(CONFIG, { workers: 2, workerUrl });
    const few = [{ tokens: [1, 2, 3], seeds: seeds(7) }];
    const many = [4, 5, 6, 7, 8].map((id) => ({ tokens: [id, 9], seeds: seeds(2) }));
    const how = { maxTokens: 12, temperature: 1.1, stopTokens: [7] };
    for (const prompts of [few, many]) {
      expect(await pool.sample(params, prompts, how)).toEqual(await sampler.sample(params, prompts, how));
    }
    const newer = initParams(CONFIG, 4);
    expect(await pool.sample(newer, few, how)).toEqual(await sampler.sample(newer, few, how));
  });

  it("tells of every sequence as it ends, and keeps the weights of calls that overlap apart", async () => {
    const [one, two] = [initParams(CONFIG, 3), initParams(CONFIG, 4)];
    await using engine = await createEngine({ runtime: "onnx-node", threads: 1 });
    await using sampler = createSampler(engine, CONFIG);
    await using pool = createSamplePool(CONFIG, { workers: 2, workerUrl });
    const prompts = [4, 5, 6, 7, 8].map((id) => ({ tokens: [id, 9], seeds: seeds(3) }));
    const how = { maxTokens: 20, stopTokens: [7, 11, 13, 30] };
    const told = new Map<string, Completion>();
    const order: string[] = [];
    const asked = [one, two, one].map((params, i) =>
      pool.sample(params, prompts, how, (completion, place) => {
        if (i === 0) told.set(place.join(), completion);
        order.push(`${i}`);
      }),
    );
    const made = await Promise.all(asked);
    const [first, second] = [await sampler.sample(one, prompts, how), await sampler.sample(two, prompts, how)];
    expect(made).toEqual([first, second, first]);
    expect(told).toEqual(new Map(first.flatMap((row, n) => row.map((each, i) => [`${n},${i}`, each] as const))));
    expect(order).toHaveLength(45);
    // not all at the end: sequences stop at different tokens
    expect(new Set(first.flat().map(({ tokens }) => tokens.length)).size).toBeGreaterThan(2);
  });

  it("trains a policy as its own engine does, while rewards run beside it", async () => {
    const tokenizer = characterTokenizer("0123456789+");
    const config = { ...CONFIG, vocabSize: 16 };
    const prompts = ["1+1", "2+3", "4+0"].map((text) => ({
      id: text,
      prompt: [{ role: "user" as const, content: [{ type: "text" as const, text }] }],
      truth: text.slice(-1),
    }));
    await using engine = await createEngine({ runtime: "onnx-node", threads: 1 });
    await using pool = createSamplePool(config, { workers: 2, workerUrl });
    const train = async (sampler: HostSampler | undefined) => {
      await using policy = transformerPolicy<string>({ engine, config, tokenizer, initSeed: 3, sampler });
      const seen: unknown[] = [];
      const run = { learningRate: 3e-3, rolloutBatch: 3, samplesPerPrompt: 4, trainBatch: 6, maxTokens: 6 };
      const reward = defineReward<string>({ name: "ends", score: ({ text, truth }) => (text.includes(truth) ? 1 : 0) });
      for await (const { samples, losses, tokens } of trainStableReinforce({
        policy,
        prompts,
        reward,
        run,
        steps: 4,
      })) {
        seen.push({ losses, tokens, texts: samples.map(({ text }) => text), logp: samples.map((s) => s.logpRollout) });
      }
      return seen;
    };
    expect(await train(pool)).toEqual(await train(undefined));
    expect(engine.liveTensors()).toBe(0);
  });

  it("refuses weights of another model", async () => {
    await using pool = createSamplePool(CONFIG, { workers: 1, workerUrl });
    const params = initParams({ ...CONFIG, hiddenSize: 32 }, 3);
    await expect(pool.sample(params, [{ tokens: [1], seeds: [1] }], { maxTokens: 1 })).rejects.toThrow(
      /weights embedding: expected 3072 float32 numbers/,
    );
  });

  it("refuses bad options, stops when aborted, and can be used again after that", async () => {
    const params = initParams(CONFIG, 3);
    await using pool = createSamplePool(CONFIG, { workers: 2, workerUrl });
    const prompts = [{ tokens: [1, 2, 3], seeds: seeds(64) }];
    await expect(pool.sample(params, prompts, { maxTokens: 0 })).rejects.toThrow(/maxTokens/);
    const control = new AbortController();
    const running = pool.sample(params, prompts, { maxTokens: 100_000, signal: control.signal });
    setTimeout(() => control.abort(), 300);
    await expect(running).rejects.toMatchObject({ code: "R1_ABORTED" });
    expect((await pool.sample(params, prompts, { maxTokens: 2 }))[0]?.length).toBe(64);
    expect(() => createSamplePool(CONFIG, { workers: 0 })).toThrow(/workers/);
  });

  it("says when a worker dies", async () => {
    const dying = join(folder, "dying.mjs");
    await writeFile(
      dying,
      `import { parentPort } from "node:worker_threads"; parentPort.on("message", () => process.exit(3));`,
    );
    await using pool = createSamplePool(CONFIG, { workers: 1, workerUrl: pathToFileURL(dying) });
    const sampling = () => pool.sample(initParams(CONFIG, 1), [{ tokens: [1], seeds: [1] }], { maxTokens: 1 });
    await expect(sampling()).rejects.toThrow(/exit code 3/);
    await expect(sampling()).rejects.toThrow(/exit code 3/);
  });

  it("lets its workers end between two steps when it is closed in the middle of a job", async () => {
    const ends: Promise<number>[] = [];
    const watch = (worker: Worker): void =>
      void ends.push(new Promise((resolve) => void worker.once("exit", (code) => resolve(code))));
    process.on("worker", watch);
    try {
      const params = initParams(CONFIG, 3);
      for (let round = 0; round < 4; round++) {
        const pool = createSamplePool(CONFIG, { workers: 2, workerUrl });
        const begun = new AbortController();
        // the first prompt's sequences are told of while the others have hardly begun
        const prompts = [1, 2, 3, 4].map((id) => ({ tokens: [id], seeds: seeds(8), maxTokens: id < 3 ? 2 : 100_000 }));
        const job = expect(
          pool.sample(params, prompts, { maxTokens: 100_000 }, () => begun.abort()),
        ).rejects.toMatchObject({ code: "R1_ABORTED", message: "the pool was closed" });
        await once(begun.signal, "abort");
        await Promise.all([pool[Symbol.asyncDispose](), pool[Symbol.asyncDispose]()]); // twice is no error
        await job;
        await expect(pool.sample(params, prompts, { maxTokens: 1 })).rejects.toMatchObject({ code: "R1_ABORTED" });
      }
      // a terminated thread would say 1
      expect(await Promise.all(ends)).toEqual(Array.from({ length: 8 }, () => 0));
    } finally {
      process.off("worker", watch);
    }
  });

  it("says what cannot go to a worker", async () => {
    await using pool = createSamplePool(CONFIG, { workers: 1, workerUrl });
    const prompts = [{ tokens: [1], seeds: [1], ended: () => true }];
    await expect(pool.sample(initParams(CONFIG, 3), prompts, { maxTokens: 1 })).rejects.toMatchObject({
      code: "R1_CONFIG",
    });
  });
});
