/** Checkpoints: always whole, and resumed to the last digit. */
export { loadCheckpoint } from "./load.ts";
export { memoryStore } from "./memory-store.ts";
export { saveCheckpoint } from "./save.ts";
export type * from "./types.ts";
