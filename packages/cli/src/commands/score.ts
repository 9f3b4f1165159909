/** `r1reward score`: pairs in, rewards out. */
import { comparePair, isR1Error, messageOf, recordKeys, redact, throwIfAborted, type Preference } from "@r1reward/core";
import { Command } from "commander";
import { EXIT } from "../exit-codes.ts";
import { openInput } from "../input.ts";
import { interruptible } from "../interrupt.ts";
import { openJudge, type OpenJudge } from "../judging.ts";
import { addFileFlags, addJudgeFlags, SEEDED_AND_DRAWN, type FileFlags, type JudgeFlags } from "../options.ts";
import { startProgress, type Progress } from "../output/progress.ts";
import { openResults, stdoutResults, type ResultsFile } from "../output/results-file.ts";
import { forEachConcurrent } from "../pool.ts";
import { runFingerprint } from "../run-identity.ts";
import { addShapesFlags, shapesFingerprint, shapesInput, type ShapesFlags } from "../shapes-input.ts";
import { failedLine, scoredLine, type LineHead, type ScoreLine } from "../score-line.ts";

type Flags = JudgeFlags & FileFlags & ShapesFlags & { readonly json?: boolean };

/** What a run came to. */
interface Summary {
  pairs: number;
  scored: number;
  resumed: number;
  failed: number;
  unreadable: number;
  ties: number;
  cachedReplies: number;
  skippedRows: number;
}

/** What the work on a pair needs. */
interface Run {
  readonly opened: OpenJudge;
  readonly flags: Flags;
  readonly results: ResultsFile<ScoreLine>;
  readonly summary: Summary;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const count = (summary: Summary, line: ScoreLine): void => {
  if (line.status === "failed") summary.failed += 1;
  else summary.scored += 1;
  if (line.winner === null) summary.unreadable += 1;
  if (line.winner === "tie") summary.ties += 1;
  summary.cachedReplies += line.judgments?.filter((judgment) => judgment.cached).length ?? 0;
};

/** A judge that failed is a line of its own: the other pairs go on. Our own aborts and full disks end the run. */
const judgeOne = async ({ opened, flags, signal }: Run, head: LineHead, pair: Preference): Promise<ScoreLine> => {
  const { votes, orders, seed, earlyStop } = flags;
  try {
    return scoredLine(head, pair, await comparePair(opened.judge, pair, { votes, orders, seed, earlyStop, signal }));
  } catch (error) {
    if (signal.aborted || (isR1Error(error) && error.code === "R1_CONFIG")) throw error;
    return failedLine(head, pair, {
      code: isR1Error(error) ? error.code : "unknown",
      message: redact(messageOf(error)),
    });
  }
};

const scoreOne = async (run: Run, head: LineHead, pair: Preference): Promise<void> => {
  const { summary, results, progress } = run;
  summary.pairs += 1;
  const before = results.finished.get(head.key);
  if (before === undefined) {
    const line = await judgeOne(run, head, pair);
    count(summary, line);
    await results.append(line);
  } else {
    summary.resumed += 1;
  }
  progress.update({ done: summary.pairs, failed: summary.failed });
};

const describe = (summary: Summary, out: string | undefined): string =>
  [
    `${summary.pairs} pairs`,
    `${summary.scored} scored${summary.resumed > 0 ? `, ${summary.resumed} already there` : ""}`,
    `${summary.ties} ties`,
    `${summary.unreadable} unreadable`,
    `${summary.failed} failed`,
    ...(summary.skippedRows > 0 ? [`${summary.skippedRows} rows skipped`] : []),
    ...(summary.cachedReplies > 0 ? [`${summary.cachedReplies} replies from the cache`] : []),
    ...(out === undefined ? [] : [`results in ${out}`]),
  ].join(" · ");

const report = (summary: Summary, flags: Flags): void => {
  if (flags.json) process.stderr.write(`${JSON.stringify(summary)}\n`);
  else if (!flags.quiet) process.stderr.write(`${describe(summary, flags.out)}\n`);
  if (summary.failed > 0) process.exitCode = EXIT.judge;
};

/** The name of the data set that is built in; a file of this name is `./shapes`. */
const BUILT_IN = "shapes";

const score = async (source: string, flags: Flags, signal: AbortSignal): Promise<void> => {
  await using opened = await openJudge(flags, signal);
  const run = runFingerprint(opened, flags, ...(source === BUILT_IN ? [shapesFingerprint(flags)] : []));
  const toStdout = flags.out === undefined || flags.out === "-";
  await using results = toStdout
    ? stdoutResults<ScoreLine>()
    : await openResults<ScoreLine>(flags.out, { run, overwrite: flags.overwrite === true });
  const options = { needsImages: opened.usesModel, signal };
  const input = source === BUILT_IN ? shapesInput(flags) : openInput(source, flags, options);
  const summary: Summary = {
    pairs: 0,
    scored: 0,
    resumed: 0,
    failed: 0,
    unreadable: 0,
    ties: 0,
    cachedReplies: 0,
    skippedRows: 0,
  };
  const progress = startProgress("scoring", { quiet: flags.quiet === true });
  const keyOf = recordKeys();
  const state: Run = { opened, flags, results, summary, progress, signal };
  try {
    await forEachConcurrent(input.pairs, flags.concurrency, (pair, index) => {
      throwIfAborted(signal);
      return scoreOne(state, { key: keyOf(pair), run, index }, pair);
    });
  } finally {
    progress.finish();
    summary.skippedRows = input.skipped();
    report(summary, flags);
  }
};

/** The command. */
export const scoreCommand = (): Command =>
  addShapesFlags(addFileFlags(addJudgeFlags(new Command("score"), SEEDED_AND_DRAWN)), "test", " (input shapes)")
    .description("judge pairs and write a reward for each response")
    .argument("[input]", "JSONL or parquet file of pairs, - for stdin, or shapes: drawn pairs", "-")
    .option("--json", "summary on stderr as JSON")
    .addHelpText(
      "after",
      `
Each result line holds the winner (an index into responses), rewards in [-1, 1] that add up to 0, the votes in both
orders and every critique. A pair that could not be judged is written with status "failed" and tried again next time.

Examples:
  $ r1reward score pairs.jsonl --judge baseline:longer -o scores.jsonl
  $ r1reward score pairs.jsonl --base-url http://localhost:8000/v1 --image-root images -o scores.jsonl
  $ cat pairs.jsonl | r1reward score - --judge baseline:random:7`,
    )
    .action((source: string, flags: Flags) => interruptible((signal) => score(source, flags, signal)));
