/** Where checkpoints are kept, and what comes back. Shapes only. */
import type { CallOptions, JsonValue } from "@r1reward/core";
import type { Snapshot } from "../train/types.ts";

/** A folder of files by path (`step-000000012.0/manifest.json`): on a disk, in memory, in a browser's storage. */
export interface CheckpointStore {
  /** What errors call it. */
  readonly name: string;
  /**
   * Writes a file so that, whatever happens, it is afterwards either whole and durable or not there: temporary file → sync →
   * rename → sync of the folder.
   */
  readonly write: (path: string, bytes: Uint8Array) => Promise<void>;
  /** The whole file; `null` when there is none. */
  readonly read: (path: string) => Promise<Uint8Array | null>;
  /** Paths of all files. */
  readonly list: () => Promise<readonly string[]>;
  /** Removes a file; one that is not there is no error. */
  readonly remove: (path: string) => Promise<void>;
}

/** How a checkpoint is saved. */
export interface SaveCheckpointOptions extends CallOptions {
  /** How many whole checkpoints remain, this one included; all by default. */
  readonly keep?: number | undefined;
  /** Whatever shall be found again beside it. */
  readonly meta?: Readonly<Record<string, JsonValue>> | undefined;
  /** Most bytes of one file; 1 GiB by default. */
  readonly maxFileBytes?: number | undefined;
}

/** Which checkpoint is loaded. */
export interface LoadCheckpointOptions extends CallOptions {
  /** That of this step; the latest whole one by default. */
  readonly step?: number | undefined;
}

/** A checkpoint that was read and checked. */
export interface LoadedCheckpoint {
  /** Its folder in the store. */
  readonly name: string;
  readonly snapshot: Snapshot;
  readonly meta: Readonly<Record<string, JsonValue>>;
  /** Later checkpoints that were refused, and why. */
  readonly refused: readonly { readonly name: string; readonly problem: string }[];
}
