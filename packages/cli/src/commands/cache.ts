/** `r1reward cache`: what the kept replies take, and making room. Nothing is ever removed unless this is called. */
import { diskCacheUsage, pruneDiskCache, type CacheAmount } from "@r1reward/core/node";
import { Command, InvalidArgumentError } from "commander";
import { interruptible } from "../interrupt.ts";
import { defaultCacheFolder, flagError } from "../options.ts";

interface Flags {
  readonly cache?: string;
  readonly json?: boolean;
}

interface PruneFlags extends Flags {
  readonly maxSize?: number;
  readonly olderThan?: number;
  readonly dryRun?: boolean;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const SPANS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** `2GB` → bytes. */
const size = (text: string): number => {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$/i.exec(text.trim()) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (digits === undefined || factor === undefined)
    throw new InvalidArgumentError("expected a size such as 500MB or 2GB");
  return Math.floor(Number(digits) * factor);
};

/** `30d` → milliseconds. */
const span = (text: string): number => {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)\s*([hdw])$/i.exec(text.trim()) ?? [];
  const factor = SPANS[unit.toLowerCase()];
  if (digits === undefined || factor === undefined)
    throw new InvalidArgumentError("expected a time such as 12h, 30d or 8w");
  return Number(digits) * factor;
};

const told = ({ entries, bytes }: CacheAmount): string => {
  const mega = bytes / 1e6;
  return `${entries.toLocaleString("en-US")} replies, ${mega < 1000 ? `${mega.toFixed(1)} MB` : `${(mega / 1000).toFixed(2)} GB`}`;
};

const folderOf = ({ cache }: Flags): string => cache ?? defaultCacheFolder();

const print = (flags: Flags, text: string, data: object): void =>
  void process.stdout.write(flags.json === true ? `${JSON.stringify(data, null, 2)}\n` : `${text}\n`);

const info = async (flags: Flags, signal: AbortSignal): Promise<void> => {
  const folder = folderOf(flags);
  const usage = await diskCacheUsage(folder, { signal });
  const { oldestUse } = usage;
  const since = oldestUse === null ? "" : `, the oldest last used on ${new Date(oldestUse).toISOString().slice(0, 10)}`;
  print(flags, `${folder}: ${told(usage)}${since}`, { folder, ...usage });
};

const prune = async (flags: PruneFlags, signal: AbortSignal): Promise<void> => {
  const { maxSize: maxBytes, olderThan: maxAgeMs, dryRun } = flags;
  if (maxBytes === undefined && maxAgeMs === undefined)
    throw flagError("cache prune", "expected --max-size or --older-than, got neither: nothing is removed");
  const folder = folderOf(flags);
  const report = await pruneDiskCache(folder, { maxBytes, maxAgeMs, dryRun, signal });
  const did = dryRun === true ? "would remove" : "removed";
  print(flags, `${folder}: ${did} ${told(report.removed)}; ${told(report.kept)} stay`, { folder, ...report });
};

const addFlags = (command: Command): Command =>
  command
    .option("--cache <folder>", "where replies are kept (default: R1REWARD_CACHE or ~/.cache/r1reward)")
    .option("--json", "as JSON on stdout");

/** The command. */
export const cacheCommand = (): Command =>
  new Command("cache")
    .description("what the kept replies take, and making room")
    .addCommand(
      addFlags(new Command("info"))
        .description("count replies and bytes")
        .action((flags: Flags) => interruptible((signal) => info(flags, signal))),
    )
    .addCommand(
      addFlags(new Command("prune"))
        .description("remove replies, those that were used least recently first; other commands may go on meanwhile")
        .option("--max-size <size>", "what may stay, e.g. 500MB or 2GB", size)
        .option("--older-than <time>", "remove what was not used for so long, e.g. 12h, 30d or 8w", span)
        .option("--dry-run", "only say what would be removed")
        .action((flags: PruneFlags) => interruptible((signal) => prune(flags, signal))),
    );
