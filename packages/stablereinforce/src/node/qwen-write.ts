/** Writes a Hugging Face folder of Qwen2.5-VL that transformers and vLLM load. */
import { isR1Error, messageOf, throwIfAborted } from "@r1reward/core";
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { HostTensor } from "../engine/tensor.ts";
import { CheckpointError } from "../errors.ts";
import { qwenParameterShapes } from "../qwen/model/shapes.ts";
import type { QwenConfig, QwenParams } from "../qwen/model/types.ts";
import { bytesPerElement } from "../safetensors/dtype.ts";
import { assertFinite, fromFloat32, type FloatDtype } from "../safetensors/values.ts";
import type { SafetensorsTensor } from "../safetensors/types.ts";
import { syncFolder } from "./atomic-write.ts";
import { streamSafetensors } from "./safetensors-file.ts";

/** Gives a parameter when its turn comes, so that memory need not hold all of them. */
export type LoadParam = (name: string) => HostTensor | Promise<HostTensor>;

/** What is written. */
export interface WriteQwenOptions {
  readonly config: QwenConfig;
  /** By their names on disk; adapters must be merged before. */
  readonly params: QwenParams<HostTensor> | LoadParam;
  /** What the numbers are stored as. Default F32. */
  readonly dtype?: FloatDtype | undefined;
  /** Folder whose tokenizer, processor, chat template and generation files are taken along. */
  readonly from?: string | undefined;
  /** More files by name, or others in their place. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | undefined;
  /** Most bytes of weights in a file. Default 5·10⁹. */
  readonly maxShardBytes?: number | undefined;
  /** Replace a folder that is there. Default false: it must be missing or empty. */
  readonly overwrite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What belongs to a model beside its weights and sizes. */
const COMPANIONS = [
  "tokenizer.json",
  "tokenizer_config.json",
  "vocab.json",
  "merges.txt",
  "added_tokens.json",
  "special_tokens_map.json",
  "chat_template.json",
  "chat_template.jinja",
  "preprocessor_config.json",
  "video_preprocessor_config.json",
  "processor_config.json",
  "generation_config.json",
  "r1reward.json", // how a judge is asked
  "LICENSE",
];

const TORCH_NAME: Readonly<Record<FloatDtype, string>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  F64: "float64",
};

type Shape = readonly number[];

/** One file of weights. */
interface Shard {
  readonly file: string;
  readonly names: readonly string[];
}

const bytesOf = (shape: Shape, dtype: FloatDtype): number =>
  shape.reduce((product, n) => product * n, bytesPerElement(dtype));

