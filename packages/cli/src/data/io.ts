/** What the `data` commands share: reading pairs without touching their pictures, and writing rows. */
import { relative, resolve, sep } from "node:path";
import { isR1Error, messageOf, type Preference } from "@r1reward/core";
import { plainPairRow, type JsonRow, type RowOptions } from "@r1reward/core/prepare";
import type { Command } from "commander";
import { isReadTwice, openInput, type FileInput, type InputOptions } from "../input.ts";
import { addFileFlags, flagError, type FileFlags, type FileTexts } from "../options.ts";
import { placeAll, printLines, refuseExisting, writeLines, type WholeFile } from "../output/whole.ts";

/** What every `data` command that reads and writes a file takes. */
export interface DataFlags extends FileFlags {
  readonly imageRoot?: string;
}

const WHOLE: FileTexts = {
  limit: "read only the first n records",
  out: "output file; must not exist unless --overwrite (default: stdout)",
  overwrite: "replace files that are there",
};

/** Adds the flags of input and output. */
export const addDataFlags = (command: Command, texts = WHOLE): Command =>
  addFileFlags(command.option("--image-root <folder>", "folder that image paths in the data are relative to"), texts);

type Needs = Pick<InputOptions, "needsLabels" | "signal">;

/** Pairs whose pictures are only named, so that paths need no folder. Nothing is read through them. */
export const openPairs = (source: string, flags: DataFlags, needs: Needs): FileInput =>
  openInput(source, { ...flags, imageRoot: flags.imageRoot ?? "." }, { needsImages: true, ...needs });

/** Works on a pair; one whose picture cannot be used is refused, and gives nothing. Throws what `refuse` throws. */
export const unlessRefused = async <T>(
  input: FileInput,
  pair: Preference,
  work: () => T | Promise<T>,
): Promise<T | undefined> => {
  try {
    return await work();
  } catch (cause) {
    if (!isR1Error(cause) || cause.code !== "R1_MEDIA") throw cause;
    input.refuse(pair, { problem: messageOf(cause), cause });
    return undefined;
  }
};

/** Paths are written as they were read: relative to the image folder, with forward slashes. */
export const rowOptions = ({ imageRoot = "." }: Pick<DataFlags, "imageRoot">): RowOptions => ({
  path: (path) => relative(resolve(imageRoot), path).split(sep).join("/"),
});

async function* jsonOf(rows: AsyncIterable<JsonRow>): AsyncGenerator<string> {
  for await (const row of rows) yield JSON.stringify(row);
}

/**
 * Writes rows to `--out`, whole or not at all; to stdout when there is none. `also` are files that are written along with them.
 * @throws ConfigError when there is a file already; OutputError
 */
export const writeRows = async (
  rows: AsyncIterable<JsonRow>,
  flags: FileFlags,
  also: readonly WholeFile[] = [],
): Promise<void> => {
  const { out } = flags;
  if (out === undefined || out === "-") {
    await printLines(jsonOf(rows));
    return placeAll(also);
  }
  await refuseExisting(out, flags.overwrite === true);
  await writeLines(out, jsonOf(rows), also);
};

/** The rows of pairs in this project's own layout. */
export async function* plainRows(pairs: AsyncIterable<Preference>, flags: DataFlags): AsyncGenerator<JsonRow> {
  const options = rowOptions(flags);
  for await (const pair of pairs) yield plainPairRow(pair, options);
}

/** Refuses the input of a command that reads it twice when it is no file. @throws ConfigError */
export const requireFile = async (source: string): Promise<void> => {
  if (await isReadTwice(source)) return;
  throw flagError("<input>", `expected a file, got ${source}: it is read twice, and a pipe or a folder cannot be`);
};

/** A line about what was done, unless nobody wants it. */
export const tell = (flags: FileFlags, pieces: readonly (string | false)[]): void => {
  if (flags.quiet !== true) process.stderr.write(`${pieces.filter((piece) => piece !== false).join(" · ")}\n`);
};
