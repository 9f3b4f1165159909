#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { isR1Error, messageOf } from "@r1reward/core";
import { Command, CommanderError } from "commander";
import pc from "picocolors";
import { cacheCommand } from "./commands/cache.ts";
import { dataCommand } from "./commands/data.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evalCommand } from "./commands/eval.ts";
import { scoreCommand } from "./commands/score.ts";
import { serveCommand } from "./commands/serve.ts";
import { trainCommand } from "./commands/train.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";

const version = (): string =>
  (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;

const program = (): Command => {
  const root = new Command("r1reward")
    .description("The reward side of RLHF: judge pairs with R1-Reward, evaluate reward models, check a setup.")
    .version(version())
    .addCommand(scoreCommand())
    .addCommand(evalCommand())
    .addCommand(serveCommand())
    .addCommand(trainCommand())
    .addCommand(dataCommand())
    .addCommand(cacheCommand())
    .addCommand(doctorCommand())
    .addCommand(demoCommand())
    .addHelpText(
      "after",
      `
Environment: R1REWARD_BASE_URL, R1REWARD_MODEL, R1REWARD_API_KEY, R1REWARD_CACHE,
             R1REWARD_SERVE_TOKENS; NO_COLOR is respected.
Exit codes: 0 done · 1 unexpected error · 2 wrong usage · 3 unreadable input · 4 some pairs could not be judged ·
            5 results could not be written · 6 training was stopped by an alarm · 7 the machine cannot do it (memory, runtime) ·
            130 interrupted (the same command goes on; train with --resume).`,
    );
  for (const command of [root, ...root.commands, ...root.commands.flatMap(({ commands }) => commands)])
    command.exitOverride().showHelpAfterError("(--help shows what is possible)");
  return root;
};

/** Says what went wrong, in one line that names the place; a stack only for what nobody foresaw. */
const fail = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const text = isR1Error(error) ? messageOf(error) : ((error as Error)?.stack ?? String(error));
  process.stderr.write(`${pc.red("error")} ${text}\n`);
  if (exitCodeOf(error) === EXIT.interrupted)
    process.stderr.write("interrupted; run the same command again to go on\n");
  return exitCodeOf(error);
};

// A reader that has seen enough (`| head`) closes the pipe: that ends the program, it is not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  throw error;
});

// Nobody reads the messages any more: the work goes on without them.
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  await program().parseAsync();
} catch (error) {
  process.exitCode = fail(error);
}
