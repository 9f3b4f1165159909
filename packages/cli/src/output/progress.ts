/** Progress on stderr: one line that rewrites itself on a terminal, a plain line now and then elsewhere. */

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 10_000;

/** What is known while work goes on. */
export interface ProgressState {
  readonly done: number;
  /** Unknown while the input is a stream. */
  readonly total?: number | undefined;
  readonly failed: number;
  readonly note?: string | undefined;
}

/** Shows how far a run is. `done` removes the live line; nothing is ever written to stdout. */
export interface Progress {
  update(state: ProgressState): void;
  finish(): void;
}

const rate = (done: number, ms: number): string => {
  if (ms < 500 || done === 0) return "";
  const perSecond = (done * 1000) / ms;
  return perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${(60 * perSecond).toFixed(1)}/min`;
};

const eta = (state: ProgressState, ms: number): string => {
  if (state.total === undefined || state.done === 0 || ms < 2_000) return "";
  const seconds = Math.round(((state.total - state.done) * ms) / state.done / 1000);
  return seconds < 90 ? `${seconds} s left` : `${Math.round(seconds / 60)} min left`;
};

/** One line: `judging 120/1250 · 14.2/s · 80 s left · 2 failed`. */
export const progressLine = (label: string, state: ProgressState, elapsedMs: number): string =>
  [
    `${label} ${state.done}${state.total === undefined ? "" : `/${state.total}`}`,
    rate(state.done, elapsedMs),
    eta(state, elapsedMs),
    state.failed > 0 ? `${state.failed} failed` : "",
    state.note ?? "",
  ]
    .filter((piece) => piece !== "")
    .join(" · ");

/** Starts showing progress under a label; `quiet` shows nothing. */
export const startProgress = (label: string, options: { quiet: boolean; stream?: NodeJS.WriteStream }): Progress => {
  const stream = options.stream ?? process.stderr;
  if (options.quiet) return { update: () => {}, finish: () => {} };
  const live = stream.isTTY === true && process.env.TERM !== "dumb";
  const interval = live ? REDRAW_MS : PLAIN_LINE_MS;
  const started = Date.now();
  let last = live ? 0 : started;
  return {
    update(state) {
      const now = Date.now();
      if (now - last < interval) return;
      last = now;
      const line = progressLine(label, state, now - started);
      stream.write(live ? `\r\u001b[K${line.slice(0, (stream.columns ?? 80) - 1)}` : `${line}\n`);
    },
    finish() {
      if (live) stream.write("\r\u001b[K");
    },
  };
};
