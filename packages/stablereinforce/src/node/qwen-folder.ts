/** Reads a Hugging Face folder of Qwen2.5-VL. */
import { isR1Error, messageOf, throwIfAborted } from "@r1reward/core";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { HostTensor } from "../engine/tensor.ts";
import { CheckpointError } from "../errors.ts";
import { parseQwenConfig } from "../qwen/model/config.ts";
import { diskName } from "../qwen/model/names.ts";
import { qwenParameterShapes } from "../qwen/model/shapes.ts";
import type { QwenConfig, QwenParams } from "../qwen/model/types.ts";
import { elementsOf } from "../safetensors/dtype.ts";
import type { FloatDtype } from "../safetensors/values.ts";
import { readJson } from "./read-json.ts";
import type { TensorSource } from "./safetensors-file.ts";
import { openWeights, type OpenCheckpointOptions } from "./sharded.ts";

/** How a folder is read. */
export interface ReadQwenOptions extends Pick<OpenCheckpointOptions, "allowLinks"> {
  readonly signal?: AbortSignal | undefined;
}

/** A model from the disk. */
export interface QwenFolder {
  readonly path: string;
  readonly config: QwenConfig;
  /** Float32, whatever the file has. */
  readonly params: QwenParams<HostTensor>;
  /** What the numbers are stored as. */
  readonly dtype: FloatDtype;
}

/** Names of the two that may be one. */
export const [EMBEDDING, HEAD] = ["model.embed_tokens.weight", "lm_head.weight"] as const;

const FLOATS: ReadonlySet<string> = new Set(["F32", "F16", "BF16", "F64"]);

/** Weights in pickles are code; they are named, not opened. */
const refusePickles = async (folder: string): Promise<void> => {
  const files = await readdir(folder).catch(() => []);
  if (files.some((name) => name.endsWith(".safetensors") || name.endsWith(".safetensors.index.json"))) return;
  const pickle = files.find((name) => /\.(bin|pt|pth|ckpt|pkl)$/.test(name));
  if (pickle === undefined) return;
  throw new CheckpointError(
    { file: join(folder, pickle), problem: "pickle" },
    "expected safetensors: save the model again with safe_serialization=True",
  );
};

/** Where each parameter is: its name on disk → the name in the file. */
const namesIn = (source: TensorSource, path: string): ReadonlyMap<string, string> => {
  const names = new Map<string, string>();
  for (const name of source.names) {
    const canonical = diskName(name);
    if (names.has(canonical)) {
      throw new CheckpointError({ file: path, problem: "bad-name", tensor: name }, `expected ${canonical} only once`);
    }
    names.set(canonical, name);
  }
  return names;
};

/** Every parameter there, of its shape, and nothing else; before anything is allocated. */
const checkAll = (source: TensorSource, names: ReadonlyMap<string, string>, config: QwenConfig, file: string): void => {
  const expected = qwenParameterShapes(config);
  for (const [name, shape] of expected) {
    const stored = names.get(name);
    const fail = (problem: "missing-tensor" | "shape-mismatch" | "bad-dtype", message: string) =>
      new CheckpointError({ file, problem, tensor: stored ?? name }, message);
    if (stored === undefined) throw fail("missing-tensor", "expected this tensor, which config.json asks for");
    const entry = source.entry(stored);
    if (entry.shape.join() !== shape.join()) {
      throw fail("shape-mismatch", `expected [${shape.join(", ")}], got [${entry.shape.join(", ")}]`);
    }
    if (!FLOATS.has(entry.dtype)) throw fail("bad-dtype", `expected F32, F16, BF16 or F64, got ${entry.dtype}`);
  }
  for (const [name, stored] of names) {
    const copyOfEmbedding = name === HEAD && config.text.tiedEmbeddings; // some writers save it twice
    if (expected.has(name) || copyOfEmbedding) continue;
    throw new CheckpointError({ file, problem: "bad-name", tensor: stored }, "expected no such tensor in this model");
  }
};

/** Names in the order in which their bytes lie: the disk is read forwards. */
export const inFileOrder = ({ source, names }: CheckedFolder): string[] => {
  const places = new Map([...names.values()].map((name) => [name, source.locate(name)]));
  const placeOf = (name: string) => places.get(name) as { path: string; offset: number };
  return [...places.keys()].sort((a, b) => {
    const [x, y] = [placeOf(a), placeOf(b)];
    return x.path < y.path ? -1 : x.path > y.path ? 1 : x.offset - y.offset;
  });
};

/** Most numbers of an array that weights are parts of. */
const SLAB = 2 ** 26;

/** How many numbers a tensor has. */
const numbersOf = (source: TensorSource, stored: string): number => elementsOf(source.entry(stored).shape) as number; // headers are checked

/**
 * Reads these weights as float32, every number looked at. They are parts of few large arrays: V8 would look for garbage at each of many.
 * @param all Names in their files of everything that will be read.
 */
export const weightReader = (
  { source }: CheckedFolder,
  all: readonly string[],
  signal: AbortSignal | undefined,
): ((stored: string) => Promise<HostTensor>) => {
  const total = all.reduce((sum, stored) => sum + numbersOf(source, stored), 0);
  const slab = { array: new Float32Array(0), used: 0, left: total };
  const take = (size: number): Float32Array => {
    if (slab.used + size > slab.array.length) {
      slab.array = new Float32Array(Math.max(size, Math.min(SLAB, slab.left)));
      slab.used = 0;
    }
    slab.left -= size;
    return slab.array.subarray(slab.used, (slab.used += size));
  };
  return async (stored) => {
    const data = take(numbersOf(source, stored));
    await source.readFloats(stored, data, signal);
    return { data, shape: source.entry(stored).shape, dtype: "float32" };
  };
};

