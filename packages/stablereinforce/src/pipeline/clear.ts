/** Taking checkpoints back. */
import { foldersOf, MANIFEST } from "../checkpoint/folders.ts";
import type { CheckpointStore } from "../checkpoint/index.ts";

/**
 * Removes checkpoints of later steps, manifests first, so that what is half removed is none any more.
 * @throws CheckpointError `io`
 */
export const clearAfter = async (store: CheckpointStore, step: number): Promise<void> => {
  for (const folder of await foldersOf(store)) {
    if (folder.step <= step) continue;
    const manifest = `${folder.name}/${MANIFEST}`;
    await store.remove(manifest);
    for (const path of folder.files) if (path !== manifest) await store.remove(path);
  }
};