const shardsOf = (shapes: ReadonlyMap<string, Shape>, dtype: FloatDtype, most: number): Shard[] => {
  const groups: string[][] = [[]];
  let size = 0;
  for (const [name, shape] of shapes) {
    const bytes = bytesOf(shape, dtype);
    if (size > 0 && size + bytes > most) {
      groups.push([]);
      size = 0;
    }
    (groups.at(-1) as string[]).push(name);
    size += bytes;
  }
  if (groups.length === 1) return [{ file: "model.safetensors", names: groups[0] as string[] }];
  const number = (i: number): string => String(i).padStart(5, "0");
  return groups.map((names, i) => ({
    file: `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
    names,
  }));
};

const loader =
  ({ params }: WriteQwenOptions): LoadParam =>
  (name) => {
    if (typeof params === "function") return params(name);
    const tensor = params[name];
    if (tensor !== undefined) return tensor;
    throw new CheckpointError({ file: "parameters", problem: "missing-tensor", tensor: name }, "expected this tensor");
  };

const stored = async (
  load: LoadParam,
  [name, shape]: readonly [string, Shape],
  dtype: FloatDtype,
): Promise<SafetensorsTensor> => {
  const { data, shape: got } = await load(name);
  if (got.join() !== shape.join() || !(data instanceof Float32Array)) {
    throw new CheckpointError(
      { file: "parameters", problem: "shape-mismatch", tensor: name },
      `expected float32 [${shape.join(", ")}], got [${got.join(", ")}]`,
    );
  }
  const tensor = fromFloat32(dtype, shape, data);
  assertFinite("parameters", name, tensor); // also what overflows in 16 bits
  return tensor;
};

const writeShards = async (folder: string, options: WriteQwenOptions): Promise<void> => {
  const dtype = options.dtype ?? "F32";
  const shapes = qwenParameterShapes(options.config);
  const shards = shardsOf(shapes, dtype, options.maxShardBytes ?? 5e9);
  const load = loader(options);
  const shapeOf = (name: string): Shape => shapes.get(name) as Shape;
  for (const { file, names } of shards) {
    const specs = names.map((name) => [name, { dtype, shape: shapeOf(name) }] as const);
    const give = (name: string): Promise<SafetensorsTensor> => stored(load, [name, shapeOf(name)], dtype);
    await streamSafetensors(join(folder, file), specs, give, { metadata: { format: "pt" }, signal: options.signal });
  }
  if (shards.length === 1) return;
  const total = [...shapes.values()].reduce((sum, shape) => sum + bytesOf(shape, dtype), 0);
  const map = Object.fromEntries(shards.flatMap(({ file, names }) => names.map((name) => [name, file])));
  const index = { metadata: { total_size: total }, weight_map: map };
  await writeFile(join(folder, "model.safetensors.index.json"), `${JSON.stringify(index, null, 2)}\n`);
};

const configText = ({ config, dtype }: WriteQwenOptions): string => {
  const { dtype: _new, torch_dtype: _old, ...rest } = config.json;
  const json = {
    ...rest,
    architectures: ["Qwen2_5_VLForConditionalGeneration"],
    tie_word_embeddings: config.text.tiedEmbeddings,
    torch_dtype: TORCH_NAME[dtype ?? "F32"],
  };
  return `${JSON.stringify(json, null, 2)}\n`;
};

const writeCompanions = async (folder: string, { from, files = {} }: WriteQwenOptions): Promise<void> => {
  const there = from === undefined ? [] : await readdir(from);
  for (const name of COMPANIONS) {
    if (from !== undefined && there.includes(name)) await copyFile(join(from, name), join(folder, name));
  }
  for (const [name, content] of Object.entries(files)) {
    if (!/^[\w.-]+$/.test(name) || /^\.+$/.test(name) || /^(config\.json|model.*\.(safetensors|json))$/.test(name)) {
      throw new CheckpointError({ file: name, problem: "bad-path" }, "expected the plain name of a companion file");
    }
    await writeFile(join(folder, name), content);
  }
};

/** Puts the finished folder in its place. Between the two renames of a replacement the old one has another name. */
const moveInto = async (made: string, path: string): Promise<void> => {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  const aside = `${made}.old`;
  if (exists) await rename(path, aside);
  await rename(made, path).catch(async (cause: unknown) => {
    if (exists) await rename(aside, path);
    throw cause;
  });
  await syncFolder(dirname(path));
  await rm(aside, { recursive: true, force: true });
};

const refuseFilled = async (path: string, overwrite: boolean): Promise<void> => {
  const entries = await readdir(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
  if (entries.length === 0 || overwrite) return;
  throw new CheckpointError(
    { file: path, problem: "io" },
    "expected a missing or empty folder; pass overwrite: true to replace it",
  );
};

/**
 * Writes weights, `config.json` and companion files into a new folder, which appears only when it is whole.
 *
 * @throws CheckpointError `missing-tensor`, `shape-mismatch`, `not-finite`, `bad-path`, `io`; AbortError. Nothing is left behind then.
 */
export const writeQwenFolder = async (path: string, options: WriteQwenOptions): Promise<void> => {
  throwIfAborted(options.signal);
  const target = resolve(path);
  const made = join(dirname(target), `.${basename(target)}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`);
  try {
    await refuseFilled(target, options.overwrite ?? false);
    await mkdir(made, { recursive: true });
    await writeCompanions(made, options);
    await writeShards(made, options);
    await writeFile(join(made, "config.json"), configText(options));
    await syncFolder(made);
    await moveInto(made, target);
  } catch (cause) {
    await rm(made, { recursive: true, force: true });
    if (isR1Error(cause) || (cause as Error).name === "AbortError") throw cause;
    throw new CheckpointError({ file: target, problem: "io" }, messageOf(cause), { cause });
  }
};