const readParams = async (folder: CheckedFolder, signal: AbortSignal | undefined): Promise<QwenParams<HostTensor>> => {
  const params: Record<string, HostTensor> = {};
  const stored = inFileOrder(folder);
  const read = weightReader(folder, stored, signal);
  for (const name of stored) params[diskName(name)] = await read(name);
  return params;
};

/** A tied head that was saved as well must be the embedding. @throws CheckpointError `bad-name` */
export const checkTiedHead = (head: HostTensor, embedding: HostTensor, file: string): void => {
  if (head.data.length === embedding.data.length && head.data.every((x, i) => x === embedding.data[i])) return;
  throw new CheckpointError(
    { file, problem: "bad-name", tensor: HEAD },
    "expected the embedding, which config.json says it is tied to",
  );
};

const dropTiedHead = (params: QwenParams<HostTensor>, config: QwenConfig, file: string): QwenParams<HostTensor> => {
  const { [HEAD]: head, ...rest } = params;
  if (head === undefined || !config.text.tiedEmbeddings) return params;
  checkTiedHead(head, rest[EMBEDDING] as HostTensor, file);
  return rest;
};

/** A folder of which everything was checked that headers tell. Dispose it to close its files. */
export interface CheckedFolder extends AsyncDisposable {
  readonly path: string;
  readonly source: TensorSource;
  /** Names on disk by the names that parameters have. */
  readonly names: ReadonlyMap<string, string>;
  readonly config: QwenConfig;
}

/** What opening a folder throws: an error of ours, an abortion, or whatever it was as `io`. */
export const asCheckpointError = (path: string, cause: unknown): unknown =>
  isR1Error(cause) || (cause as Error).name === "AbortError"
    ? cause
    : new CheckpointError({ file: path, problem: "io" }, messageOf(cause), { cause });

/**
 * Works with what a file says. What cannot be configured so is the file's fault, not that of somebody's options.
 * @throws CheckpointError `bad-metadata` naming file and field
 */
export const asFileSays = <T>(file: string, work: () => T): T => {
  try {
    return work();
  } catch (cause) {
    if (!isR1Error(cause) || cause.code !== "R1_CONFIG") throw cause;
    const [said, name] = [cause.message, basename(file)];
    const problem = said.startsWith(name) ? said.slice(name.length).replace(/^:? /, "") : said;
    throw new CheckpointError({ file, problem: "bad-metadata" }, problem, { cause });
  }
};

/** Opens a folder and checks names, shapes and dtypes. @throws as `readQwenFolder`, but for `not-finite` */
export const openChecked = async (path: string, options: ReadQwenOptions): Promise<CheckedFolder> => {
  const { signal, allowLinks } = options;
  throwIfAborted(signal);
  const configFile = join(path, "config.json");
  const json = await readJson(configFile);
  await refusePickles(path);
  const source = await openWeights(path, { allowLinks });
  try {
    const names = namesIn(source, path);
    const config = asFileSays(configFile, () => parseQwenConfig(json, { tied: !names.has(HEAD) }));
    checkAll(source, names, config, path);
    return { path, source, names, config, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
  } catch (cause) {
    await source[Symbol.asyncDispose]();
    throw asCheckpointError(path, cause);
  }
};

/** Opens a folder, and closes it after the work. */
const inFolder = async <T>(
  path: string,
  options: ReadQwenOptions,
  work: (folder: CheckedFolder) => T | Promise<T>,
): Promise<T> => {
  const folder = await openChecked(path, options);
  try {
    return await work(folder);
  } catch (cause) {
    throw asCheckpointError(path, cause);
  } finally {
    await folder[Symbol.asyncDispose]();
  }
};

/** What the embedding is stored as, and so what the model is said to be. */
export const dtypeOf = ({ source, names }: CheckedFolder): FloatDtype =>
  source.entry(names.get(EMBEDDING) as string).dtype as FloatDtype;

/**
 * Reads `config.json` and the weights of a folder: one file or shards with an index, BF16, F16, F32 or F64, names as on the hub or
 * as in a running model.
 *
 * @throws CheckpointError naming file and field (`bad-metadata`), or file and tensor: `missing-tensor`, `shape-mismatch`, `bad-name`,
 * `bad-dtype`, `not-finite`, `pickle`, `bad-path`, `bad-index`, `io`, …; AbortError.
 */
export const readQwenFolder = (path: string, options: ReadQwenOptions = {}): Promise<QwenFolder> =>
  inFolder(path, options, async (folder) => {
    const { config } = folder;
    const params = dropTiedHead(await readParams(folder, options.signal), config, path);
    return { path, config, params, dtype: dtypeOf(folder) };
  });

/** Checks a folder as `readQwenFolder` does, but for the numbers, which it does not read. @throws as `readQwenFolder` */
export const checkQwenFolder = (path: string, options: ReadQwenOptions = {}): Promise<QwenConfig> =>
  inFolder(path, options, ({ config }) => config);
