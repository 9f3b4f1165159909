/** Report sinks that are files. */
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { messageOf, OutputError } from "@r1reward/core";
import { metricsOf, reportLine } from "../train/metrics.ts";
import type { ReportSink } from "../train/sink.ts";
import { scalarsRecord, versionRecord } from "../train/tensorboard.ts";
import type { TrainingReport } from "../train/types.ts";
import { writeFully } from "./atomic-write.ts";
import { jsonlLog } from "./jsonl-log.ts";

/** Where to go on in a file that a run was writing when it ended. */
export interface ResumeOptions {
  /** The step of the checkpoint that the run goes on from: what was written of later steps is dropped. */
  readonly after?: number | undefined;
}

const output = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    throw new OutputError(`${file}: ${messageOf(cause)}`, { cause });
  }
};

const sinkTo = (
  file: string,
  handle: FileHandle,
  encode: (report: Parameters<ReportSink["write"]>[0]) => Uint8Array,
): ReportSink => {
  const queue = { last: Promise.resolve() };
  return {
    write: (report) => {
      const bytes = encode(report);
      const written = queue.last.then(() => output(file, () => writeFully(handle, bytes)));
      queue.last = written.catch(() => undefined);
      return written;
    },
    [Symbol.asyncDispose]: async () => {
      await queue.last;
      await handle.close();
    },
  };
};

/**
 * Appends one line of JSON per report.
 * @throws OutputError when the file cannot be opened or written
 */
export const jsonlSink = async (file: string, { after }: ResumeOptions = {}): Promise<ReportSink> => {
  const log = await jsonlLog<TrainingReport>(file, { after, encode: reportLine });
  return { write: log.write, [Symbol.asyncDispose]: () => log[Symbol.asyncDispose]() };
};

/**
 * Writes a TensorBoard event file into a folder; each call begins a new one, as TensorBoard expects of a resumed run.
 * @throws OutputError when the file cannot be opened or written
 */
export const tensorBoardSink = async (folder: string): Promise<ReportSink> => {
  const now = (): number => Date.now() / 1000;
  const name = `events.out.tfevents.${String(Math.floor(now())).padStart(10, "0")}.${hostname()}.${process.pid}.${process.hrtime.bigint()}`;
  const file = join(folder, name);
  const handle = await output(file, async () => {
    await mkdir(folder, { recursive: true });
    const made = await open(file, "wx");
    await writeFully(made, versionRecord(now()));
    return made;
  });
  return sinkTo(file, handle, (report) => scalarsRecord(metricsOf(report), report.step, now()));
};
