/** `r1reward data shapes`: drawn scenes with questions and two answers each, written as images and JSONL. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "@r1reward/core";
import { plainPairRow, type JsonRow } from "@r1reward/core/prepare";
import { shapesReasoning, type ShapesPair } from "@r1reward/core/shapes";
import { Command } from "commander";
import { interruptible } from "../interrupt.ts";
import { wholeNumber } from "../options.ts";
import { startProgress } from "../output/progress.ts";
import { writeFolder, writeLines } from "../output/whole.ts";
import { addShapesFlags, shapesPairs, type ShapesFlags } from "../shapes-input.ts";

type Flags = ShapesFlags & { readonly out: string; readonly reasoning?: boolean; readonly quiet?: boolean };

const bytesOf = ({ pair }: ShapesPair): Uint8Array => {
  const [first] = pair.question;
  if (first?.type === "image" && "bytes" in first.image) return first.image.bytes;
  throw new Error("shapes: expected the picture first");
};

const rowOf = (drawn: ShapesPair, image: string, reasoning: boolean): JsonRow => {
  const question = [{ type: "image" as const, image: { path: image } }, drawn.pair.question.at(-1)!];
  return {
    ...plainPairRow({ ...drawn.pair, question }),
    ...(reasoning ? { critique: shapesReasoning(drawn) } : {}),
  };
};

const shapes = async (flags: Flags, signal: AbortSignal): Promise<void> => {
  const progress = startProgress("drawing", { quiet: flags.quiet === true });
  try {
    await writeFolder(flags.out, async (folder) => {
      await mkdir(join(folder, "images"));
      let done = 0;
      const rows = async function* (): AsyncGenerator<string> {
        for (const drawn of shapesPairs(flags)) {
          throwIfAborted(signal);
          const image = `images/${String(drawn.index).padStart(6, "0")}.png`;
          await writeFile(join(folder, image), bytesOf(drawn));
          yield JSON.stringify(rowOf(drawn, image, flags.reasoning === true));
          progress.update({ done: (done += 1), total: flags.n, failed: 0 });
        }
      };
      await writeLines(join(folder, "pairs.jsonl"), rows());
    });
  } finally {
    progress.finish();
  }
  if (flags.quiet !== true) process.stderr.write(`${flags.n} pairs in ${join(flags.out, "pairs.jsonl")}\n`);
};

/** The command. */
export const shapesCommand = (): Command =>
  addShapesFlags(new Command("shapes"), "train")
    .description("draw pictures with questions and two answers of which one is right, from a seed")
    .requiredOption("-o, --out <folder>", "new folder for images/ and pairs.jsonl")
    .option("--seed <n>", "seed of everything that is drawn", wholeNumber(0), 0)
    .option("--reasoning", "write a right critique for each pair (field critique), for a cold start")
    .option("-q, --quiet", "no progress, no notes")
    .addHelpText(
      "after",
      `
Pairs 2k and 2k + 1 are twins: the same texts, different pictures, opposite answers. A judge that does not look at the
picture is right on exactly half of them.

Examples:
  $ r1reward data shapes --n 20000 --reasoning -o shapes-train
  $ r1reward data shapes --n 1000 --split test --style ood -o shapes-ood
  $ r1reward eval custom --data shapes-ood/pairs.jsonl --image-root shapes-ood --judge baseline:longer`,
    )
    .action((flags: Flags) => interruptible((signal) => shapes(flags, signal)));
