/** Saving: tensors first, the manifest last. */
import { ConfigError, throwIfAborted } from "@r1reward/core";
import type { Snapshot } from "../train/types.ts";
import { folderName, foldersOf, MANIFEST, type CheckpointFolder } from "./folders.ts";
import { encodeManifest, sha256, type ManifestFile } from "./manifest.ts";
import { encodeTensors, shardsOf } from "./tensors.ts";
import type { CheckpointStore, SaveCheckpointOptions } from "./types.ts";

const GIB = 2 ** 30;

const checkOptions = ({ keep = Infinity, maxFileBytes = GIB }: SaveCheckpointOptions): void => {
  if (!(keep >= 1)) throw new ConfigError(`saveCheckpoint keep: expected a number from 1, got ${keep}`);
  if (!(maxFileBytes >= 1)) throw new ConfigError(`saveCheckpoint maxFileBytes: expected from 1, got ${maxFileBytes}`);
};

/** The manifest goes first, so that what is half removed is no checkpoint any more. */
const removeFolder = async (store: CheckpointStore, { name, files }: CheckpointFolder): Promise<void> => {
  const manifest = `${name}/${MANIFEST}`;
  await store.remove(manifest);
  for (const path of files) if (path !== manifest) await store.remove(path);
};

/** Removes finished checkpoints beyond `keep`, and what killed saves of this step or earlier left behind. */
const tidyUp = async (store: CheckpointStore, step: number, keep: number): Promise<void> => {
  const folders = await foldersOf(store);
  const whole = folders.filter(({ finished }) => finished);
  const unfinished = folders.filter((folder) => !folder.finished && folder.step <= step);
  for (const folder of [...whole.slice(keep), ...unfinished]) await removeFolder(store, folder);
};

const writeParts = async (
  store: CheckpointStore,
  snapshot: Snapshot,
  where: { readonly name: string; readonly options: SaveCheckpointOptions },
): Promise<ManifestFile[]> => {
  const { maxFileBytes = GIB, signal } = where.options;
  const shards = (["weights", "optimiser"] as const).flatMap((part) => shardsOf(part, snapshot[part], maxFileBytes));
  const files: ManifestFile[] = [];
  for (const [file, tensors] of shards) {
    throwIfAborted(signal);
    const bytes = encodeTensors(file, tensors);
    await store.write(`${where.name}/${file}`, bytes);
    files.push({ name: file, bytes: bytes.byteLength, sha256: await sha256(bytes) });
  }
  return files;
};

/**
 * Saves a snapshot as a new checkpoint. Whatever happens on the way, those saved before remain whole; the new one counts from
 * the moment its manifest is there.
 *
 * @returns The checkpoint's folder in the store.
 * @throws CheckpointError `io` when the store cannot write, ConfigError, AbortError
 */
export const saveCheckpoint = async (
  store: CheckpointStore,
  snapshot: Snapshot,
  options: SaveCheckpointOptions = {},
): Promise<string> => {
  checkOptions(options);
  throwIfAborted(options.signal);
  const { step, state } = snapshot;
  const earlier = (await foldersOf(store)).filter((folder) => folder.step === step);
  const name = folderName(
    step,
    earlier.reduce((next, { attempt }) => Math.max(next, attempt + 1), 0),
  );
  const files = await writeParts(store, snapshot, { name, options });
  await store.write(`${name}/${MANIFEST}`, await encodeManifest({ step, files, state, meta: options.meta ?? {} }));
  await tidyUp(store, step, options.keep ?? Infinity);
  return name;
};
