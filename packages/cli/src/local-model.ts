/** A model in a folder, or one that came with the install, run in this process: `--model ./folder`, `--model tiny`. */
import { readdir, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { ChatModel } from "@r1reward/core";
import { bundledModel } from "./bundled-models.ts";
import { flagError, type JudgeFlags } from "./options.ts";

/** A model that must be closed. */
export type OpenModel = ChatModel & AsyncDisposable;

const looksLikePath = (name: string): boolean => /^(\.{0,2}[/\\]|\.{1,2}$|[A-Za-z]:[/\\])/.test(name);

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/**
 * Is the model one of the install, or a folder, rather than a name that a server knows? A path always is (`./judge`, `/models/judge`); a plain name is one
 * when there is no server to ask and a folder of that name.
 */
export const isLocal = async ({ model, baseUrl = [] }: Pick<JudgeFlags, "model" | "baseUrl">): Promise<boolean> => {
  if (model === undefined) return false;
  if (bundledModel({ model, baseUrl }) !== undefined) return true;
  return looksLikePath(model) || (baseUrl.length === 0 && (await isFolder(model)));
};

/** What says which model is opened, and how. */
export type LocalFlags = Pick<JudgeFlags, "model" | "baseUrl" | "maxPixels" | "concurrency" | "mapWeights">;

/**
 * The addresses of the server that a model which is not run here is asked on.
 *
 * @param missing The flag to name when neither a server nor a model is, and what it expects.
 * @throws ConfigError when there is no server, or a flag that only a folder has a use for
 */
export const serverOf = (
  { baseUrl = [], model, mapWeights }: Pick<LocalFlags, "baseUrl" | "model" | "mapWeights">,
  [missing, wanted]: readonly [flag: string, wanted: string],
): readonly string[] => {
  if (mapWeights === true) throw flagError("--map-weights", "expected a folder as --model: a server has its own");
  if (baseUrl.length > 0) return baseUrl;
  if (model === undefined)
    throw flagError(missing, `${wanted}, or a model to run here: --model tiny, --model ./folder`);
  throw flagError("--model", `expected tiny, a folder, or a server that has "${model}": --base-url …`);
};

/** Weights that every worker can have a copy of: 256 MiB. */
const SMALL = 2 ** 28;

const isSmall = async (folder: string): Promise<boolean> => {
  const names = await readdir(folder).catch(() => []);
  const sizes = names.filter((name) => name.endsWith(".safetensors")).map((name) => stat(join(folder, name)));
  return (await Promise.all(sizes)).reduce((sum, { size }) => sum + size, 0) <= SMALL;
};

/**
 * Opens the folder that `--model` names.
 * @throws CheckpointError naming the file, ConfigError naming the field
 */
export const openLocal = async (flags: LocalFlags, signal: AbortSignal): Promise<OpenModel> => {
  const { openLocalModel } = await import("@r1reward/stablereinforce/node"); // a second that no other command should wait
  const { model, maxPixels, concurrency, mapWeights } = flags;
  if (model === undefined) throw flagError("--model", "expected a folder");
  const bundled = bundledModel(flags);
  const folder = bundled?.path ?? model;
  const workers = (await isSmall(folder)) ? availableParallelism() : 1;
  const named = bundled === undefined ? {} : { name: `r1reward-${bundled.name}` };
  const how = { maxPixels, mapWeights, maxBatch: Math.min(64, concurrency), workers, signal };
  return openLocalModel(folder, { ...how, ...named });
};
