/** What a Hugging Face folder of Qwen2.5-VL holds beside its weights, read together with them. */
import { join } from "node:path";
import { processorOptionsFrom, qwenProcessor, qwenTokenizer, type QwenTokenizer } from "../qwen/inputs/index.ts";
import type { ProcessorOptions } from "../qwen/inputs/types.ts";
import { asFileSays, checkQwenFolder, readQwenFolder, type QwenFolder, type ReadQwenOptions } from "./qwen-folder.ts";
import { mapQwenFolder, type MappedQwenFolder, type MapQwenOptions } from "./mapped-qwen.ts";
import { readJson } from "./read-json.ts";

/** A folder, whole. */
export interface QwenParts extends Pick<QwenFolder, "config" | "params"> {
  readonly tokenizer: QwenTokenizer;
  /** What `preprocessor_config.json` says; nothing without one. */
  readonly processor: ProcessorOptions;
}

/** The folder's processor, with a budget of pixels: whichever is smaller, for a model was made for no more than its own. */
export const processorWithin = (known: ProcessorOptions, maxPixels: number | undefined) => {
  const { maxPixels: own = Infinity } = known;
  const asked = maxPixels ?? own;
  const most = asked > own ? own : asked; // what is no number stays, and is refused
  return qwenProcessor(most === Infinity ? known : { ...known, maxPixels: most });
};

/** Reads what lies beside the weights, and the folder in the given way. @throws CheckpointError naming the file; what `readFolder` throws */
const withCompanions = async <F extends Pick<QwenFolder, "config">>(path: string, readFolder: () => Promise<F>) => {
  const [tokenizerFile, processorFile] = [join(path, "tokenizer.json"), join(path, "preprocessor_config.json")];
  const json = await readJson(tokenizerFile);
  const preprocessor = await readJson(processorFile, true);
  const folder = await readFolder();
  const { vocabSize } = folder.config.text;
  const tokenizer = asFileSays(tokenizerFile, () => qwenTokenizer(json, { vocabSize }));
  const processor =
    preprocessor === undefined ? {} : asFileSays(processorFile, () => processorOptionsFrom(preprocessor));
  return { ...folder, tokenizer, processor };
};

/** Reads a folder whole. @throws CheckpointError naming the file and what is wrong in it, AbortError */
export const readQwenParts = async (path: string, options: ReadQwenOptions = {}): Promise<QwenParts> =>
  withCompanions(path, () => readQwenFolder(path, options));

/**
 * Opens a folder whose weights stay in it; `close` it at the end.
 * @throws as `readQwenParts`
 */
export const mapQwenParts = async (path: string, options: MapQwenOptions) => {
  const open: MappedQwenFolder[] = [];
  const close = async (): Promise<void> => {
    for (const folder of open.splice(0)) await folder[Symbol.asyncDispose]();
  };
  const read = async (): Promise<MappedQwenFolder> => {
    const folder = await mapQwenFolder(path, options);
    open.push(folder);
    return folder;
  };
  try {
    return { ...(await withCompanions(path, read)), close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Reads a folder but for its weights, of which names, shapes and dtypes are checked. @throws as `readQwenParts` */
export const checkQwenParts = async (path: string, options: ReadQwenOptions = {}): Promise<Omit<QwenParts, "params">> =>
  withCompanions(path, async () => ({ config: await checkQwenFolder(path, options) }));
