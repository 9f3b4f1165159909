/** `r1reward data balance`: the better answer stands first in exactly half of the pairs. */
import type { Preference } from "@r1reward/core";
import { answerBalancer } from "@r1reward/core/prepare";
import { Command } from "commander";
import { interruptible } from "../interrupt.ts";
import { flagError, wholeNumber } from "../options.ts";
import { addDataFlags, openPairs, plainRows, tell, writeRows, type DataFlags } from "./io.ts";

type Flags = DataFlags & { readonly seed: number; readonly by?: string };

/** Names pairs by a field, and remembers which fields there are. */
const namingBy = (field: string) => {
  const seen = new Set<string>();
  return {
    name: ({ meta = {} }: Preference): string => {
      for (const name in meta) seen.add(name);
      return JSON.stringify(Object.hasOwn(meta, field) ? meta[field] : null);
    },
    /** @throws ConfigError when pairs were named, and none has the field */
    check: (source: string, named: number): void => {
      if (seen.has(field) || named === 0) return;
      const known = seen.size === 0 ? "they have none" : `they have ${[...seen].sort().join(", ")}`;
      throw flagError("--by", `expected a field of the pairs in ${source}, got "${field}"; ${known}`);
    },
  };
};

const balance = async (source: string, flags: Flags, signal: AbortSignal): Promise<void> => {
  const by = flags.by === undefined ? undefined : namingBy(flags.by);
  const balancer = answerBalancer({ seed: flags.seed, by: by?.name });
  const input = openPairs(source, flags, { signal });
  const placed = async function* (): AsyncGenerator<Preference> {
    for await (const pair of input.pairs) yield balancer.place(pair);
    const { first, second } = balancer.stats();
    by?.check(source, first + second); // here, so that a file is not written
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
