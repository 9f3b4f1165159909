/** Ctrl-C while training: once finishes the step and saves it, twice drops everything, three times kills. */

/** Signals of a training run. */
export interface TrainSignals {
  readonly stop: AbortSignal;
  readonly signal: AbortSignal;
}

/** Runs work under both signals. */
export const stoppable = async <T>(
  tell: (text: string) => void,
  work: (signals: TrainSignals) => Promise<T>,
): Promise<T> => {
  const [stop, hard] = [new AbortController(), new AbortController()];
  const onSignal = (name: NodeJS.Signals): void => {
    if (!stop.signal.aborted) {
      tell(`${name}: finishing this step and saving it; once more stops at once`);
      stop.abort(new Error(name));
      return;
    }
    hard.abort(new Error(name));
    release(); // the next one has its usual effect
  };
  const release = (): void => {
    process.removeListener("SIGINT", onSignal);
    process.removeListener("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    return await work({ stop: stop.signal, signal: hard.signal });
  } finally {
    release();
  }
};
