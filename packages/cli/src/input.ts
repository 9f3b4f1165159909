/** From a file, or stdin, to pairs. */
import { datasetFormats, type DatasetFormat, type Preference } from "@r1reward/core";
import { readPreferences } from "@r1reward/core/node";
import { flagError, type FileFlags, type JudgeFlags } from "./options.ts";

/** Pairs as they are read, and what was left out so far. */
export interface Input {
  readonly pairs: AsyncIterable<Preference>;
  skipped(): number;
  imagesOmitted(): number;
}

async function* take<T>(items: AsyncIterable<T>, n: number): AsyncGenerator<T> {
  let left = n;
  for await (const item of items) {
    yield item;
    left -= 1;
    if (left <= 0) return;
  }
}

const formatNamed = (name: string): DatasetFormat => {
  const format = datasetFormats.find((known) => known.name === name);
  if (format !== undefined) return format;
  throw flagError("--format", `expected one of ${datasetFormats.map((known) => known.name).join(", ")}, got "${name}"`);
};

/** Opens the input. A judge that looks at images never gets a pair whose image is missing: that is an error. */
export const openInput = (
  source: string,
  flags: FileFlags & Pick<JudgeFlags, "imageRoot">,
  options: { readonly needsImages: boolean; readonly signal: AbortSignal },
): Input => {
  const reading = readPreferences(source, {
    format: flags.format === undefined ? undefined : formatNamed(flags.format),
    imageRoot: flags.imageRoot,
    missingImages: options.needsImages ? "error" : "omit",
    onBadRow: flags.onBadRow,
    onSkip: (error) => {
      if (flags.quiet !== true) process.stderr.write(`skipped: ${error.message}\n`);
    },
    signal: options.signal,
  });
  return {
    pairs: flags.limit === undefined ? reading : take(reading, flags.limit),
    skipped: () => reading.stats.skipped,
    imagesOmitted: () => reading.stats.imagesOmitted,
  };
};
