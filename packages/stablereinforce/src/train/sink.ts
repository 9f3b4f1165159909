/** Where reports go. Sinks are values; the loop writes to as many as it likes. */
import { progressLine } from "./progress.ts";
import type { TrainingReport } from "./types.ts";

/** Takes one report after another. */
export interface ReportSink extends AsyncDisposable {
  readonly write: (report: TrainingReport) => Promise<void>;
}

/** How progress is shown. */
export interface ProgressSinkOptions {
  /** Where text goes: `(text) => process.stderr.write(text)`. */
  readonly print: (text: string) => void;
  /** Steps in all, for `12/200`. */
  readonly steps?: number | undefined;
  /** One line that is written over, as terminals can; else a line per report. */
  readonly overwrite?: boolean | undefined;
}

/** One line per report, for people. */
export const progressSink = ({ print, steps, overwrite = false }: ProgressSinkOptions): ReportSink => {
  const shown = { any: false };
  return {
    write: (report) => {
      const line = progressLine(report, steps);
      print(overwrite ? `\r\u001b[2K${line}` : `${line}\n`);
      shown.any = true;
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => {
      if (overwrite && shown.any) print("\n");
      return Promise.resolve();
    },
  };
};
