/** What tells the weights, sizes and tokenizer of a model's folder apart, wherever it was copied to and whenever. */
import { messageOf, throwIfAborted, type CallOptions } from "@r1reward/core";
import { createHash } from "node:crypto";
import { open, readdir, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";

/** Files that training reads. */
const READ = /^(config\.json|tokenizer\.json|preprocessor_config\.json|.*\.safetensors(\.index\.json)?)$/;

/** Files above this are looked at in places: reading all of tens of gigabytes would take longer than loading them. */
const WHOLE = 2 ** 30;
const WINDOW = 2 ** 20;
const WINDOWS = 64;

/** Where a file of this size is looked at: its beginning, its end, and evenly between. Training changes all of it. */
const windowsOf = (size: number): readonly number[] => {
  const count = size <= WHOLE ? Math.ceil(size / WINDOW) : WINDOWS;
  const step = size <= WHOLE ? WINDOW : (size - WINDOW) / (WINDOWS - 1);
  return Array.from({ length: count }, (_, i) => Math.floor(i * step));
};

const hashOf = async (handle: FileHandle, signal: AbortSignal | undefined): Promise<string> => {
  const { size } = await handle.stat();
  const hash = createHash("sha256").update(`${size}\n`);
  const buffer = Buffer.alloc(WINDOW);
  for (const at of windowsOf(size)) {
    throwIfAborted(signal);
    const { bytesRead } = await handle.read(buffer, 0, WINDOW, at);
    hash.update(buffer.subarray(0, bytesRead));
  }
  return hash.digest("hex");
};

/**
 * Fingerprint of the files of a folder that training reads; dates and other files do not count. Files above 1 GiB are looked at in
 * 64 places.
 *
 * @throws CheckpointError `io` naming the file, AbortError
 */
export const modelFingerprint = async (folder: string, { signal }: CallOptions = {}): Promise<string> => {
  const io = (file: string) => (cause: unknown) => {
    throw new CheckpointError({ file, problem: "io" }, messageOf(cause), { cause });
  };
  const names = (await readdir(folder).catch(io(folder))).filter((name) => READ.test(name)).sort();
  const hash = createHash("sha256");
  for (const name of names) {
    const file = join(folder, name);
    await using handle = await open(file, "r").catch(io(file));
    hash.update(`${name} ${await hashOf(handle, signal)}\n`);
  }
  return hash.digest("hex").slice(0, 32);
};
