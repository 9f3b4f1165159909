/** A Hugging Face folder of Qwen2.5-VL as a chat model on this thread. */
import { ConfigError, type CallOptions } from "@r1reward/core";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { createEngine } from "../engine/engine.ts";
import type { Engine } from "../engine/types.ts";
import { CheckpointError } from "../errors.ts";
import { localChatModel, type LocalChatModel } from "../qwen/chat/index.ts";
import { qwenInputs } from "../qwen/inputs/index.ts";
import { imageDecoder } from "./image-decoder.ts";
import { asFileSays } from "./qwen-folder.ts";
import { checkQwenParts, mapQwenParts, processorWithin, readQwenParts } from "./qwen-parts.ts";

/** How a folder is opened. */
export interface OpenLocalModelOptions extends CallOptions {
  /** The best one there is by default; it is then closed with the model. */
  readonly engine?: Engine | undefined;
  /** Of an engine of its own; all cores by default. */
  readonly threads?: number | undefined;
  /** The folder's name by default. */
  readonly name?: string | undefined;
  /** Most sequences decoded side by side; 64 by default. */
  readonly maxBatch?: number | undefined;
  /** Most tokens of prompt and reply together; the model's positions by default. */
  readonly context?: number | undefined;
  /** Largest area of a picture in pixels, where that is less than `preprocessor_config.json` says. */
  readonly maxPixels?: number | undefined;
  /** Milliseconds that the first request waits for others; 5 by default. */
  readonly windowMs?: number | undefined;
  /**
   * Workers with one thread and a copy of the weights each; 1 by default, which is this thread. A small model answers nearly as many
   * times as much as there are cores.
   */
  readonly workers?: number | undefined;
  /** Write on after a stop token, up to `maxTokens`: for measuring. False by default. */
  readonly ignoreStop?: boolean | undefined;
  /**
   * Leave the weights in their files: graphs map them, and workers share their pages. A checkpoint of 16 bits takes half its size in
   * float32 then, and nothing is loaded. The files must not change meanwhile. False by default.
   */
  readonly mapWeights?: boolean | undefined;
  /** The worker's module, for bundlers that move it. */
  readonly workerUrl?: URL | undefined;
}

/** Files of weights above this are told apart by their beginning, size and date. */
const WHOLE = 2 ** 30;

const hashFile = async (path: string, signal: AbortSignal | undefined): Promise<string> => {
  const { size, mtimeMs } = await stat(path);
  const hash = createHash("sha256");
  const end = size <= WHOLE ? Infinity : 2 ** 20;
  for await (const chunk of createReadStream(path, { end, signal })) hash.update(chunk as Buffer);
  if (size > WHOLE) hash.update(`${size} ${mtimeMs}`);
  return hash.digest("hex");
};

/** Changes whenever a file changes that replies depend on: it is part of the key under which they are kept. */
export const revisionOf = async (folder: string, signal: AbortSignal | undefined): Promise<string> => {
  const files = (await readdir(folder)).filter((name) => /\.(safetensors|json)$/.test(name)).sort();
  const hash = createHash("sha256");
  for (const name of files) hash.update(`${name} ${await hashFile(join(folder, name), signal)}\n`);
  return hash.digest("hex").slice(0, 16);
};

/** @throws CheckpointError `io` when there is no folder, or no `config.json` in it */
const checkFiles = async (folder: string): Promise<void> => {
  const found = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    const problem = cause.code === "ENOTDIR" ? "expected a folder, got a file" : "expected a folder, there is none";
    throw new CheckpointError({ file: folder, problem: "io" }, problem, { cause });
  });
  for (const name of ["config.json", "tokenizer.json"]) {
    if (found.includes(name)) continue;
    throw new CheckpointError(
      { file: folder, problem: "io" },
      `expected a model's folder with ${name}, which is not there`,
    );
  }
};

/** Checks all of a folder but the numbers in its weights, which are not read. @throws CheckpointError, ConfigError for options, AbortError */
export const checkFolder = async (folder: string, { signal, maxPixels }: OpenLocalModelOptions): Promise<void> => {
  await checkFiles(folder);
  const { processor } = await checkQwenParts(folder, { signal });
  processorWithin(processor, maxPixels);
};

/** Closes what was opened, the last one first. */
const closer = () => {
  const open: (() => PromiseLike<void>)[] = [];
  return {
    add: (close: () => PromiseLike<void>): void => void open.push(close),
    all: async (): Promise<void> => {
      for (const close of open.splice(0).reverse()) await close();
    },
  };
};

/** Reads a folder, or maps its weights. @throws CheckpointError naming the file and what is wrong in it */
const readParts = async (folder: string, engine: Engine, { signal, mapWeights }: OpenLocalModelOptions) =>
  mapWeights === true
    ? mapQwenParts(folder, { signal, engine })
    : { ...(await readQwenParts(folder, { signal })), close: () => Promise.resolve() };

/** Opens a folder on this thread; its revision is not computed where it is known. @throws as `openLocalModel` */
export const openHere = async (
  folder: string,
  options: OpenLocalModelOptions,
  known?: string,
): Promise<LocalChatModel> => {
  const { signal, maxBatch, windowMs, threads, ignoreStop, name = basename(folder) } = options;
  const open = closer();
  await checkFiles(folder);
  try {
    const engine = options.engine ?? (await createEngine({ threads }));
    if (options.engine === undefined) open.add(() => engine[Symbol.asyncDispose]());
    const { config, params: weights, tokenizer, processor: own, close } = await readParts(folder, engine, options);
    open.add(close);
    const processor = processorWithin(own, options.maxPixels);
    const context = Math.min(options.context ?? Infinity, config.text.maxPositions);
    if (!(context > 1)) throw new ConfigError(`context: expected more than 1, got ${context}`);
    const revision = known ?? (await revisionOf(folder, signal));
    const { maxPixels } = processor.options;
    const fingerprint = JSON.stringify({ context, maxPixels, runtime: engine.runtime });
    const inputs = asFileSays(folder, () => qwenInputs({ tokenizer, processor, config, decode: imageDecoder() }));
    const spoken = ignoreStop === true ? { ...tokenizer, stopTokens: [] } : tokenizer;
    const parts = { engine, config, weights, tokenizer: spoken, inputs, maxBatch, context, windowMs };
    const model = localChatModel({ name, revision, fingerprint, ...parts });
    open.add(() => model[Symbol.asyncDispose]());
    return { ...model, [Symbol.asyncDispose]: open.all };
  } catch (error) {
    await open.all();
    throw error;
  }
};
