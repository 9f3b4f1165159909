/** Weights in training on their way to a server: saved in a folder, loaded by the server, the folder before removed. */
import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { ConfigError, isR1Error, messageOf, OutputError, type CallOptions } from "@r1reward/core";
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Engine } from "../engine/types.ts";
import type { Reload } from "../policy/server-reload.ts";
import type { Params, SyncWeights } from "../policy/index.ts";

/** How weights get to the server. */
export interface ServerWeightsOptions {
  readonly engine: Engine;
  /** Where they are written, one folder inside of it for each loading. It is this program's alone: what else is in it is removed. */
  readonly folder: string;
  /** The same place as the server sees it, when it sees it under another path. */
  readonly serverFolder?: string | undefined;
  /** Steps between loadings; 1 by default: every rollout batch is sampled with the newest weights. */
  readonly every?: number | undefined;
  /** Writes weights into a folder that is not there yet. */
  readonly write: (folder: string, weights: Params<HostTensor>, options: CallOptions) => Promise<void>;
  readonly reload: Reload;
  /** Is told the model to ask for, after every loading. */
  readonly onLoaded: (model: string, step: number | undefined) => void | Promise<void>;
}

const NAME = /^step-\d+-[0-9a-f]{12}$/;

/** Two sets of weights never share a name: after a roll-back step 12 is another step 12. */
const nameOf = (step: number | undefined, weights: Params<HostTensor>): string => {
  const hash = createHash("sha256");
  for (const name of Object.keys(weights).sort()) {
    const { data } = weights[name] as HostTensor;
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return `step-${step ?? 0}-${hash.digest("hex").slice(0, 12)}`;
};

const downloaded = async (engine: Engine, params: Params<EngineTensor>): Promise<Params<HostTensor>> => {
  const weights: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(params)) weights[name] = await engine.read(tensor);
  return weights;
};

const isSystemError = (error: unknown): boolean => !isR1Error(error) && typeof (error as NodeJS.ErrnoException).syscall === "string"; // prettier-ignore

/** Folders of earlier loadings: nobody reads them once a later one was loaded. */
const clear = async (folder: string, keep: string): Promise<void> => {
  for (const name of await readdir(folder)) {
    if (NAME.test(name) && name !== keep) await rm(join(folder, name), { recursive: true, force: true });
  }
};

/**
 * The `sync` of `serverRollouts`: brings the weights before the first sampling, whenever training goes back, and at every multiple
 * of `every` steps. The folder of the last loading stays, since servers may read it again.
 *
 * @throws ModelError naming the server's address; OutputError and CheckpointError when weights cannot be written; AbortError.
 *   What was loaded before stays what it was, and its folder too.
 */
export const serverWeights = (options: ServerWeightsOptions): SyncWeights => {
  const { engine, every = 1, write, reload, onLoaded } = options;
  const serverFolder = options.serverFolder?.replace(/\/+$/, "");
  const folder = resolve(options.folder);
  if (!Number.isSafeInteger(every) || every < 1)
    throw new ConfigError(`serverWeights every: expected a whole number from 1, got ${every}`);
  let loadedAt: number | null = null;
  const isDue = (step: number | undefined): boolean =>
    step === undefined ||
    loadedAt === null ||
    step < loadedAt ||
    Math.floor(step / every) > Math.floor(loadedAt / every);
  const bring = async (path: string, weights: Params<HostTensor>, signal: AbortSignal): Promise<string> => {
    const name = basename(path);
    await mkdir(folder, { recursive: true });
    await rm(path, { recursive: true, force: true });
    await write(path, weights, { signal });
    return reload({ name, path: serverFolder === undefined ? path : `${serverFolder}/${name}` }, { signal });
  };
  return async (params, { step, signal }) => {
    if (!isDue(step)) return;
    const weights = await downloaded(engine, params);
    const path = join(folder, nameOf(step, weights));
    const model = await bring(path, weights, signal).catch(async (cause: unknown) => {
      await rm(path, { recursive: true, force: true }).catch(() => undefined); // the first error is the one to tell
      throw isSystemError(cause)
        ? new OutputError(`${path}: weights for the server: ${messageOf(cause)}`, { cause })
        : cause;
    });
    loadedAt = step ?? null;
    await onLoaded(model, step);
    await clear(folder, basename(path));
  };
};
