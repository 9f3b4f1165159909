/** `r1reward data distill`: critiques of a strong model for a cold start, and each pair's difficulty. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { isR1Error, messageOf, recordKeys, redact, throwIfAborted, type Preference } from "@r1reward/core";
import { distillPair, plainPairRow, type Attempt, type Distilled, type JsonRow } from "@r1reward/core/prepare";
import { Command } from "commander";
import { EXIT } from "../exit-codes.ts";
import { checkInput, openInput, type FileInput, type InputOptions } from "../input.ts";
import { interruptible } from "../interrupt.ts";
import { flagError } from "../options.ts";
import { startProgress, type Progress } from "../output/progress.ts";
import { openResults, type ResultLine, type ResultsFile } from "../output/results-file.ts";
import { refuseExisting, writeLines } from "../output/whole.ts";
import { forEachConcurrent } from "../pool.ts";
import { addDistillFlags, type DistillFlags } from "./distill-flags.ts";
import { newBill, type Bill } from "./bill.ts";
import { openPairs, requireFile, rowOptions, tell } from "./io.ts";
import { openTeacher, type Teacher } from "./teacher.ts";

/** One attempt of one pair, as it is written down before the next one is paid for. */
type AttemptLine = ResultLine & Attempt & { readonly id: string };

interface Run {
  readonly input: FileInput;
  readonly teacher: Teacher;
  readonly flags: DistillFlags;
  readonly run: string;
  readonly log: ResultsFile<AttemptLine>;
  readonly bill: Bill;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** What became of the pairs, by key; a pair whose teacher failed is not there. */
  readonly done: Map<string, Distilled>;
  readonly counts: { pairs: number; failed: number };
}

const attemptKey = (key: string, attempt: number): string => `${key}#${attempt}`;

const knownAttempts = (log: ResultsFile<AttemptLine>, key: string, most: number): readonly Attempt[] => {
  const known: Attempt[] = [];
  for (let attempt = 1; attempt <= most; attempt += 1) {
    const line = log.finished.get(attemptKey(key, attempt));
    if (line === undefined) break;
    known.push(line);
  }
  return known;
};

/** Errors that another pair would meet as well end the run; a teacher that fails on one pair does not. */
const endsRun = (error: unknown): boolean =>
  !isR1Error(error) || ["R1_CONFIG", "R1_OUTPUT", "R1_ABORTED"].includes(error.code);

const MOST_MESSAGES = 5;

const distillOne = async (state: Run, key: string, pair: Preference): Promise<void> => {
  const { teacher, flags, log, bill, signal, counts } = state;
  const known = knownAttempts(log, key, flags.temperatures.length);
  const onAttempt = async (attempt: Attempt): Promise<void> => {
    bill.add(attempt.usage);
    const head = { key: attemptKey(key, attempt.attempt), run: state.run, status: "ok", id: pair.id } as const;
    await log.append({ ...head, ...attempt });
  };
  try {
    state.done.set(key, await distillPair(teacher.model, pair, { ...teacher.options, known, onAttempt, signal }));
  } catch (error) {
    if (signal.aborted || endsRun(error)) throw error;
    counts.failed += 1;
    if (counts.failed <= MOST_MESSAGES && flags.quiet !== true)
      process.stderr.write(`${pair.id}: ${redact(messageOf(error))}\n`);
  }
  counts.pairs += 1;
  state.progress.update({ done: counts.pairs, failed: counts.failed, note: bill.text() });
};

/** A pair with what its teacher made of it. Pairs that were solved carry the critique; the others are `failed`. */
const rowOf = (pair: Preference, { attempts, critique }: Distilled, flags: DistillFlags): JsonRow => {
  const { attempts: _attempts, critique: _critique, ...meta } = pair.meta ?? {};
  return {
    ...plainPairRow({ ...pair, meta }, rowOptions(flags)),
    attempts: critique === null ? "failed" : attempts.length,
    ...(critique === null ? {} : { critique }),
  };
};

/** The input once more, in its order, with what is known by now. */
async function* finishedRows(source: string, state: Run): AsyncGenerator<string> {
  const keyOf = recordKeys();
  const needs = { needsLabels: true, signal: state.signal };
  for await (const pair of openPairs(source, { ...state.flags, quiet: true }, needs).pairs) {
    const distilled = state.done.get(keyOf(pair));
    if (distilled !== undefined) yield JSON.stringify(rowOf(pair, distilled, state.flags));
  }
}

const summarise = ({ input, done, counts, bill, flags }: Run): void => {
  const solved = [...done.values()].filter(({ critique }) => critique !== null);
  const byAttempts = flags.temperatures.map(
    (_, at) => solved.filter(({ attempts }) => attempts.length === at + 1).length,
  );
  if (flags.json === true) {
    const summary = { pairs: counts.pairs, solved: solved.length, byAttempts, failed: done.size - solved.length };
    process.stderr.write(
      `${JSON.stringify({ ...summary, unanswered: counts.failed, skipped: input.skipped(), bill: bill.sums() })}\n`,
    );
    return;
  }
  tell(flags, [
    `${counts.pairs} pairs`,
    `${solved.length} solved (${byAttempts.map((count, at) => `${count} at attempt ${at + 1}`).join(", ")})`,
    `${done.size - solved.length} never`,
    input.skipped() > 0 && `${input.skipped()} rows skipped`,
    counts.failed > 0 && `${counts.failed} without an answer: run again to ask for them`,
    bill.text(),
  ]);
};

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** A file that stands at `--out` is ours when its log stands beside it; something else is not, and cannot be written in the end. */
const refuseForeign = async ({ out, overwrite }: DistillFlags, log: string): Promise<void> => {
  await refuseExisting(out, true);
  if (overwrite === true || !(await exists(out)) || (await exists(log))) return;
  throw flagError(
    "--out",
    `${out} is there already, without the log of a run beside it; pass --overwrite to replace it`,
  );
};

const fingerprint = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

const distillAll = async (state: Run): Promise<void> => {
  const keyOf = recordKeys();
  try {
    await forEachConcurrent(state.input.pairs, state.flags.concurrency, (pair) => {
      throwIfAborted(state.signal);
      return distillOne(state, keyOf(pair), pair);
    });
  } finally {
    state.progress.finish();
    summarise(state);
  }
};

const distill = async (source: string, flags: DistillFlags, signal: AbortSignal): Promise<void> => {
  await requireFile(source);
  const logFile = `${flags.out}.attempts.jsonl`;
  await refuseForeign(flags, logFile);
  // The pictures will be read: a path without an image folder is an error.
  const needs: InputOptions = { needsImages: true, needsLabels: true, signal };
  await checkInput(source, flags, needs);
  await using teacher = await openTeacher(flags, signal);
  const run = fingerprint(teacher.fingerprint);
  await using log = await openResults<AttemptLine>(logFile, { run, overwrite: flags.overwrite === true });
  const bill = newBill(flags);
  const progress = startProgress("distilling", { quiet: flags.quiet === true });
  const counts = { pairs: 0, failed: 0 };
  const input = openInput(source, flags, needs);
  const state: Run = { input, teacher, flags, run, log, bill, progress, signal, done: new Map(), counts };
  await distillAll(state);
  await writeLines(flags.out, finishedRows(source, state));
  if (counts.failed > 0) process.exitCode = EXIT.judge;
};

/** The command. */
export const distillCommand = (): Command =>
  addDistillFlags(new Command("distill")).action((source: string, flags: DistillFlags) =>
    interruptible((signal) => distill(source, flags, signal)),
  );
