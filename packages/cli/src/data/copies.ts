/** `r1reward data dedupe` and `r1reward data decontaminate`: leave out copies, within a set or of a benchmark. */
import { writeFile } from "node:fs/promises";
import type { Preference } from "@r1reward/core";
import { nodeMedia, pictureKey } from "@r1reward/core/node";
import {
  copyIndex,
  fingerprintOf,
  pictureByName,
  type CopyIndex,
  type CopyMatch,
  type PictureKey,
} from "@r1reward/core/prepare";
import { Command, InvalidArgumentError, Option } from "commander";
import { interruptible } from "../interrupt.ts";
import { collect, flagError, wholeNumber } from "../options.ts";
import { startProgress } from "../output/progress.ts";
import { addDataFlags, openPairs, plainRows, tell, writeRows, type DataFlags } from "./io.ts";

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
  readonly removed: string[];
}

const newTally = (): Tally => ({ kept: 0, reasons: { exact: 0, near: 0, prompt: 0, picture: 0 }, removed: [] });

/** Passes on the pairs that are no copies; `learn` adds each to the index, so that later copies of it are found. */
async function* withoutCopies(
  pairs: AsyncIterable<Preference>,
  index: CopyIndex,
  tally: Tally,
  options: {
    readonly picture: PictureKey;
    readonly learn: boolean;
    readonly signal: AbortSignal;
    readonly quiet: boolean;
  },
): AsyncGenerator<Preference> {
  const progress = startProgress("comparing", { quiet: options.quiet });
  try {
    let read = 0;
    for await (const pair of pairs) {
      const print = await fingerprintOf(pair, options);
      const match = index.find(print);
      progress.update({ done: (read += 1), failed: 0, note: `${tally.removed.length} copies` });
      if (match !== undefined) {
        tally.reasons[match.reason] += 1;
        tally.removed.push(JSON.stringify({ id: pair.id, ...match }));
        continue;
      }
      if (options.learn) index.add(pair.id, print);
      tally.kept += 1;
      yield pair;
    }
  } finally {
    progress.finish();
  }
}

const report = async (tally: Tally, flags: Flags): Promise<void> => {
  if (flags.removed !== undefined) await writeFile(flags.removed, tally.removed.map((line) => `${line}\n`).join(""));
  const reasons = Object.entries(tally.reasons).flatMap(([reason, count]) => (count > 0 ? [`${count} ${reason}`] : []));
  tell(flags, [
    `${tally.kept} pairs kept`,
    `${tally.removed.length} left out${reasons.length > 0 ? ` (${reasons.join(", ")})` : ""}`,
  ]);
};

const indexFor = ({ threshold, textAlone, samePrompt, samePicture }: Flags): CopyIndex =>
  copyIndex({ threshold, textAlone: textAlone === 0 ? Infinity : textAlone, samePrompt, samePicture });

const dedupe = async (source: string, flags: Flags, signal: AbortSignal): Promise<void> => {
  const tally = newTally();
  const picture = keyFor(flags, flags.imageRoot, "names");
  const options = { picture, learn: true, signal, quiet: flags.quiet === true };
  const pairs = withoutCopies(openPairs(source, flags, signal).pairs, indexFor(flags), tally, options);
  await writeRows(plainRows(pairs, flags), flags);
  await report(tally, flags);
};

const readBenchmarks = async (index: CopyIndex, flags: DecontaminateFlags, signal: AbortSignal): Promise<void> => {
  const imageRoot = flags.againstImageRoot;
  const picture = keyFor(flags, imageRoot, "ignore");
  for (const file of flags.against) {
    const { format: _format, limit: _limit, ...rest } = flags;
    const before = index.size;
    const input = openPairs(file, { ...rest, ...(imageRoot === undefined ? {} : { imageRoot }) }, signal);
    for await (const pair of input.pairs)
      index.add(`${file}:${pair.id}`, await fingerprintOf(pair, { picture, signal }));
    if (index.size === before) throw flagError("--against", `${file}: expected pairs, got none`);
  }
};

const decontaminate = async (source: string, flags: DecontaminateFlags, signal: AbortSignal): Promise<void> => {
  const [own, theirs] = [flags.imageRoot, flags.againstImageRoot];
  if (flags.pictures === undefined && (own === undefined) !== (theirs === undefined)) {
    throw flagError(
      "--against-image-root",
      "pictures can only be compared when both image folders are given; or pass --pictures ignore",
    );
  }
  const index = indexFor(flags);
  await readBenchmarks(index, flags, signal);
  const tally = newTally();
  const options = { picture: keyFor(flags, own, "ignore"), learn: false, signal, quiet: flags.quiet === true };
  const pairs = withoutCopies(openPairs(source, flags, signal).pairs, index, tally, options);
  await writeRows(plainRows(pairs, flags), flags);
  await report(tally, flags);
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
    .option("--removed <file>", "write what was left out, why, and what it is a copy of");

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
