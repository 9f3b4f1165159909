/** What a Hugging Face folder of Qwen2.5-VL holds beside its weights, read together with them. */
import { join } from "node:path";
import { processorOptionsFrom, qwenTokenizer, type QwenTokenizer } from "../qwen/inputs/index.ts";
import type { ProcessorOptions } from "../qwen/inputs/types.ts";
import { readQwenFolder, type QwenFolder, type ReadQwenOptions } from "./qwen-folder.ts";
import { readJson } from "./read-json.ts";

/** A folder, whole. */
export interface QwenParts extends Pick<QwenFolder, "config" | "params"> {
  readonly tokenizer: QwenTokenizer;
  /** What `preprocessor_config.json` says; nothing without one. */
  readonly processor: ProcessorOptions;
}

/** Reads a folder whole. @throws CheckpointError naming the file, ConfigError naming the field, AbortError */
export const readQwenParts = async (path: string, options: ReadQwenOptions = {}): Promise<QwenParts> => {
  const json = await readJson(join(path, "tokenizer.json"));
  const preprocessor = await readJson(join(path, "preprocessor_config.json"), true);
  const { config, params } = await readQwenFolder(path, options);
  const tokenizer = qwenTokenizer(json, { vocabSize: config.text.vocabSize });
  return { config, params, tokenizer, processor: preprocessor === undefined ? {} : processorOptionsFrom(preprocessor) };
};
