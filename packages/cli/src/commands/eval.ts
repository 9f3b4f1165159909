/** `r1reward eval`: how often a judge agrees with people on a benchmark, and how far that can be trusted. */
import {
  compareRuns,
  customBenchmark,
  evaluate,
  formatComparison,
  formatReport,
  mmRlhfRewardBench,
  multimodalRewardBench,
  readRecord,
  vlRewardBench,
  type Benchmark,
  type EvalRecord,
  type EvalReport,
  type FailurePolicy,
  type RunComparison,
} from "@r1reward/core";
import { shapesBenchmark } from "@r1reward/core/shapes";
import { Argument, Command, Option } from "commander";
import { EXIT } from "../exit-codes.ts";
import { checkInput, openInput, type Input, type InputOptions } from "../input.ts";
import { interruptible } from "../interrupt.ts";
import { openJudge } from "../judging.ts";
import {
  addFileFlags,
  addJudgeFlags,
  flagError,
  SEEDED_AND_DRAWN,
  type FileFlags,
  type JudgeFlags,
} from "../options.ts";
import { startProgress } from "../output/progress.ts";
import { openResults, readResults, type ResultsFile } from "../output/results-file.ts";
import { runFingerprint } from "../run-identity.ts";
import { addShapesFlags, shapesFingerprint, shapesInput, type ShapesFlags } from "../shapes-input.ts";

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  "vl-rewardbench": vlRewardBench,
  "multimodal-rewardbench": multimodalRewardBench,
  "mm-rlhf-rewardbench": mmRlhfRewardBench,
  custom: customBenchmark("custom"),
  shapes: shapesBenchmark,
};

type Flags = JudgeFlags &
  ShapesFlags &
  Omit<FileFlags, "limit"> & {
    readonly data?: string;
    readonly limit?: number;
    readonly failures: FailurePolicy;
    readonly compare?: string;
    readonly json?: boolean;
  };

/** A record of the evaluation, with the fingerprint of its run. */
type EvalLine = EvalRecord & { readonly run: string };

const noFile: ResultsFile<EvalLine> = {
  finished: new Map(),
  append: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

const openOut = (flags: Flags, run: string): Promise<ResultsFile<EvalLine>> | ResultsFile<EvalLine> =>
  flags.out === undefined ? noFile : openResults<EvalLine>(flags.out, { run, overwrite: flags.overwrite === true });

/** Records of a file, or of the built-in world, which needs none. */
const inputOf = (benchmark: Benchmark, flags: Flags, options: InputOptions): Input => {
  if (flags.data !== undefined) return openInput(flags.data, flags, options);
  if (benchmark === shapesBenchmark) return shapesInput(flags);
  throw flagError("--data", `expected the file with the records of ${benchmark.name}, got none`);
};

const runEvaluation = async (benchmark: Benchmark, flags: Flags, signal: AbortSignal) => {
  await using opened = await openJudge(flags, signal);
  const needs = { needsImages: opened.usesModel, needsLabels: true, signal };
  const input = inputOf(benchmark, flags, needs);
  if (flags.data !== undefined && opened.usesModel) await checkInput(flags.data, flags, needs);
  const drawn = flags.data === undefined ? [shapesFingerprint(flags)] : [];
  const run = runFingerprint(opened, flags, benchmark.name, ...drawn);
  await using results = await openOut(flags, run);
  const progress = startProgress("evaluating", { quiet: flags.quiet === true });
  const records: EvalRecord[] = [...results.finished.values()];
  let failed = 0;
  try {
    const { votes, orders, seed, earlyStop, failures, concurrency } = flags;
    const onRecord = async (record: EvalRecord) => {
      records.push(record);
      failed += record.status === "failed" ? 1 : 0;
      await results.append({ ...record, run });
      progress.update({ done: records.length, failed });
    };
    const resume = results.finished.values();
    const report = await evaluate(benchmark, opened.judge, input.pairs, {
      ...{ votes, orders, seed, earlyStop, failures, concurrency, resume, onRecord, signal },
    });
    return { report, records, input };
  } finally {
    progress.finish();
  }
};

/** Records of an earlier run; what does not look like one is an error that names the line. */
const readRun = async (file: string): Promise<readonly EvalRecord[]> =>
  (await readResults<EvalLine>(file)).map((line, i) => readRecord(line, { file, line: i + 1 }));

const notes = (input: Input, flags: Flags): void => {
  if (flags.quiet === true) return;
  if (input.skipped() > 0) process.stderr.write(`${input.skipped()} rows could not be used and were skipped\n`);
  if (input.imagesOmitted() > 0) {
    process.stderr.write(`${input.imagesOmitted()} images were left out: this judge does not look at them\n`);
  }
};

const print = (report: EvalReport, comparison: RunComparison | undefined, json: boolean): void => {
  if (json) {
    process.stdout.write(`${JSON.stringify(comparison === undefined ? report : { ...report, comparison }, null, 2)}\n`);
    return;
  }
  process.stdout.write(`${formatReport(report)}\n`);
  if (comparison !== undefined) process.stdout.write(`\n${formatComparison(comparison)}\n`);
};

const evalAction = async (name: string, flags: Flags, signal: AbortSignal): Promise<void> => {
  const benchmark = BENCHMARKS[name] as Benchmark;
  const baseline = flags.compare === undefined ? undefined : await readRun(flags.compare);
  const { report, records, input } = await runEvaluation(benchmark, flags, signal);
  notes(input, flags);
  print(report, baseline === undefined ? undefined : compareRuns(baseline, records), flags.json === true);
  if (report.failures.n > 0) process.exitCode = EXIT.judge;
};

/** The command. */
export const evalCommand = (): Command =>
  addShapesFlags(addFileFlags(addJudgeFlags(new Command("eval"), SEEDED_AND_DRAWN)), "test", " (benchmark shapes)")
    .description("measure a judge on a benchmark")
    .addArgument(new Argument("<benchmark>", "which benchmark the data is").choices(Object.keys(BENCHMARKS)))
    .option("-d, --data <file>", "its records: JSONL or parquet, - for stdin; shapes needs none")
    .addOption(
      new Option("--failures <as>", "what unreadable and failed pairs count as in the headline")
        .choices(["wrong", "excluded", "coin-flip"])
        .default("wrong"),
    )
    .option("--compare <file>", "records of an earlier run (its --out) to compare with, pair by pair")
    .option("--json", "the report as JSON on stdout")
    .addHelpText(
      "after",
      `
A pair is right when the decision over both orders names the human's choice; a tie is wrong in the headline.

Examples:
  $ r1reward eval vl-rewardbench --data vl.jsonl --judge baseline:longer --json
  $ r1reward eval vl-rewardbench --data vl.parquet --base-url http://localhost:8000/v1 -o run.jsonl
  $ r1reward eval shapes --n 800 --style ood --base-url http://localhost:8000/v1 --protocol shapes
  $ r1reward eval mm-rlhf-rewardbench --data mm.jsonl --image-root data --votes 10 --compare greedy.jsonl`,
    )
    .action((name: string, flags: Flags) => interruptible((signal) => evalAction(name, flags, signal)));
