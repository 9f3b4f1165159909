/** `r1reward data`: from raw pairs to what a cold start and reinforcement learning take. */
import { Command } from "commander";
import { balanceCommand } from "../data/balance.ts";
import { convertCommand } from "../data/convert.ts";
import { decontaminateCommand, dedupeCommand } from "../data/copies.ts";
import { distillCommand } from "../data/distill.ts";
import { shapesCommand } from "../data/shapes.ts";
import { subsetCommand } from "../data/subset.ts";

/** The command. */
export const dataCommand = (): Command =>
  new Command("data")
    .description("make and prepare training data: draw, dedupe, decontaminate, balance, distill, subset, convert")
    .addCommand(shapesCommand())
    .addCommand(dedupeCommand())
    .addCommand(decontaminateCommand())
    .addCommand(balanceCommand())
    .addCommand(distillCommand())
    .addCommand(subsetCommand())
    .addCommand(convertCommand())
    .addHelpText(
      "after",
      `
The paper's preparation, in this order:
  $ r1reward data dedupe raw.jsonl -o unique.jsonl
  $ r1reward data decontaminate unique.jsonl --against vl.parquet -o clean.jsonl
  $ r1reward data balance clean.jsonl -o balanced.jsonl
  $ r1reward data distill balanced.jsonl -u https://api.example.com/v1 -m teacher -o distilled.jsonl
  $ r1reward data subset distilled.jsonl --min 1 --failed exclude -o sft.jsonl
  $ r1reward data subset distilled.jsonl -o rl.jsonl`,
    );
