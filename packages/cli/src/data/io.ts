/** What the `data` commands share: reading pairs without touching their pictures, and writing rows. */
import { relative, resolve, sep } from "node:path";
import type { Preference } from "@r1reward/core";
import { plainPairRow, type JsonRow, type RowOptions } from "@r1reward/core/prepare";
import type { Command } from "commander";
import { openInput, type Input } from "../input.ts";
import { addFileFlags, flagError, type FileFlags } from "../options.ts";
import { printLines, refuseExisting, writeLines } from "../output/whole.ts";

/** What every `data` command that reads and writes a file takes. */
export interface DataFlags extends FileFlags {
  readonly imageRoot?: string;
}

/** Adds the flags of input and output. */
export const addDataFlags = (command: Command): Command =>
  addFileFlags(command.option("--image-root <folder>", "folder that image paths in the data are relative to"));

/** Pairs whose pictures are only named, so that paths need no folder. Nothing is read through them. */
export const openPairs = (source: string, flags: DataFlags, signal: AbortSignal): Input =>
  openInput(source, { ...flags, imageRoot: flags.imageRoot ?? "." }, { needsImages: true, signal });

/** Pairs whose pictures will be read: a path without an image folder is an error. */
export const openPairsToLookAt = (source: string, flags: DataFlags, signal: AbortSignal): Input =>
  openInput(source, flags, { needsImages: true, signal });

/** Paths are written as they were read: relative to the image folder, with forward slashes. */
export const rowOptions = ({ imageRoot = "." }: Pick<DataFlags, "imageRoot">): RowOptions => ({
  path: (path) => relative(resolve(imageRoot), path).split(sep).join("/"),
});

async function* jsonOf(rows: AsyncIterable<JsonRow>): AsyncGenerator<string> {
  for await (const row of rows) yield JSON.stringify(row);
}

/** Writes rows to `--out`, whole or not at all; to stdout when there is none. */
export const writeRows = async (rows: AsyncIterable<JsonRow>, flags: FileFlags): Promise<void> => {
  const { out } = flags;
  if (out === undefined || out === "-") return printLines(jsonOf(rows));
  await refuseExisting(out, flags.overwrite === true);
  await writeLines(out, jsonOf(rows));
};

/** The rows of pairs in this project's own layout. */
export async function* plainRows(pairs: AsyncIterable<Preference>, flags: DataFlags): AsyncGenerator<JsonRow> {
  const options = rowOptions(flags);
  for await (const pair of pairs) yield plainPairRow(pair, options);
}

/** The file of a command that reads its input twice. Throws `ConfigError` for stdin. */
export const requireFile = (source: string): string => {
  if (source !== "-") return source;
  throw flagError("<input>", "expected a file: it is read twice, and stdin cannot be");
};

/** A line about what was done, unless nobody wants it. */
export const tell = (flags: FileFlags, pieces: readonly (string | false)[]): void => {
  if (flags.quiet !== true) process.stderr.write(`${pieces.filter((piece) => piece !== false).join(" · ")}\n`);
};
