import { mkdtemp, readFile, rm, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { deflateSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { inlineMedia, judgeWith, loadMessages } from "@r1reward/core";
import { shapesDataset, shapesProtocol } from "@r1reward/core/shapes";
import { createEngine } from "../engine/engine.ts";
import type { Engine } from "../engine/types.ts";
import { CheckpointError, ShapeError } from "../errors.ts";
import { openLocalModel } from "./open-local-model.ts";
import { freshQwen } from "./qwen-model.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const pairs = [...shapesDataset({ n: 4, seed: 2, deflate: (data) => deflateSync(data) })].map(({ pair }) => pair);
const media = inlineMedia();
let engine: Engine;
let root: string;
let folder: string;
let workerFile: string;
let workerUrl: URL;

const fresh = async (path: string, initSeed: number): Promise<void> => {
  const texts = pairs.flatMap((pair) =>
    shapesProtocol.prompt(pair).flatMap(({ content }) => content.flatMap((p) => (p.type === "text" ? [p.text] : []))),
  );
  const vision = { visionHiddenSize: 16, visionDepth: 2, visionHeads: 2, visionIntermediateSize: 24 };
  const text = { hiddenSize: 32, layers: 2, heads: 4, kvHeads: 2, intermediateSize: 48, context: 512 };
  await using made = freshQwen({ engine, size: { ...vision, ...text }, texts, vocabSize: 400, initSeed });
  await made.save?.(path, made.policy.parameters());
};

const buildWorker = async (): Promise<void> => {
  workerFile = fileURLToPath(new URL(`../../test/.judge-worker-${process.pid}.mjs`, import.meta.url)); // here packages resolve
  workerUrl = pathToFileURL(workerFile);
  await build({
    entryPoints: [fileURLToPath(new URL("./judge-worker.ts", import.meta.url))],
    outfile: workerFile,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    tsconfigRaw: {},
    packages: "external",
  });
};

beforeAll(async () => {
  await buildWorker();
  engine = await createEngine({ runtime: "onnx-node", threads: 1 });
  root = await mkdtemp(join(tmpdir(), "open-local-"));
  folder = join(root, "judge");
  await fresh(folder, 1);
});
afterAll(async () => {
  expect(engine.liveTensors()).toBe(0);
  await engine[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
  await rm(workerFile, { force: true });
});

type Files = Readonly<Record<string, string | Uint8Array | null>>;

/** A copy of the folder with some files changed; `null` leaves one out. */
const changed = async (name: string, files: Files): Promise<string> => {
  const path = join(root, name);
  await mkdir(path);
  for (const file of ["config.json", "tokenizer.json", "preprocessor_config.json", "model.safetensors"]) {
    const content = Object.hasOwn(files, file) ? files[file] : await readFile(join(folder, file));
    if (content !== null && content !== undefined) await writeFile(join(path, file), content);
  }
  return path;
};

describe("openLocalModel", () => {
  it("looks at no more pixels than the model was made for, whatever budget it is given", async () => {
    const made = JSON.parse(await readFile(join(folder, "preprocessor_config.json"), "utf8")) as object;
    const small = await changed("small", {
      "preprocessor_config.json": JSON.stringify({ ...made, max_pixels: 84 * 84 }),
    });
    const [pair] = pairs;
    const messages = await loadMessages(shapesProtocol.prompt(pair!), media, { where: "0" });
    const tokensWith = async (path: string, maxPixels?: number): Promise<number> => {
      await using model = await openLocalModel(path, { engine, maxPixels });
      return (await model.complete(messages, { maxTokens: 1, temperature: 0 })).usage.promptTokens ?? 0;
    };
    const places = 3 * 3;
    const usual = await tokensWith(folder);
    expect(usual - (await tokensWith(small))).toBe(4 * 4 - places);
    expect(usual - (await tokensWith(small, 501_760))).toBe(4 * 4 - places);
    expect(usual - (await tokensWith(folder, 56 * 56))).toBe(4 * 4 - 2 * 2);
    await expect(tokensWith(folder, Number.NaN)).rejects.toThrow(/maxPixels: expected/);
  });

  it("judges pairs with pictures, many at once", async () => {
    await using model = await openLocalModel(folder, { engine });
    expect(model.name).toBe("judge");
    expect(model.revision).toMatch(/^[0-9a-f]{16}$/);
    const judge = judgeWith(model, shapesProtocol, { media, sampling: { temperature: 0, maxTokens: 6 } });
    const judgments = await Promise.all(
      pairs.flatMap((pair) => [false, true].map((swapped) => judge.judge(pair, { swapped }))),
    );
    // Fresh weights write nothing that can be read, and nothing is made of that.
    expect(judgments.map(({ verdict }) => verdict.kind)).toEqual(Array.from({ length: 8 }, () => "unreadable"));
    expect(model.stats()).toMatchObject({ completions: 8, mostAtOnce: 8 });
    const prompt = await loadMessages(shapesProtocol.prompt(pairs[0] as never), media, { where: "0" });
    const [alone] = await model.completeMany(prompt, 1, { temperature: 0, maxTokens: 6 });
    expect(alone?.text).toBe(judgments[0]?.text);
  });

  it("is another revision with other weights, and the same one when opened again", async () => {
    const other = join(root, "other");
    await fresh(other, 2);
    const revisions: (string | undefined)[] = [];
    for (const path of [folder, folder, other]) {
      await using model = await openLocalModel(path, { engine });
      revisions.push(model.revision);
    }
    expect(revisions[0]).toBe(revisions[1]);
    expect(revisions[0]).not.toBe(revisions[2]);
  });

  it("does the same in workers", async () => {
    await using here = await openLocalModel(folder, { engine });
    await using model = await openLocalModel(folder, { workers: 2, workerUrl });
    expect([model.name, model.revision]).toEqual([here.name, here.revision]);
    const prompts = await Promise.all(
      pairs.map((pair) => loadMessages(shapesProtocol.prompt(pair), media, { where: pair.id })),
    );
    const how = { temperature: 1, maxTokens: 6, seed: 3 };
    const both = [here, model].map((one) => Promise.all(prompts.map((prompt) => one.completeMany(prompt, 2, how))));
    const [a, b] = (await Promise.all(both)).map((all) => all.flat().map(({ text }) => text));
    expect(b).toEqual(a);
    expect(model.stats()).toMatchObject({ completions: 8, mostAtOnce: 8 });
    const [prompt] = prompts as [(typeof prompts)[0]];
    await expect(model.complete(prompt, { topP: 2 })).rejects.toMatchObject({ code: "R1_CONFIG" });
    const signal = AbortSignal.timeout(20);
    await expect(model.complete(prompt, { maxTokens: 400, signal })).rejects.toMatchObject({ code: "R1_ABORTED" });
    const lost = expect(model.complete(prompt, { maxTokens: 400 })).rejects.toMatchObject({ code: "R1_ABORTED" });
    await model[Symbol.asyncDispose]();
    await lost;
    const nowhere = openLocalModel(join(root, "nowhere"), { workers: 2 });
    await expect(nowhere).rejects.toMatchObject({ code: "R1_CHECKPOINT" });
    await expect(openLocalModel(folder, { workers: 2, engine })).rejects.toThrow(/engines of their own/);
  });

  it.each<[string, Files, RegExp]>([
    ["no-config", { "config.json": null }, /no-config: expected a model's folder with config\.json/],
    ["no-tokenizer", { "tokenizer.json": null }, /expected a model's folder with tokenizer\.json/],
    ["broken-config", { "config.json": "{" }, /broken-config\/config\.json/],
    ["other-model", { "config.json": '{"model_type":"llama"}' }, /model_type/],
    ["broken-tokenizer", { "tokenizer.json": "[]" }, /tokenizer/i],
    ["no-weights", { "model.safetensors": null }, /no-weights/],
    ["broken-weights", { "model.safetensors": "none" }, /broken-weights/],
  ])("refuses a folder: %s", async (name, files, message) => {
    const error = await openLocalModel(await changed(name, files), { engine }).catch((e: unknown) => e);
    expect((error as Error).message).toMatch(message);
    expect((error as { code?: string }).code).toBe("R1_CHECKPOINT");
    expect((error as Error).message).toContain(join(root, name)); // whichever of its files it is
  });

  it("refuses what is no folder, and stops when aborted", async () => {
    const nowhere = openLocalModel(join(root, "nowhere"), { engine });
    await expect(nowhere).rejects.toThrow(/nowhere: expected a folder, there is none/);
    await expect(openLocalModel(join(folder, "config.json"), { engine })).rejects.toThrow(
      /expected a folder, got a file/,
    );
    const signal = AbortSignal.abort();
    await expect(openLocalModel(folder, { engine, signal })).rejects.toMatchObject({ code: "R1_ABORTED" });
  });

  it("says the same of broken weights in workers, whether their header tells or their numbers", async () => {
    const whole = await readFile(join(folder, "model.safetensors"));
    const notFinite = Buffer.from(whole).fill(0xff, whole.length - 4); // NaN as the last number, in any dtype
    const folders = [
      await changed("truncated", { "model.safetensors": whole.subarray(0, -8) }),
      await changed("not-finite", { "model.safetensors": notFinite }),
    ];
    const problems: string[] = [];
    for (const path of folders) {
      const [here, there] = await Promise.all(
        [{ engine }, { workers: 2, workerUrl }].map((options) =>
          openLocalModel(path, options).then(
            () => expect.unreachable(),
            (error: unknown) => error as CheckpointError,
          ),
        ),
      );
      expect(there).toBeInstanceOf(CheckpointError);
      expect({ ...there, message: there?.message }).toEqual({ ...here, message: here?.message });
      problems.push(there?.problem ?? "");
    }
    expect(problems).toEqual(["length-mismatch", "not-finite"]);
  });

  it("stops workers that are still opening when aborted, and says why a worker cannot start", async () => {
    const control = new AbortController();
    const opening = openLocalModel(folder, { workers: 2, workerUrl, signal: control.signal });
    const started = new Promise((resolve) => void process.once("worker", resolve));
    void started.then(() => control.abort("enough"));
    await expect(opening).rejects.toMatchObject({ code: "R1_ABORTED", cause: "enough" });
    const missing = openLocalModel(folder, { workers: 2, workerUrl: new URL("nowhere.mjs", workerUrl) });
    await expect(missing).rejects.toMatchObject({ code: "R1_MODEL", message: expect.stringMatching(/nowhere\.mjs/) });
  });

  it("keeps the class of errors that a worker's model throws", async () => {
    await using model = await openLocalModel(folder, { workers: 1, context: 16 });
    await using pool = await openLocalModel(folder, { workers: 2, workerUrl, context: 16 });
    const prompt = await loadMessages(shapesProtocol.prompt(pairs[0] as never), media, { where: "0" });
    const [here, there] = await Promise.all(
      [model, pool].map((one) => one.complete(prompt).catch((error: unknown) => error as ShapeError)),
    );
    expect(there).toBeInstanceOf(ShapeError);
    expect({ ...there, message: (there as Error).message }).toEqual({ ...here, message: (here as Error).message });
  });
});
