/** `r1reward data dedupe` and `r1reward data decontaminate`: leave out copies, within a set or of a benchmark. */
import type { Preference } from "@r1reward/core";
import { nodeMedia, pictureKey } from "@r1reward/core/node";
import {
  copyIndex,
  fingerprintOf,
  pictureByName,
  type CopyIndex,
  type CopyMatch,
  type Fingerprint,
  type PictureKey,
} from "@r1reward/core/prepare";
import { Command, InvalidArgumentError, Option } from "commander";
import type { FileInput } from "../input.ts";
import { interruptible } from "../interrupt.ts";
import { collect, flagError, wholeNumber } from "../options.ts";
import { startProgress } from "../output/progress.ts";
import { isSameFile, openWhole, refuseExisting, type WholeFile } from "../output/whole.ts";
import { addDataFlags, openPairs, plainRows, tell, unlessRefused, writeRows, type DataFlags } from "./io.ts";

type Flags = DataFlags & {
  readonly threshold: number;
  readonly textAlone: number;
  readonly pictures?: "bytes" | "looks" | "names" | "ignore";
  readonly samePrompt?: boolean;
  readonly samePicture?: boolean;
  readonly removed?: string;
};

type DecontaminateFlags = Flags & { readonly against: readonly string[]; readonly againstImageRoot?: string };

const share = (text: string): number => {
  const value = Number(text);
  if (!(value >= 0.5 && value <= 1)) throw new InvalidArgumentError("expected a number from 0.5 to 1");
  return value;
};

/** Knows pictures as the flags say: by content when there is a folder to read them from, otherwise as `fallback`. */
const keyFor = (flags: Flags, root: string | undefined, fallback: "names" | "ignore"): PictureKey => {
  const by = flags.pictures ?? (root === undefined ? fallback : "bytes");
  if (by === "names") return pictureByName;
  if (by === "ignore") return () => null;
  return pictureKey({ media: nodeMedia({ root }), by });
};

/** What became of the copies. */
interface Tally {
  kept: number;
  readonly reasons: Record<CopyMatch["reason"], number>;
  /** Rows of benchmarks that nothing was compared with. */
  skippedOfBenchmarks: number;
}

const newTally = (): Tally => ({
  kept: 0,
  reasons: { exact: 0, near: 0, prompt: 0, picture: 0 },
  skippedOfBenchmarks: 0,
});

const copiesIn = ({ reasons }: Tally): number => Object.values(reasons).reduce((sum, count) => sum + count, 0);

interface PrintOptions {
  readonly picture: PictureKey;
  readonly signal: AbortSignal;
}

/** The fingerprint of a pair; none when its picture cannot be read and such rows are skipped. */
const printOf = (input: FileInput, pair: Preference, options: PrintOptions): Promise<Fingerprint | undefined> =>
  unlessRefused(input, pair, () => fingerprintOf(pair, options));

/** Passes on the pairs that are no copies; `learn` adds each to the index, so that later copies of it are found. */
async function* withoutCopies(
  input: FileInput,
  index: CopyIndex,
  tally: Tally,
  options: PrintOptions & { readonly learn: boolean; readonly quiet: boolean; readonly removed: WholeFile | undefined },
): AsyncGenerator<Preference> {
  const progress = startProgress("comparing", { quiet: options.quiet });
  try {
    let read = 0;
    for await (const pair of input.pairs) {
      const print = await printOf(input, pair, options);
      const match = print === undefined ? undefined : index.find(print);
      progress.update({ done: (read += 1), failed: input.skipped(), note: `${copiesIn(tally)} copies` });
      if (match !== undefined) {
        tally.reasons[match.reason] += 1;
        await options.removed?.write(JSON.stringify({ id: pair.id, ...match }));
      }
      if (print === undefined || match !== undefined) continue;
      if (options.learn) index.add(pair.id, print);
      tally.kept += 1;
      yield pair;
    }
  } finally {
    progress.finish();
  }
}

/**
 * The file of `--removed`, if one is wanted. It is opened before anything is read: a place that cannot be written is noticed while there
 * is no output yet.
 * @throws ConfigError for a file that must stay, or is read or written otherwise; OutputError
 */
const openRemoved = async (flags: Flags, read: readonly string[]): Promise<WholeFile | undefined> => {
  const { removed, out, overwrite } = flags;
  if (removed === undefined) return undefined;
  if (removed === "-") throw flagError("--removed", "expected a file, got stdout");
  const others = [...read.map((file) => ["is read", file] as const), ["is --out", out] as const];
  for (const [what, file] of others) {
    if (file === undefined || file === "-" || !(await isSameFile(file, removed))) continue;
    throw flagError("--removed", `expected a file of its own, got ${removed}, which ${what}`);
  }
  await refuseExisting(removed, overwrite === true, "--removed");
  return openWhole(removed);
};

const report = (tally: Tally, input: FileInput, flags: Flags): void => {
  const reasons = Object.entries(tally.reasons).flatMap(([reason, count]) => (count > 0 ? [`${count} ${reason}`] : []));
  const ofBenchmarks = tally.skippedOfBenchmarks;
  tell(flags, [
    `${tally.kept} pairs kept`,
    `${copiesIn(tally)} left out${reasons.length > 0 ? ` (${reasons.join(", ")})` : ""}`,
    input.skipped() > 0 && `${input.skipped()} rows skipped`,
    ofBenchmarks > 0 && `${ofBenchmarks} rows of --against skipped: nothing was compared with them`,
  ]);
};

