/** Reads a Hugging Face folder of Qwen2.5-VL. */
import { isR1Error, messageOf, throwIfAborted } from "@r1reward/core";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { HostTensor } from "../engine/tensor.ts";
import { CheckpointError } from "../errors.ts";
import { parseQwenConfig } from "../qwen/model/config.ts";
import { diskName } from "../qwen/model/names.ts";
import { qwenParameterShapes } from "../qwen/model/shapes.ts";
import type { QwenConfig, QwenParams } from "../qwen/model/types.ts";
import { assertFinite, toFloat32, type FloatDtype } from "../safetensors/values.ts";
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
    const copyOfEmbedding = name === "lm_head.weight" && config.text.tiedEmbeddings; // some writers save it twice
    if (expected.has(name) || copyOfEmbedding) continue;
    throw new CheckpointError({ file, problem: "bad-name", tensor: stored }, "expected no such tensor in this model");
  }
};

/** Names in the order in which their bytes lie: the disk is read forwards. */
const inFileOrder = (source: TensorSource, names: readonly string[]): string[] => {
  const places = new Map(names.map((name) => [name, source.locate(name)]));
  const placeOf = (name: string) => places.get(name) as { path: string; offset: number };
  return [...names].sort((a, b) => {
    const [x, y] = [placeOf(a), placeOf(b)];
    return x.path < y.path ? -1 : x.path > y.path ? 1 : x.offset - y.offset;
  });
};

/** Reads tensors one ahead: the next one comes from the disk while this one is checked and converted. */
async function* readAhead(source: TensorSource, names: readonly string[], signal: AbortSignal | undefined) {
  let next = names[0] === undefined ? undefined : source.read(names[0], { signal });
  for (const [i, name] of names.entries()) {
    const following = names[i + 1];
    const current = await next;
    next = following === undefined ? undefined : source.read(following, { signal });
    next?.catch(() => undefined); // awaited in the next round, if there is one
    if (current !== undefined) yield [name, current] as const;
  }
}

const readParams = async (
  source: TensorSource,
  names: ReadonlyMap<string, string>,
  [file, signal]: readonly [string, AbortSignal | undefined],
): Promise<QwenParams<HostTensor>> => {
  const params: Record<string, HostTensor> = {};
  for await (const [stored, tensor] of readAhead(source, inFileOrder(source, [...names.values()]), signal)) {
    throwIfAborted(signal);
    assertFinite(file, stored, tensor);
    params[diskName(stored)] = { data: toFloat32(tensor), shape: tensor.shape, dtype: "float32" };
  }
  return params;
};

/** A tied head that was saved as well must be the embedding. */
const dropTiedHead = (params: QwenParams<HostTensor>, config: QwenConfig, file: string): QwenParams<HostTensor> => {
  const { "lm_head.weight": head, ...rest } = params;
  if (head === undefined || !config.text.tiedEmbeddings) return params;
  const embedding = rest["model.embed_tokens.weight"] as HostTensor;
  if (head.data.length === embedding.data.length && head.data.every((x, i) => x === embedding.data[i])) return rest;
  throw new CheckpointError(
    { file, problem: "bad-name", tensor: "lm_head.weight" },
    "expected the embedding, which config.json says it is tied to",
  );
};

interface Checked {
  readonly source: TensorSource;
  readonly names: ReadonlyMap<string, string>;
  readonly config: QwenConfig;
}

/** Opens a folder, checks everything that headers tell, and closes it after the work. */
const inFolder = async <T>(
  path: string,
  { signal, allowLinks }: ReadQwenOptions,
  work: (folder: Checked) => T | Promise<T>,
): Promise<T> => {
  throwIfAborted(signal);
  const json = await readJson(join(path, "config.json"));
  await refusePickles(path);
  const source = await openWeights(path, { allowLinks });
  try {
    const names = namesIn(source, path);
    const config = parseQwenConfig(json, { tied: !names.has("lm_head.weight") });
    checkAll(source, names, config, path);
    return await work({ source, names, config });
  } catch (cause) {
    throw isR1Error(cause) || (cause as Error).name === "AbortError"
      ? cause
      : new CheckpointError({ file: path, problem: "io" }, messageOf(cause), { cause });
  } finally {
    await source[Symbol.asyncDispose]();
  }
};

/**
 * Reads `config.json` and the weights of a folder: one file or shards with an index, BF16, F16, F32 or F64, names as on the hub or
 * as in a running model.
 *
 * @throws ConfigError naming the field; CheckpointError naming file and tensor: `missing-tensor`, `shape-mismatch`, `bad-name`,
 * `bad-dtype`, `not-finite`, `pickle`, `bad-path`, `bad-index`, `io`, …; AbortError.
 */
export const readQwenFolder = (path: string, options: ReadQwenOptions = {}): Promise<QwenFolder> =>
  inFolder(path, options, async ({ source, names, config }) => {
    const params = dropTiedHead(await readParams(source, names, [path, options.signal]), config, path);
    const dtype = source.entry(names.get("model.embed_tokens.weight") as string).dtype as FloatDtype;
    return { path, config, params, dtype };
  });

/** Checks a folder as `readQwenFolder` does, but for the numbers, which it does not read. @throws as `readQwenFolder` */
export const checkQwenFolder = (path: string, options: ReadQwenOptions = {}): Promise<QwenConfig> =>
  inFolder(path, options, ({ config }) => config);
