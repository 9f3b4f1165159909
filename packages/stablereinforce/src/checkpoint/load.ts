/** Loading: the latest checkpoint whose every byte is as it was written. */
import { isR1Error, messageOf, throwIfAborted } from "@r1reward/core";
import type { HostTensor } from "../engine/tensor.ts";
import { CheckpointError } from "../errors.ts";
import type { Params } from "../policy/index.ts";
import { foldersOf, MANIFEST, type CheckpointFolder } from "./folders.ts";
import { decodeManifest, sha256, type Manifest, type ManifestFile } from "./manifest.ts";
import { decodeTensors } from "./tensors.ts";
import type { CheckpointStore, LoadCheckpointOptions, LoadedCheckpoint } from "./types.ts";

const readFile = async (store: CheckpointStore, path: string): Promise<Uint8Array> => {
  const bytes = await store.read(path);
  if (bytes !== null) return bytes;
  throw new CheckpointError({ file: path, problem: "incomplete" }, "expected this file, there is none");
};

const readTensors = async (store: CheckpointStore, name: string, file: ManifestFile): Promise<Params<HostTensor>> => {
  const path = `${name}/${file.name}`;
  const bytes = await readFile(store, path);
  if (bytes.byteLength !== file.bytes) {
    const problem = `expected ${file.bytes} bytes, got ${bytes.byteLength}`;
    throw new CheckpointError({ file: path, problem: "length-mismatch" }, problem);
  }
  const hash = await sha256(bytes);
  if (hash !== file.sha256) {
    throw new CheckpointError({ file: path, problem: "hash-mismatch" }, `expected SHA-256 ${file.sha256}, got ${hash}`);
  }
  return decodeTensors(path, bytes);
};

const readPart = async (store: CheckpointStore, name: string, { files }: Manifest, part: string) => {
  const tensors: Params<HostTensor>[] = [];
  for (const file of files) if (file.name.startsWith(`${part}-`)) tensors.push(await readTensors(store, name, file));
  return Object.assign({}, ...tensors) as Params<HostTensor>;
};

const readCheckpoint = async (
  store: CheckpointStore,
  { name, step }: CheckpointFolder,
): Promise<Omit<LoadedCheckpoint, "refused">> => {
  const path = `${name}/${MANIFEST}`;
  const manifest = await decodeManifest(path, await readFile(store, path));
  if (manifest.step !== step) {
    throw new CheckpointError({ file: path, problem: "bad-manifest" }, `expected step ${step}, got ${manifest.step}`);
  }
  const weights = await readPart(store, name, manifest, "weights");
  const optimiser = await readPart(store, name, manifest, "optimiser");
  return { name, snapshot: { step, weights, optimiser, state: manifest.state }, meta: manifest.meta };
};

/**
 * Loads the latest whole checkpoint, or that of a step. One that was damaged after it was written is passed over and named in
 * `refused`; saves that never finished do not count.
 *
 * @returns `null` when no save ever finished.
 * @throws CheckpointError when there are checkpoints and every one is damaged, or there is none of the step asked for;
 *   AbortError
 */
export const loadCheckpoint = async (
  store: CheckpointStore,
  { step, signal }: LoadCheckpointOptions = {},
): Promise<LoadedCheckpoint | null> => {
  const finished = (await foldersOf(store)).filter((folder) => folder.finished);
  const wanted = step === undefined ? finished : finished.filter((folder) => folder.step === step);
  const refused: { name: string; problem: string }[] = [];
  for (const folder of wanted) {
    throwIfAborted(signal);
    try {
      return { ...(await readCheckpoint(store, folder)), refused };
    } catch (error) {
      if (!isR1Error(error)) throw error;
      refused.push({ name: folder.name, problem: messageOf(error) });
    }
  }
  if (finished.length === 0 && step === undefined) return null;
  const problem = refused.map((one) => one.problem).join("; ") || `no checkpoint of step ${step}`;
  throw new CheckpointError({ file: store.name, problem: "incomplete" }, `no whole checkpoint: ${problem}`);
};
