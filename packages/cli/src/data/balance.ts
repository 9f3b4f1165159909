/** `r1reward data balance`: the better answer stands first in exactly half of the pairs. */
import type { Preference } from "@r1reward/core";
import { answerBalancer } from "@r1reward/core/prepare";
import { Command } from "commander";
import { interruptible } from "../interrupt.ts";
import { wholeNumber } from "../options.ts";
import { addDataFlags, openPairs, plainRows, tell, writeRows, type DataFlags } from "./io.ts";

type Flags = DataFlags & { readonly seed: number; readonly by?: string };

const nameBy =
  (field: string) =>
  ({ meta }: Preference): string =>
    JSON.stringify(meta?.[field] ?? null);

const balance = async (source: string, flags: Flags, signal: AbortSignal): Promise<void> => {
  const by = flags.by === undefined ? undefined : nameBy(flags.by);
  const balancer = answerBalancer({ seed: flags.seed, by });
  const input = openPairs(source, flags, signal);
  const placed = async function* (): AsyncGenerator<Preference> {
    for await (const pair of input.pairs) yield balancer.place(pair);
  };
  await writeRows(plainRows(placed(), flags), flags);
  const { first, second, swapped, unlabelled } = balancer.stats();
  tell(flags, [
    `${first} with the better answer first`,
    `${second} with it second`,
    `${swapped} turned`,
    unlabelled > 0 && `${unlabelled} without a label left as they are`,
    input.skipped() > 0 && `${input.skipped()} rows skipped`,
  ]);
};

/** The command. */
export const balanceCommand = (): Command =>
  addDataFlags(new Command("balance"))
    .description("put the better answer first in exactly half of the pairs")
    .argument("<input>", "pairs: JSONL, JSON or parquet, - for stdin")
    .option("--seed <n>", "seed of the coin", wholeNumber(0), 0)
    .option("--by <field>", "balance within each value of this field, e.g. category")
    .action((source: string, flags: Flags) => interruptible((signal) => balance(source, flags, signal)));
