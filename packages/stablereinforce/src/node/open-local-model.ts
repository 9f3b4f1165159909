/** A Hugging Face folder of Qwen2.5-VL as a chat model in this process: what `--model ./folder` opens. */
import { ConfigError, throwIfAborted } from "@r1reward/core";
import { basename, resolve } from "node:path";
import type { LocalChatModel } from "../qwen/chat/index.ts";
import { openJudgePool } from "./judge-pool.ts";
import { checkFolder, openHere, revisionOf, type OpenLocalModelOptions } from "./open-here.ts";

export type { OpenLocalModelOptions } from "./open-here.ts";

// The worker's address is relative to this file: workers must not import it, or bundlers would move it to a chunk elsewhere.
const openInWorkers = async (
  folder: string,
  workers: number,
  { workerUrl, maxBatch = 64, ...options }: OpenLocalModelOptions,
): Promise<LocalChatModel> => {
  if (options.engine !== undefined) throw new ConfigError("workers: they have engines of their own, got one");
  const { engine: _engine, signal, workers: _workers, name = basename(folder), threads = 1, ...rest } = options;
  await checkFolder(folder, options); // most of what can be wrong is said before a worker is started
  const revision = await revisionOf(folder, signal);
  const url = workerUrl ?? new URL("./judge-worker.js", import.meta.url);
  const each = { ...rest, name, threads, maxBatch: Math.ceil(maxBatch / workers) };
  return openJudgePool(url, { path: folder, revision, options: each }, { workers, signal });
};

/**
 * Opens a folder with `config.json`, weights in safetensors and `tokenizer.json`.
 *
 * @throws CheckpointError naming the file, ConfigError naming the field, EngineError, AbortError
 */
export const openLocalModel = async (path: string, options: OpenLocalModelOptions = {}): Promise<LocalChatModel> => {
  const { signal, workers = 1 } = options;
  throwIfAborted(signal);
  if (!Number.isSafeInteger(workers) || workers < 1) {
    throw new ConfigError(`workers: expected a positive whole number, got ${workers}`);
  }
  const folder = resolve(path);
  try {
    return await (workers === 1 ? openHere(folder, options) : openInWorkers(folder, workers, options));
  } catch (error) {
    throwIfAborted(signal); // files that are being read say so in their own way
    throw error;
  }
};
