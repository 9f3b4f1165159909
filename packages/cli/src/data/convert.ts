/** `r1reward data convert`: any layout that is read, to one that trainers read. */
import { createHash } from "node:crypto";
import { access, rename, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { decodeBase64, readImageHeader, type MediaSource, type Part, type Preference } from "@r1reward/core";
import { plainPairRow, r1RewardRlRow, type JsonRow, type RowOptions } from "@r1reward/core/prepare";
import { Command, Option } from "commander";
import { interruptible } from "../interrupt.ts";
import { flagError } from "../options.ts";
import { makeFolder, outputError } from "../output/whole.ts";
import { addDataFlags, openPairs, tell, unlessRefused, writeRows, type DataFlags } from "./io.ts";

const WRITERS = { "plain-pairs": plainPairRow, "r1-reward-rl": r1RewardRlRow } as const;

type Flags = DataFlags & {
  readonly to: keyof typeof WRITERS;
  readonly images?: string;
  readonly absolute?: boolean;
};

const EXTENSIONS = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif" } as const;

const bytesOf = (source: MediaSource): Uint8Array | undefined => {
  if ("bytes" in source) return source.bytes;
  return "dataUri" in source ? decodeBase64(source.dataUri.slice(source.dataUri.indexOf(",") + 1)) : undefined;
};

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const writeImage = async (path: string, bytes: Uint8Array): Promise<void> => {
  await makeFolder(dirname(path));
  try {
    await writeFile(`${path}.tmp`, bytes);
    await rename(`${path}.tmp`, path);
  } catch (cause) {
    throw outputError(path, cause);
  }
};

/** Writes embedded images to a folder, each distinct one once, whole or not at all. */
const imageFiles = (folder: string) => {
  let written = 0;
  const save = async (source: MediaSource): Promise<MediaSource> => {
    const bytes = bytesOf(source);
    if (bytes === undefined) return source;
    const name = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
    const path = join(resolve(folder), `${name}.${EXTENSIONS[readImageHeader(bytes).mediaType]}`);
    if (!(await isThere(path))) {
      await writeImage(path, bytes);
      written += 1;
    }
    return { path };
  };
  const savePart = async (part: Part): Promise<Part> => {
    if (part.type === "image") return { type: "image", image: await save(part.image) };
    if (part.type === "text" || "folder" in part.video) return part;
    return { type: "video", video: { frames: await Promise.all(part.video.frames.map(save)) } };
  };
  const savePair = async (pair: Preference): Promise<Preference> => ({
    ...pair,
    question: await Promise.all(pair.question.map(savePart)),
  });
  return { written: () => written, savePair };
};

/** The folder that paths in the output are relative to: the image folder, else where the output stands. */
const baseOf = ({ imageRoot, images, out }: Flags): string => {
  const base = resolve(imageRoot ?? (images === undefined || out === undefined ? "." : dirname(out)));
  if (images !== undefined && relative(base, resolve(images)).startsWith("..")) {
    throw flagError("--images", `expected a folder inside ${base}, which the paths are relative to, got ${images}`);
  }
  return base;
};

const pathWriter = (flags: Flags): RowOptions => {
  const base = baseOf(flags);
  // Paths were read as lying below the image folder, or below the working folder when there is none.
  const read = resolve(flags.imageRoot ?? ".");
  return {
    path: (path) => {
      if (flags.absolute === true) return path;
      const isSaved = flags.images !== undefined && path.startsWith(resolve(flags.images) + sep);
      return relative(isSaved ? base : read, path)
        .split(sep)
        .join("/");
    },
  };
};

const convert = async (source: string, flags: Flags, signal: AbortSignal): Promise<void> => {
  const write = WRITERS[flags.to];
  const options = pathWriter(flags);
  const files = flags.images === undefined ? undefined : imageFiles(flags.images);
  const input = openPairs(source, flags, { needsLabels: flags.to === "r1-reward-rl", signal });
  const rowOf = async (pair: Preference): Promise<JsonRow> =>
    write(files === undefined ? pair : await files.savePair(pair), options);
  let count = 0;
  const rows = async function* (): AsyncGenerator<JsonRow> {
    for await (const pair of input.pairs) {
      const row = await unlessRefused(input, pair, () => rowOf(pair));
      if (row === undefined) continue;
      yield row;
      count += 1;
    }
  };
  await writeRows(rows(), flags);
  tell(flags, [
    `${count} pairs as ${flags.to}`,
    files !== undefined && `${files.written()} images in ${flags.images ?? ""}`,
    input.skipped() > 0 && `${input.skipped()} rows skipped`,
  ]);
};

/** The command. */
export const convertCommand = (): Command =>
  addDataFlags(new Command("convert"))
    .description("write pairs of any layout as plain-pairs, or as the released trainer reads them")
    .argument("<input>", "pairs: JSONL, JSON or parquet, - for stdin")
    .addOption(new Option("--to <layout>", "layout of the output").choices(Object.keys(WRITERS)).default("plain-pairs"))
    .option("--images <folder>", "write embedded images into this folder and name their files in the rows")
    .option("--absolute", "absolute image paths, which the released trainer wants and this program does not read")
    .addHelpText(
      "after",
      `
Examples:
  $ r1reward data convert part-0.parquet --images rl/images -o rl/pairs.jsonl
  $ r1reward data convert hard.jsonl --image-root data --to r1-reward-rl --absolute -o train.jsonl`,
    )
    .action((source: string, flags: Flags) => interruptible((signal) => convert(source, flags, signal)));
