/** A store that forgets everything with the process: for tests, and for going back a few steps. */
import type { CheckpointStore } from "./types.ts";

/** An empty store. */
export const memoryStore = (): CheckpointStore => {
  const files = new Map<string, Uint8Array>();
  return {
    name: "memory",
    write: (path, bytes) => Promise.resolve(void files.set(path, bytes.slice())),
    read: (path) => Promise.resolve(files.get(path)?.slice() ?? null),
    list: () => Promise.resolve([...files.keys()]),
    remove: (path) => Promise.resolve(void files.delete(path)),
  };
};
