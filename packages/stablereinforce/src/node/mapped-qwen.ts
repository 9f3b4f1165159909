/** A Hugging Face folder of Qwen2.5-VL whose weights stay in it: graphs read them where they lie. */
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Engine } from "../engine/types.ts";
import type { QwenConfig, QwenParams } from "../qwen/model/types.ts";
import type { FloatDtype } from "../safetensors/values.ts";
import {
  asCheckpointError,
  checkTiedHead,
  dtypeOf,
  EMBEDDING,
  HEAD,
  inFileOrder,
  openChecked,
  weightReader,
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

const place = async (
  folder: CheckedFolder,
  { engine, stays = () => true, signal }: MapQwenOptions,
  handles: EngineTensor[],
): Promise<QwenParams<HostTensor | EngineTensor>> => {
  const { source, names } = folder;
  const params: Record<string, HostTensor | EngineTensor> = {};
  const nameOf = new Map([...names].map(([name, stored]) => [stored, name]));
  const staying = (stored: string): boolean => stays(nameOf.get(stored) as string);
  const all = inFileOrder(folder);
  const loaded = all.filter((one) => !staying(one));
  const read = weightReader(folder, loaded, signal);
  for (const stored of all) {
    const name = nameOf.get(stored) as string;
    if (staying(stored)) {
      await source.check(stored, signal);
      const handle = await engine.frozen(source, stored);
      handles.push(handle);
      params[name] = handle;
    } else params[name] = await read(stored);
  }
  return params;
};

/** Leaves out a head that is the embedding. @throws CheckpointError `bad-name` when it is another one */
const withoutTiedHead = async (
  folder: CheckedFolder,
  params: QwenParams<HostTensor | EngineTensor>,
): Promise<QwenParams<HostTensor | EngineTensor>> => {
  const { names, config, path } = folder;
  const { [HEAD]: head, ...rest } = params;
  if (head === undefined || !config.text.tiedEmbeddings) return params;
  const [again, embedding] = [names.get(HEAD) as string, names.get(EMBEDDING) as string];
  const read = weightReader(folder, [again, embedding], undefined);
  checkTiedHead(await read(again), await read(embedding), path);
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
    throw asCheckpointError(path, cause);
  }
};
