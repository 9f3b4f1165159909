/** `r1reward data subset`: pairs by the attempts their teacher needed. */
import type { Preference } from "@r1reward/core";
import { difficultyFilter, type SubsetOptions } from "@r1reward/core/prepare";
import { Command, Option } from "commander";
import { interruptible } from "../interrupt.ts";
import { wholeNumber } from "../options.ts";
import { addDataFlags, openPairs, plainRows, tell, writeRows, type DataFlags } from "./io.ts";

type Flags = DataFlags & {
  readonly min: number;
  readonly max?: number;
  readonly failed: NonNullable<SubsetOptions["failed"]>;
};

const subset = async (source: string, flags: Flags, signal: AbortSignal): Promise<void> => {
  const wanted = difficultyFilter({ min: flags.min, max: flags.max, failed: flags.failed });
  const input = openPairs(source, flags, { signal });
  let [read, taken] = [0, 0];
  const chosen = async function* (): AsyncGenerator<Preference> {
    for await (const pair of input.pairs) {
      read += 1;
      if (!wanted(pair)) continue;
      taken += 1;
      yield pair;
    }
  };
  await writeRows(plainRows(chosen(), flags), flags);
  tell(flags, [`${taken} of ${read} pairs taken`, input.skipped() > 0 && `${input.skipped()} rows skipped`]);
};

/** The command. */
export const subsetCommand = (): Command =>
  addDataFlags(new Command("subset"))
    .description("choose pairs by difficulty: the attempts that `data distill` wrote into them")
    .argument("<input>", "what data distill wrote: JSONL, - for stdin")
    .addOption(new Option("--by <what>", "what to choose by").choices(["attempts"]).default("attempts"))
    .option("--min <n>", "fewest attempts of a solved pair", wholeNumber(1), 2)
    .option("--max <n>", "most attempts of a solved pair", wholeNumber(1))
    .addOption(
      new Option("--failed <what>", "pairs that were never solved")
        .choices(["include", "exclude", "only"])
        .default("include"),
    )
    .addHelpText(
      "after",
      `
Examples:
  $ r1reward data subset distilled.jsonl -o rl.jsonl                        # the paper's: two attempts or more, or failed
  $ r1reward data subset distilled.jsonl --min 1 --failed exclude -o sft.jsonl    # every pair with a critique`,
    )
    .action((source: string, flags: Flags) => interruptible((signal) => subset(source, flags, signal)));
