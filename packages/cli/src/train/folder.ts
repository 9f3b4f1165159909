/** A run's folder: its configuration, its state, and a folder for each stage. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, messageOf, OutputError } from "@r1reward/core";
import { atomicWrite } from "@r1reward/stablereinforce/node";
import { lockOutput } from "../output/lock.ts";
import { makeFolder } from "../output/whole.ts";
import { loadRunConfig, parseRunConfig, type ConfigFlags } from "./config/load.ts";
import type { RunConfig } from "./config/schema.ts";

const CONFIG = "config.json";

/** Files of a run's folder. */
export const runFiles = (folder: string) =>
  ({
    config: join(folder, CONFIG),
    inputs: join(folder, "inputs.json"),
    state: join(folder, "run.json"),
    sft: join(folder, "sft"),
    rl: join(folder, "rl"),
    served: join(folder, "rl", "served"),
    model: join(folder, "model"),
    html: join(folder, "report.html"),
    markdown: join(folder, "report.md"),
  }) as const;

/** Writes a whole file or none. @throws OutputError */
export const writeWhole = async (file: string, text: string): Promise<void> => {
  try {
    await atomicWrite(file, async (handle) => void (await handle.writeFile(text)));
  } catch (cause) {
    throw new OutputError(`${file}: ${messageOf(cause)}`, { cause });
  }
};

/** A file's text; `null` when there is none. @throws OutputError */
export const readOptional = async (file: string): Promise<string | null> => {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new OutputError(`${file}: ${messageOf(cause)}`, { cause });
  }
};

/** The configuration that a folder has, with settings laid over it; `null` when there is none. @throws ConfigError, OutputError */
export const savedConfig = async (folder: string, set?: readonly string[]): Promise<RunConfig | null> => {
  const { config } = runFiles(folder);
  const text = await readOptional(config);
  return text === null ? null : parseRunConfig(config, text, set);
};

const isFilled = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch(() => null);
  if (found === null) return false;
  return found.isDirectory() ? (await readdir(path)).length > 0 : found.size > 0;
};

/** Has a run in this folder made anything that a new one would take away? One that failed before its first step has not. */
const hasBegun = async (folder: string): Promise<boolean> => {
  const { sft, rl, model } = runFiles(folder);
  const made = [sft, rl].flatMap((stage) => ["metrics.jsonl", "checkpoints"].map((name) => join(stage, name)));
  for (const path of [...made, model]) if (await isFilled(path)) return true;
  return false;
};

/** The first setting in which two runs differ: its path and both values. */
export const firstDifference = (a: unknown, b: unknown, path: readonly string[] = []): string | null => {
  const isObject = (x: unknown): x is Record<string, unknown> =>
    typeof x === "object" && x !== null && !Array.isArray(x);
  if (isObject(a) && isObject(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const found = firstDifference(a[key], b[key], [...path, key]);
      if (found !== null) return found;
    }
    return null;
  }
  const [x, y] = [JSON.stringify(a) ?? "nothing", JSON.stringify(b) ?? "nothing"];
  return x === y ? null : `${path.join(".")} was ${x}, and is ${y} now`;
};

/** Where a server is, and how it is reached, is no part of a run: it may have moved. */
const withoutPlace = (rl: RunConfig["rl"]) => {
  if (!rl?.rollouts) return rl;
  const { url: _u, apiKeyEnv: _k, concurrency: _c, timeoutSeconds: _t, reload, ...server } = rl.rollouts.server;
  return { ...rl, rollouts: { server: { ...server, reload: reload && { kind: reload.kind, every: reload.every } } } };
};

/** What may change between a run and its resumption: it changes neither data nor weights. */
const comparable = ({ name: _n, checkpoints: _c, engine, monitor: _m, export: _e, rl, ...rest }: RunConfig) => ({
  ...rest,
  rl: withoutPlace(rl),
  engine: { ...engine, threads: null, arena: null, mapWeights: null },
});

/** How a run is begun or gone on with. */
export interface FolderFlags extends ConfigFlags {
  readonly out?: string | undefined;
  readonly resume?: boolean | undefined;
}

/** A run and where it is kept. */
export interface OpenRun {
  readonly config: RunConfig;
  readonly folder: string;
  /** Are there steps of it already? */
  readonly begun: boolean;
}

/** A run whose folder no other process can write. */
export interface LockedRun extends OpenRun {
  readonly lock: AsyncDisposable;
}

const without = async (flags: FolderFlags): Promise<Omit<OpenRun, "begun">> => {
  const config = await loadRunConfig(flags);
  return { config, folder: flags.out ?? join("runs", config.name) };
};

/** The configuration that the folder itself has, with `--set` over it. @throws ConfigError when there is none */
const ofFolder = async (folder: string, set: FolderFlags["set"]): Promise<Omit<OpenRun, "begun">> => {
  const config = await savedConfig(folder, set);
  if (config !== null) return { config, folder };
  throw new ConfigError(`--resume: ${runFiles(folder).config}: expected the configuration of a run, there is none`);
};

/** The run of a folder, with what the flags change. */
const resumed = async (flags: FolderFlags): Promise<OpenRun> => {
  const { config, preset, out, set } = flags;
  const bare = config === undefined && preset === undefined;
  const run = bare && out !== undefined ? await ofFolder(out, set) : await without(flags);
  const begun = await hasBegun(run.folder);
  const saved = begun ? await savedConfig(run.folder) : null;
  if (saved === null) return { ...run, begun }; // nothing was made yet that other settings could not have made
  const difference = firstDifference(comparable(saved), comparable(run.config));
  if (difference === null) return { ...run, begun };
  throw new ConfigError(
    `--resume ${run.folder}: ${difference}: a run goes on as it began; give another --out for a new one`,
  );
};

/** A run that nothing was made of yet. @throws ConfigError when something was */
const fresh = async (flags: FolderFlags): Promise<OpenRun> => {
  const run = await without(flags);
  if (!(await hasBegun(run.folder))) return { ...run, begun: false };
  throw new ConfigError(
    `${run.folder}: there is a run already: --resume goes on with it, another --out begins a new one`,
  );
};

/**
 * Opens a run's folder. Nothing is kept in it before data and model are open. The lock is the caller's to dispose of.
 * @throws OutputError when another process writes it; ConfigError when there is a run already and `--resume` was not given, or it is another one
 */
export const openRun = async (flags: FolderFlags): Promise<LockedRun> => {
  const run = await (flags.resume === true ? resumed(flags) : fresh(flags));
  await makeFolder(run.folder);
  return { ...run, lock: await lockOutput(runFiles(run.folder).state) };
};

/** The configuration alone, for looking ahead: nothing is written. @throws as `openRun`, for a run that goes on */
export const peekRun = (flags: FolderFlags): Promise<Omit<OpenRun, "begun">> =>
  flags.resume === true ? resumed(flags) : without(flags);
