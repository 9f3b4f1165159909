/** The flags of `data distill`. */
import { DISTILL_TEMPERATURES } from "@r1reward/core/prepare";
import { InvalidArgumentError, type Command } from "commander";
import { addServerFlags, collect, wholeNumber, type FileTexts } from "../options.ts";
import type { Prices } from "./bill.ts";
import { addDataFlags, type DataFlags } from "./io.ts";

/** What the flags say. */
export interface DistillFlags extends Omit<DataFlags, "out">, Prices {
  readonly out: string;
  readonly baseUrl?: readonly string[];
  readonly model?: string;
  /** Left out: what the model was trained on, as far as that is known, else r1. */
  readonly protocol?: string;
  readonly temperatures: readonly number[];
  readonly maxTokens: number;
  readonly seed?: number;
  readonly maxPixels: number;
  readonly mapWeights?: boolean;
  readonly allowHost?: readonly string[];
  readonly concurrency: number;
  readonly deadline: number;
  readonly json?: boolean;
}

const positive = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("expected a number ≥ 0");
  return value;
};

const temperatures = (text: string): readonly number[] => text.split(",").map(positive);

const addTeacherFlags = (command: Command): Command =>
  addServerFlags(command)
    .option(
      "-p, --protocol <name>",
      "how the teacher is asked: r1 (the paper's Table 1), r1-train, plain, … (default: what r1reward.json of a model's folder names; shapes for --model tiny; else r1)",
    )
    .option(
      "--temperatures <list>",
      "one per attempt, with commas; 0,0,0 is the paper's",
      temperatures,
      DISTILL_TEMPERATURES,
    )
    .option("--max-tokens <n>", "longest critique", wholeNumber(1), 4096)
    .option("--seed <n>", "seed of sampling, one more for each attempt (default: none is sent)", wholeNumber(0))
    .option("--max-pixels <n>", "pixel budget per image", wholeNumber(784), 501_760)
    .option("--map-weights", "of a folder: leave the weights in their files, which takes a fraction of the memory")
    .option("--allow-host <name>", "host that image URLs may be fetched from; repeat for more", collect)
    .option("-c, --concurrency <n>", "most pairs under way at once", wholeNumber(1), 16)
    .option("--deadline <seconds>", "longest wait for one critique, retries included", positive, 600)
    .option("--price-in <amount>", "price of a million prompt tokens, to show the cost", positive)
    .option("--price-out <amount>", "price of a million written tokens", positive);

const TEXTS: FileTexts = {
  limit: "distil only the first n records",
  out: "pairs with their attempts and critiques; an unfinished run is continued from <file>.attempts.jsonl",
  overwrite: "ask for everything anew, and replace both files",
};

/** Adds them. */
export const addDistillFlags = (command: Command): Command =>
  addTeacherFlags(addDataFlags(command, TEXTS))
    .description("ask a strong model to judge labelled pairs; keep right critiques and count attempts")
    .argument("<input>", "labelled pairs: JSONL, JSON or parquet")
    .option("--json", "summary on stderr as JSON")
    .hook("preAction", (one) => {
      if (one.opts<{ out?: string }>().out === undefined || one.opts<{ out?: string }>().out === "-")
        one.error("error: required option '-o, --out <file>' not specified");
    })
    .addHelpText(
      "after",
      `
Each pair is asked about until a reply is right, once per temperature at most. <out> has the pairs in their order, with
attempts (a number, or "failed") and critique; <out>.attempts.jsonl has every reply as it came. A run that was stopped,
by Ctrl-C or kill -9, goes on where it was: no reply that stands in that file is asked for again.
Pairs without a human's choice are of no use: they are found before anything is asked, see --on-bad-row.
Balance the answers first (data balance): critiques speak of answers 1 and 2.

Example:
  $ r1reward data distill balanced.jsonl --image-root images -u https://api.example.com/v1 -m teacher -o distilled.jsonl`,
    );
