/** A model in a folder, run in this process: `--model ./folder`. Loaded only when it is asked for. */
import { stat } from "node:fs/promises";
import type { ChatModel } from "@r1reward/core";
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
 * Is the model a folder, rather than a name that a server knows? A path always is (`./judge`, `/models/judge`); a plain name is one
 * when there is no server to ask and a folder of that name.
 */
export const isLocal = async ({ model, baseUrl = [] }: JudgeFlags): Promise<boolean> => {
  if (model === undefined) return false;
  return looksLikePath(model) || (baseUrl.length === 0 && (await isFolder(model)));
};

/**
 * Opens the folder that `--model` names.
 * @throws CheckpointError naming the file, ConfigError naming the field
 */
export const openLocal = async (flags: JudgeFlags, signal: AbortSignal): Promise<OpenModel> => {
  const { openLocalModel } = await import("@r1reward/stablereinforce/node"); // a second that no other command should wait
  const { model, maxPixels, concurrency } = flags;
  if (model === undefined) throw flagError("--model", "expected a folder");
  return openLocalModel(model, { maxPixels, maxBatch: Math.min(64, concurrency), signal });
};
