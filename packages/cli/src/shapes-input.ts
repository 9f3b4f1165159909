/** The built-in data set: drawn scenes, made from a seed while they are read. */
import {
  shapesDataset,
  shapesStyles,
  type Grade,
  type ShapesPair,
  type ShapesSplit,
  type ShapesStyleName,
} from "@r1reward/core/shapes";
import { Option, type Command } from "commander";
import { deflateSync } from "node:zlib";
import type { Input } from "./input.ts";
import { wholeNumber } from "./options.ts";

/** What the flags of the shapes world say. */
export interface ShapesFlags {
  readonly n: number;
  readonly seed: number;
  readonly grade: "1" | "2" | "3" | "4" | "mixed";
  readonly style: ShapesStyleName;
  readonly split: ShapesSplit;
}

/** Adds the flags of the shapes world, but for `--seed`. `split` is what is drawn from unless told. */
export const addShapesFlags = (command: Command, split: ShapesSplit, note = ""): Command =>
  command
    .option("--n <n>", `pairs to draw${note}`, wholeNumber(1), 400)
    .addOption(
      new Option("--grade <grade>", `how hard the pairs are${note}`)
        .choices(["1", "2", "3", "4", "mixed"])
        .default("mixed"),
    )
    .addOption(
      new Option("--style <style>", `how the scenes are drawn${note}`)
        .choices(Object.keys(shapesStyles))
        .default("plain"),
    )
    .addOption(
      new Option("--split <split>", `scenes to draw from; none is in two splits${note}`)
        .choices(["train", "val", "test"])
        .default(split),
    );

const gradeOf = (grade: ShapesFlags["grade"]): Grade | "mixed" =>
  grade === "mixed" ? grade : (Number(grade) as Grade);

/** The pairs that the flags name, made one at a time. */
export const shapesPairs = ({ n, seed, grade, style, split }: ShapesFlags): Generator<ShapesPair, void> =>
  shapesDataset({ n, seed, grade: gradeOf(grade), style, split, deflate: (data) => deflateSync(data) });

async function* preferences(flags: ShapesFlags & { readonly limit?: number }) {
  for (const { pair } of shapesPairs({ ...flags, n: Math.min(flags.n, flags.limit ?? flags.n) })) yield pair;
}

/** The same as an input of `score` and `eval`. */
export const shapesInput = (flags: ShapesFlags & { readonly limit?: number }): Input => ({
  pairs: preferences(flags),
  skipped: () => 0,
  imagesOmitted: () => 0,
});

/** Everything that changes which pairs are drawn: part of the fingerprint of a results file. */
export const shapesFingerprint = ({ seed, grade, style, split }: ShapesFlags): string =>
  JSON.stringify(["shapes", seed, grade, style, split]);
