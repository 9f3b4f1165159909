/** `r1reward train`: the paper's pipeline from one configuration file. */
import type { ReportSink } from "@r1reward/stablereinforce";
import { Command } from "commander";
import { EXIT, exitCodeOf } from "../exit-codes.ts";
import { interruptible } from "../interrupt.ts";
import { collect } from "../options.ts";
import type { FolderFlags, RunOutcome, StageName } from "../train/index.ts";
import { stoppable } from "../train/signals.ts";

interface Flags extends FolderFlags {
  readonly dryRun?: boolean;
  readonly forceMemory?: boolean;
  readonly unfinishedStart?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** The engine and everything around it: seconds that the other commands need not wait for. */
const load = () => import("../train/index.ts");

const teller =
  ({ quiet }: Flags) =>
  (text: string): void => {
    if (quiet !== true) process.stderr.write(`${text}\n`);
  };

const progressOf = async ({ quiet }: Flags): Promise<(stage: StageName, steps: number) => readonly ReportSink[]> => {
  if (quiet === true) return () => [];
  const { progressSink } = await import("@r1reward/stablereinforce");
  const overwrite = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  return (_stage, steps) => [progressSink({ print: (text) => process.stderr.write(text), steps, overwrite })];
};

const CODES: Readonly<Record<RunOutcome["status"], number>> = {
  finished: EXIT.ok,
  interrupted: EXIT.interrupted,
  stopped: EXIT.stopped,
};

const finish = async (folder: string, outcome: RunOutcome, flags: Flags): Promise<void> => {
  const tell = teller(flags);
  const { writeReport } = await load();
  const { html, markdown } = await writeReport(folder);
  if (outcome.status === "interrupted") tell(`interrupted; the same command with --resume goes on`);
  if (outcome.status === "stopped") tell("stopped by an alarm; the last good checkpoint is kept");
  if (flags.json === true) {
    const stages = Object.entries(outcome.results).map(([name, { weights: _w, ...rest }]) => [name, rest]);
    const told = {
      status: outcome.status,
      folder,
      exported: outcome.exported,
      report: html,
      stages: Object.fromEntries(stages),
    };
    process.stdout.write(`${JSON.stringify(told, null, 2)}\n`);
  } else process.stdout.write(`${folder}: ${outcome.status}; report: ${html}, ${markdown}\n`);
  process.exitCode = CODES[outcome.status];
};

/** The second Ctrl-C: what was saved before is whole. Other commands go on without a flag, this one does not. */
const droppedAtOnce = (error: unknown): null => {
  if (exitCodeOf(error) !== EXIT.interrupted) throw error;
  process.stderr.write("interrupted, the step under way was dropped; the same command with --resume goes on\n");
  process.exitCode = EXIT.interrupted;
  return null;
};

const trainAction = async (stages: readonly StageName[], flags: Flags): Promise<void> => {
  const { dryRun, openRun, peekRun, trainRun } = await load();
  if (flags.dryRun === true) {
    const { config, folder } = await peekRun(flags);
    return interruptible((signal) => dryRun({ config, folder, stages, json: flags.json === true, signal }));
  }
  const { lock, ...run } = await openRun(flags);
  await using _alone = lock;
  const progress = await progressOf(flags);
  const insisted = { forceMemory: flags.forceMemory === true, unfinishedStart: flags.unfinishedStart === true };
  const outcome = await stoppable(teller(flags), (signals) =>
    trainRun(run, { ...signals, ...insisted, stages, tell: teller(flags), progress }),
  ).catch(droppedAtOnce);
  if (outcome !== null) await finish(run.folder, outcome, flags);
};

const addRunFlags = (command: Command): Command =>
  command
    .option("-c, --config <file>", "YAML or JSON; `r1reward train schema` says what may stand in it")
    .option("--preset <name>", "paper, script or tiny, for what the file does not say (default: paper)")
    .option("--set <path=value>", "lays a setting over the file, e.g. rl.learningRate=1e-6; repeat for more", collect)
    .option("-o, --out <folder>", "the run's folder (default: runs/<name>)")
    .option(
      "--resume",
      "go on with the run in that folder, with its own configuration; --set may change what does not change the result",
    )
    .option("--dry-run", "say what the run will need, and begin nothing")
    .option("--force-memory", "begin although the machine has less memory than the run takes by its own account")
    .option("--json", "the outcome, or the dry run, as JSON on stdout")
    .option("-q, --quiet", "no progress, no notes");

const stageCommand = (name: string, stages: readonly StageName[], description: string): Command =>
  addRunFlags(new Command(name))
    .description(description)
    .action((flags: Flags) => trainAction(stages, flags));

const reportCommand = (): Command =>
  new Command("report")
    .description("write report.html and report.md of a run, finished or not")
    .argument("<folder>", "the run's folder")
    .action(async (folder: string) => {
      const { html, markdown } = await (await load()).writeReport(folder);
      process.stdout.write(`${html}\n${markdown}\n`);
    });

const schemaCommand = (): Command =>
  new Command("schema")
    .description("print the JSON schema of configuration files")
    .action(async () => void process.stdout.write(`${JSON.stringify((await load()).fileSchema(), null, 2)}\n`));

/** The command. */
export const trainCommand = (): Command =>
  new Command("train")
    .description("train a reward model: cold start, StableReinforce, measuring, export")
    .addCommand(
      stageCommand("run", ["sft", "rl"], "the whole pipeline: cold start, reinforcement learning, export, report"),
    )
    .addCommand(stageCommand("sft", ["sft"], "the cold start alone: learn to write the critiques of the data"))
    .addCommand(
      stageCommand(
        "rl",
        ["rl"],
        "reinforcement learning alone; begins with the folder's cold start, if there is one",
      ).option("--unfinished-start", "begin with a cold start that has steps to go"),
    )
    .addCommand(reportCommand())
    .addCommand(schemaCommand())
    .addHelpText(
      "after",
      `
Ctrl-C finishes the step under way and saves it; --resume goes on to the last digit, also after a kill.

Examples:
  $ r1reward train run --preset tiny --out runs/tiny
  $ r1reward train run --config run.yaml --dry-run
  $ r1reward train run --out runs/tiny --resume --set checkpoints.every=5
  $ r1reward train report runs/tiny`,
    );
