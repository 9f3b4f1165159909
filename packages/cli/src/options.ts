/** Flags that several commands share, and how their texts become values. One place for each rule. */
import { homedir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@r1reward/core";
import { InvalidArgumentError, Option, type Command } from "commander";

/** What the shared flags say, as commander hands it over. */
export interface JudgeFlags {
  readonly judge?: string;
  readonly baseUrl?: readonly string[];
  readonly model?: string;
  /** Left out: what the model was trained on, as far as that is known, else r1. */
  readonly protocol?: string;
  readonly votes?: number;
  readonly orders: "both" | "random" | "as-stored";
  readonly earlyStop?: boolean;
  readonly temperature?: number;
  readonly maxTokens: number;
  readonly seed: number;
  readonly imageRoot?: string;
  readonly maxPixels: number;
  readonly mapWeights?: boolean;
  readonly allowHost?: readonly string[];
  readonly concurrency: number;
  readonly deadline: number;
  readonly cache: string | boolean;
}

/** What the input and output flags say. */
export interface FileFlags {
  readonly format?: string;
  readonly onBadRow: "throw" | "skip";
  readonly limit?: number;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly quiet?: boolean;
}

/** Parses a whole number that is not below `min`. */
export const wholeNumber =
  (min: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < min) throw new InvalidArgumentError(`expected a whole number ≥ ${min}`);
    return value;
  };

const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("expected a number ≥ 0");
  return value;
};

/** What `--seed` is the seed of where pairs can be drawn as well. */
export const SEEDED_AND_DRAWN = "sampling, random orders, intervals and drawn pairs (shapes)";

/** Gathers the values of a flag that may be repeated. */
export const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** Where replies are kept when nothing else is said. */
export const defaultCacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  env.R1REWARD_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "r1reward");

/** Adds the flags that name a server and a model on it. */
export const addServerFlags = (command: Command): Command =>
  command
    .addOption(
      new Option("-u, --base-url <url>", "OpenAI-compatible server, e.g. http://localhost:8000/v1; repeat for replicas")
        .argParser(collect)
        .env("R1REWARD_BASE_URL"),
    )
    .addOption(
      new Option(
        "-m, --model <name>",
        "model on that server (default: the only one it serves); without a server: tiny, which came with the install, or a folder of Qwen2.5-VL weights",
      ).env("R1REWARD_MODEL"),
    );

/** What `--seed` is the seed of. */
const SEEDED = "sampling, random orders and intervals";

/** Adds the flags that choose and tune a judge. `seeded` says what `--seed` is the seed of. */
export const addJudgeFlags = (command: Command, seeded = SEEDED): Command =>
  addServerFlags(
    command.option("-j, --judge <name>", "built-in judge: baseline:longer, baseline:first or baseline:random[:seed]"),
  )
    .option(
      "-p, --protocol <name>",
      "r1, r1-train, plain, unified-reward, rm-r1, shapes or reference (default: what r1reward.json of a model's folder names; shapes for --model tiny; else r1)",
    )
    .option("-k, --votes <n>", "critiques per pair, split over the orders (default: one per order)", wholeNumber(1))
    .addOption(
      new Option("--orders <which>", "orders the responses are shown in")
        .choices(["both", "random", "as-stored"])
        .default("both"),
    )
    .option("--early-stop", "ask for no more votes once the majority is decided")
    .option("--temperature <t>", "sampling temperature (default: 0 for one vote per order, else 1)", number)
    .option("--max-tokens <n>", "longest critique", wholeNumber(1), 4096)
    .option("--seed <n>", `seed of ${seeded}`, wholeNumber(0), 0)
    .option("--image-root <folder>", "folder that image paths in the data are relative to")
    .option(
      "--max-pixels <n>",
      "pixel budget per image; larger ones are scaled down as Qwen2.5-VL does",
      wholeNumber(784),
      501_760,
    )
    .option("--map-weights", "of a folder: leave the weights in their files, which takes a fraction of the memory")
    .option("--allow-host <name>", "host that image URLs may be fetched from; repeat for more", collect)
    .option("-c, --concurrency <n>", "most judgments under way at once", wholeNumber(1), 64)
    .option("--deadline <seconds>", "longest wait for one judgment, retries included", number, 600)
    .option(
      "--cache <folder>",
      "where replies are kept, so that none is paid for twice (default: R1REWARD_CACHE or ~/.cache/r1reward)",
    )
    .option("--no-cache", "neither read nor keep replies");

/** What flags mean to a command, where commands differ. */
export interface FileTexts {
  readonly limit: string;
  readonly out: string;
  readonly overwrite: string;
}

/** Of a command that judges pairs, and goes on where it was. */
const RESULTS: FileTexts = {
  limit: "judge only the first n records",
  out: "results as JSONL; an unfinished file is continued",
  overwrite: "start the results file anew",
};

/** Adds the flags that say what is read and where results go. */
export const addFileFlags = (command: Command, texts: FileTexts = RESULTS): Command =>
  command
    .option("-f, --format <name>", "format of the records (default: told from the first one)")
    .addOption(
      new Option("--on-bad-row <what>", "stop at a record that cannot be read, or skip and count it")
        .choices(["throw", "skip"])
        .default("throw"),
    )
    .option("--limit <n>", texts.limit, wholeNumber(1))
    .option("-o, --out <file>", texts.out)
    .option("--overwrite", texts.overwrite)
    .option("-q, --quiet", "no progress, no notes");

/**
 * The API key, from this program's own variable alone: on a command line it would end up in shell histories, and another
 * program's key (OPENAI_API_KEY) must not be sent to whichever server `--base-url` names.
 */
export const apiKeyFrom = (env: NodeJS.ProcessEnv = process.env): string | undefined => env.R1REWARD_API_KEY;

/** A `ConfigError` for a flag. */
export const flagError = (flag: string, problem: string): ConfigError => new ConfigError(`${flag}: ${problem}`);