const indexFor = ({ threshold, textAlone, samePrompt, samePicture }: Flags): CopyIndex =>
  copyIndex({ threshold, textAlone: textAlone === 0 ? Infinity : textAlone, samePrompt, samePicture });

const dedupe = async (source: string, flags: Flags, signal: AbortSignal): Promise<void> => {
  await using removed = await openRemoved(flags, [source]);
  const tally = newTally();
  const picture = keyFor(flags, flags.imageRoot, "names");
  const options = { picture, learn: true, signal, quiet: flags.quiet === true, removed };
  const input = openPairs(source, flags, { signal });
  const pairs = withoutCopies(input, indexFor(flags), tally, options);
  await writeRows(plainRows(pairs, flags), flags, removed === undefined ? [] : [removed]);
  report(tally, input, flags);
};

/** Fills the index, and tells how many rows were skipped. */
const readBenchmarks = async (index: CopyIndex, flags: DecontaminateFlags, signal: AbortSignal): Promise<number> => {
  const imageRoot = flags.againstImageRoot;
  const picture = keyFor(flags, imageRoot, "ignore");
  let skipped = 0;
  for (const file of flags.against) {
    const { format: _format, limit: _limit, ...rest } = flags;
    const before = index.size;
    const input = openPairs(file, { ...rest, ...(imageRoot === undefined ? {} : { imageRoot }) }, { signal });
    for await (const pair of input.pairs) {
      const print = await printOf(input, pair, { picture, signal });
      if (print !== undefined) index.add(`${file}:${pair.id}`, print);
    }
    if (index.size === before) throw flagError("--against", `${file}: expected pairs, got none`);
    skipped += input.skipped();
  }
  return skipped;
};

const refuseHalfPictures = ({ pictures, imageRoot, againstImageRoot }: DecontaminateFlags): void => {
  if (pictures !== undefined || (imageRoot === undefined) === (againstImageRoot === undefined)) return;
  throw flagError(
    "--against-image-root",
    "pictures can only be compared when both image folders are given; or pass --pictures ignore",
  );
};

const decontaminate = async (source: string, flags: DecontaminateFlags, signal: AbortSignal): Promise<void> => {
  refuseHalfPictures(flags);
  await using removed = await openRemoved(flags, [source, ...flags.against]);
  const index = indexFor(flags);
  const tally = newTally();
  tally.skippedOfBenchmarks = await readBenchmarks(index, flags, signal);
  const picture = keyFor(flags, flags.imageRoot, "ignore");
  const options = { picture, learn: false, signal, quiet: flags.quiet === true, removed };
  const input = openPairs(source, flags, { signal });
  const pairs = withoutCopies(input, index, tally, options);
  await writeRows(plainRows(pairs, flags), flags, removed === undefined ? [] : [removed]);
  report(tally, input, flags);
};

const addCopyFlags = (command: Command): Command =>
  addDataFlags(command)
    .argument("<input>", "pairs: JSONL, JSON or parquet, - for stdin")
    .option("--threshold <share>", "least share of three-word shingles in common", share, 0.8)
    .option("--text-alone <words>", "texts this long are copies whatever their picture; 0: never", wholeNumber(0), 50)
    .addOption(
      new Option(
        "--pictures <how>",
        "know pictures by their bytes, their looks (scaled and re-encoded ones too; needs sharp), their names, or not at all " +
          "(default: bytes when there is an image folder)",
      ).choices(["bytes", "looks", "names", "ignore"]),
    )
    .option("--same-prompt", "the same question about the same picture is a copy, whatever the answers")
    .option("--same-picture", "the same picture is a copy, whatever the question")
    .option(
      "--removed <file>",
      "write what was left out, why, and what it is a copy of; must not exist unless --overwrite",
    );

/** `data dedupe`. */
export const dedupeCommand = (): Command =>
  addCopyFlags(new Command("dedupe"))
    .description("leave out pairs that are copies of earlier ones, exact or nearly")
    .action((source: string, flags: Flags) => interruptible((signal) => dedupe(source, flags, signal)));

/** `data decontaminate`. */
export const decontaminateCommand = (): Command =>
  addCopyFlags(new Command("decontaminate"))
    .description("leave out pairs that are copies of a benchmark's")
    .requiredOption("--against <file>", "records of a benchmark; repeat for more", collect)
    .option("--against-image-root <folder>", "folder that the benchmark's image paths are relative to")
    .addHelpText(
      "after",
      `
Examples:
  $ r1reward data decontaminate train.jsonl --against vl.parquet --against mm.jsonl -o clean.jsonl --removed removed.jsonl
  $ r1reward data decontaminate train.jsonl --image-root images --against vl.jsonl --against-image-root vl --pictures looks \\
      --same-prompt -o clean.jsonl`,
    )
    .action((source: string, flags: DecontaminateFlags) =>
      interruptible((signal) => decontaminate(source, flags, signal)),
    );
