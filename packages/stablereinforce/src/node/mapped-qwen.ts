/** A Hugging Face folder of Qwen2.5-VL whose weights stay in it: graphs read them where they lie. */
import { isR1Error, messageOf, throwIfAborted } from "@r1reward/core";
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Engine } from "../engine/types.ts";
import { CheckpointError } from "../errors.ts";
import type { QwenConfig, QwenParams } from "../qwen/model/types.ts";
import { assertFinite, type FloatDtype } from "../safetensors/values.ts";
import type { SafetensorsTensor } from "../safetensors/types.ts";
import {
  checkedWeight,
  checkTiedHead,
  dtypeOf,
  EMBEDDING,
  HEAD,
  inFileOrder,
  oneAhead,
  openChecked,
  type CheckedFolder,
  type ReadQwenOptions,
} from "./qwen-folder.ts";

/** How a folder is mapped. */
export interface MapQwenOptions extends ReadQwenOptions {
  readonly engine: Engine;
  /** Which parameters stay in their files; the others are read into memory. All by default. */
  readonly stays?: ((name: string) => boolean) | undefined;
}

/** A model on the disk. Dispose it when nothing uses its weights any more. */
export interface MappedQwenFolder extends AsyncDisposable {
  readonly path: string;
  readonly config: QwenConfig;
  /** Handles of `engine.frozen` for what stays, float32 arrays for the others. */
  readonly params: QwenParams<HostTensor | EngineTensor>;
  /** What the numbers are stored as. */
  readonly dtype: FloatDtype;
}

/** Most bytes of one look at a tensor that stays. */
const WINDOW = 2 ** 24;

/** Some rows of a tensor. */
interface Part {
  readonly stored: string;
  readonly rows: readonly [from: number, to: number] | undefined;
}

/** What is read of a tensor at a time: all of it where it goes into memory. */
function* partsOf({ source }: CheckedFolder, stored: string, whole: boolean): Generator<Part> {
  const { shape, begin, end } = source.entry(stored);
  const [count = 1] = shape;
  if (whole || shape.length === 0 || end - begin <= WINDOW) return yield { stored, rows: undefined };
  const step = Math.max(1, Math.floor((count * WINDOW) / (end - begin)));
  for (let from = 0; from < count; from += step) yield { stored, rows: [from, Math.min(count, from + step)] };
}

type Read = Part & { readonly tensor: SafetensorsTensor };

/** @throws CheckpointError `not-finite`, with the element's place in the whole tensor */
const checkPart = (path: string, { stored, rows, tensor }: Read): void => {
  const before = rows === undefined ? 0 : rows[0] * tensor.shape.slice(1).reduce((product, n) => product * n, 1);
  assertFinite(path, stored, tensor, before);
};

const place = async (
  folder: CheckedFolder,
  { engine, stays = () => true, signal }: MapQwenOptions,
  handles: EngineTensor[],
): Promise<QwenParams<HostTensor | EngineTensor>> => {
  const { source, path, names } = folder;
  const params: Record<string, HostTensor | EngineTensor> = {};
  const nameOf = new Map([...names].map(([name, stored]) => [stored, name]));
  const staying = (stored: string): boolean => stays(nameOf.get(stored) as string);
  const parts = inFileOrder(folder).flatMap((stored) => [...partsOf(folder, stored, !staying(stored))]);
  const read = async (part: Part): Promise<Read> => ({
    ...part,
    tensor: await source.read(part.stored, { ...part, signal }),
  });
  for await (const part of oneAhead(parts.map((one) => () => read(one)))) {
    throwIfAborted(signal);
    const name = nameOf.get(part.stored) as string;
    if (!stays(name)) params[name] = checkedWeight(path, part.stored, part.tensor);
    else {
      checkPart(path, part);
      if (name in params) continue; // its first rows were looked at before
      const handle = await engine.frozen(source, part.stored);
      handles.push(handle);
      params[name] = handle;
    }
  }
  return params;
};

/** Leaves out a head that is the embedding. @throws CheckpointError `bad-name` when it is another one */
const withoutTiedHead = async (
  { source, names, config, path }: CheckedFolder,
  params: QwenParams<HostTensor | EngineTensor>,
): Promise<QwenParams<HostTensor | EngineTensor>> => {
  const { [HEAD]: head, ...rest } = params;
  if (head === undefined || !config.text.tiedEmbeddings) return params;
  const read = async (name: string): Promise<HostTensor> => {
    const stored = names.get(name) as string;
    return checkedWeight(path, stored, await source.read(stored));
  };
  checkTiedHead(await read(HEAD), await read(EMBEDDING), path);
  return rest;
};

/**
 * Opens a folder as `readQwenFolder` does, every number checked, but leaves weights in their files: on `onnx-node` graphs map them,
 * 16-bit numbers stay 16-bit numbers until a graph multiplies with them, and processes share their pages. Other runtimes, and GPUs, have them
 * in memory. The files must not change meanwhile; graphs refuse those that have.
 *
 * @throws as `readQwenFolder`
 */
export const mapQwenFolder = async (path: string, options: MapQwenOptions): Promise<MappedQwenFolder> => {
  const folder = await openChecked(path, options);
  const handles: EngineTensor[] = [];
  const close = async (): Promise<void> => {
    options.engine.dispose(handles);
    await folder[Symbol.asyncDispose]();
  };
  try {
    const params = await withoutTiedHead(folder, await place(folder, options, handles));
    const { config } = folder;
    return { path, config, params, dtype: dtypeOf(folder), [Symbol.asyncDispose]: close };
  } catch (cause) {
    await close();
    if (isR1Error(cause) || (cause as Error).name === "AbortError") throw cause;
    throw new CheckpointError({ file: path, problem: "io" }, messageOf(cause), { cause });
  }
};
