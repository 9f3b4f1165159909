/** Names of checkpoints in a store. Each attempt at a step has a folder of its own: nothing whole is ever written over. */
import type { CheckpointStore } from "./types.ts";

/** One checkpoint's folder. */
export interface CheckpointFolder {
  readonly name: string;
  readonly step: number;
  readonly attempt: number;
  /** Paths of its files. */
  readonly files: readonly string[];
  /** Is there a manifest? Without one the checkpoint was never finished. */
  readonly finished: boolean;
}

/** Name of the manifest in its folder. */
export const MANIFEST = "manifest.json";

const PATTERN = /^(step-(\d{9,})\.(\d+))\/[^/]+$/;

/** The folder of an attempt. */
export const folderName = (step: number, attempt: number): string => `step-${String(step).padStart(9, "0")}.${attempt}`;

/** All checkpoints of a store, latest first. Files of other names are none of ours. */
export const foldersOf = async (store: CheckpointStore): Promise<readonly CheckpointFolder[]> => {
  const found = new Map<string, { step: number; attempt: number; files: string[] }>();
  for (const path of await store.list()) {
    const match = PATTERN.exec(path);
    if (match === null) continue;
    const [, name = "", step, attempt] = match;
    const folder = found.get(name) ?? { step: Number(step), attempt: Number(attempt), files: [] };
    folder.files.push(path);
    found.set(name, folder);
  }
  return [...found]
    .map(([name, folder]) => ({ name, ...folder, finished: folder.files.includes(`${name}/${MANIFEST}`) }))
    .sort((a, b) => b.step - a.step || b.attempt - a.attempt);
};
