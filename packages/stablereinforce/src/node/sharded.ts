/** Checkpoints in several files, described by `model.safetensors.index.json`. */
import { isR1Error } from "@r1reward/core";
import { readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { CheckpointError, type CheckpointProblem } from "../errors.ts";
import { HeaderJsonError, parseHeaderJson, type HeaderJson } from "../safetensors/json.ts";
import type { SafetensorsReadOptions } from "../safetensors/types.ts";
import { openSafetensors, type SafetensorsFile, type TensorSource } from "./safetensors-file.ts";

/** How a checkpoint folder is read. */
export interface OpenCheckpointOptions extends SafetensorsReadOptions {
  /** Accept shards that are links to files outside the folder. Those of a Hugging Face cache, to its own blobs, always are. Default false. */
  readonly allowLinks?: boolean | undefined;
}

const MAX_INDEX_BYTES = 16_000_000;
const MAX_SHARDS = 1000;
const SHARD_NAME = /^[\w.-]+\.safetensors$/;

const fail = (file: string, problem: CheckpointProblem, message: string, tensor?: string): CheckpointError =>
  new CheckpointError({ file, problem, tensor }, message);

/** What an index says: the shard of each tensor, and the sum of their bytes. */
interface ShardIndex {
  readonly shardOf: ReadonlyMap<string, string>;
  readonly totalBytes: number | null;
}

const asMap = (value: HeaderJson | undefined): ReadonlyMap<string, HeaderJson> | null =>
  value instanceof Map ? (value as ReadonlyMap<string, HeaderJson>) : null;

const checkWeightMap = (file: string, weights: ReadonlyMap<string, HeaderJson>): ReadonlyMap<string, string> => {
  for (const [tensor, shard] of weights) {
    if (typeof shard !== "string" || !SHARD_NAME.test(shard)) {
      throw fail(file, "bad-path", "expected a plain file name that ends in .safetensors", tensor);
    }
  }
  const shards = new Set(weights.values()).size;
  if (shards > MAX_SHARDS) throw fail(file, "bad-index", `expected at most ${MAX_SHARDS} shards, got ${shards}`);
  return weights as ReadonlyMap<string, string>;
};

const parseIndex = (file: string, text: string): ShardIndex => {
  let root: ReadonlyMap<string, HeaderJson>;
  try {
    root = parseHeaderJson(text.trimStart());
  } catch (cause) {
    if (cause instanceof HeaderJsonError) throw fail(file, "bad-index", cause.message);
    throw cause;
  }
  const weights = asMap(root.get("weight_map"));
  if (weights === null || weights.size === 0) throw fail(file, "bad-index", "expected a weight_map with tensors");
  const total = asMap(root.get("metadata"))?.get("total_size");
  return { shardOf: checkWeightMap(file, weights), totalBytes: typeof total === "number" ? total : null };
};

const within = (folder: string, path: string): boolean => path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

/** Where a snapshot of the Hugging Face cache keeps its files: `snapshots/<revision>/` is links to `blobs/` beside it. */
const blobsOf = (home: string): string | undefined =>
  basename(dirname(home)) === "snapshots" ? join(dirname(dirname(home)), "blobs") : undefined;

const checkInside = async (folder: string, shard: string, index: string): Promise<void> => {
  const [home, real] = await Promise.all([realpath(folder), realpath(join(folder, shard))]);
  const blobs = blobsOf(home);
  if (within(home, real) || (blobs !== undefined && within(blobs, real))) return;
  throw fail(index, "bad-path", `${shard} leads outside the folder; if that is meant, pass allowLinks: true`);
};

type Shards = ReadonlyMap<string, SafetensorsFile>;

const checkMembership = (index: string, shardOf: ReadonlyMap<string, string>, shards: Shards): void => {
  for (const [tensor, shard] of shardOf) {
    if (shards.get(shard)?.header.tensors.has(tensor) === true) continue;
    throw fail(index, "missing-tensor", `expected this tensor in ${shard}`, tensor);
  }
  for (const [shard, { names }] of shards) {
    const stray = names.find((name) => shardOf.get(name) !== shard);
    if (stray !== undefined) throw fail(index, "bad-index", `${shard} holds it, the index does not say so`, stray);
  }
};

const checkTotal = (index: string, { shardOf, totalBytes }: ShardIndex, shards: Shards): void => {
  if (totalBytes === null) return;
  let sum = 0;
  for (const [tensor, shard] of shardOf) {
    const entry = (shards.get(shard) as SafetensorsFile).entry(tensor);
    sum += entry.end - entry.begin;
  }
  if (sum !== totalBytes) throw fail(index, "bad-index", `expected total_size ${totalBytes}, got ${sum} in the shards`);
};

const closeAll = async (shards: Shards): Promise<void> => {
  await Promise.all([...shards.values()].map((shard) => shard[Symbol.asyncDispose]()));
};

const openShards = async (index: string, parsed: ShardIndex, options: OpenCheckpointOptions): Promise<Shards> => {
  const shards = new Map<string, SafetensorsFile>();
  try {
    for (const shard of new Set(parsed.shardOf.values())) {
      const path = join(dirname(index), shard);
      if (options.allowLinks !== true) await checkInside(dirname(index), shard, index);
      shards.set(shard, await openSafetensors(path, { ...options, file: path }));
    }
    checkMembership(index, parsed.shardOf, shards);
    checkTotal(index, parsed, shards);
    return shards;
  } catch (cause) {
    await closeAll(shards);
    throw isR1Error(cause) ? cause : fail(index, "io", cause instanceof Error ? cause.message : String(cause));
  }
};

/**
 * Opens the shards an index names, and checks that each tensor is in exactly the shard that claims it.
 *
 * @throws CheckpointError `bad-index`, `bad-path`, `missing-tensor`, `io`, or what a shard's own header breaks.
 */
export const openSharded = async (index: string, options: OpenCheckpointOptions = {}): Promise<TensorSource> => {
  const text = await readIndex(index);
  const parsed = parseIndex(index, text);
  const shards = await openShards(index, parsed, options);
  const holder = (name: string): SafetensorsFile => {
    const shard = shards.get(parsed.shardOf.get(name) ?? "");
    if (shard === undefined) throw fail(index, "missing-tensor", "expected this tensor in the index", name);
    return shard;
  };
  return {
    names: [...parsed.shardOf.keys()],
    entry: (name) => holder(name).entry(name),
    read: async (name, how) => holder(name).read(name, how),
    check: async (name, signal) => holder(name).check(name, signal),
    readFloats: async (name, into, signal) => holder(name).readFloats(name, into, signal),
    locate: (name) => holder(name).locate(name),
    [Symbol.asyncDispose]: () => closeAll(shards),
  };
};

const readIndex = async (index: string): Promise<string> => {
  try {
    const { size } = await stat(index);
    if (size > MAX_INDEX_BYTES)
      throw fail(index, "bad-index", `expected at most ${MAX_INDEX_BYTES} bytes, got ${size}`);
    return await readFile(index, "utf8");
  } catch (cause) {
    throw isR1Error(cause) ? cause : fail(index, "io", cause instanceof Error ? cause.message : String(cause));
  }
};

const exists = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Opens weights by a file, an index, or a folder that holds `model.safetensors.index.json` or `model.safetensors`.
 *
 * @throws CheckpointError; see `openSafetensors` and `openSharded`.
 */
export const openWeights = async (path: string, options: OpenCheckpointOptions = {}): Promise<TensorSource> => {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const index = join(path, "model.safetensors.index.json");
  if (isFolder && (await exists(index))) return openSharded(index, options);
  if (isFolder) return openSafetensors(join(path, "model.safetensors"), options);
  return basename(path).endsWith(".json") ? openSharded(path, options) : openSafetensors(path, options);
};
