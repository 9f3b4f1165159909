/** Which dialect to speak: found out once, by one question that all calls share. */
import { AbortError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { onAbort } from "../abort.ts";
import type { Dialect, Spoken } from "./dialect.ts";
import { dialects } from "./dialects.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ProbeResult } from "./probe.ts";

/** Waits for shared work; the signal ends the waiting, not the work. */
export const waitFor = <T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const give = (reason: unknown): void => {
      reject(new AbortError("aborted by the caller", { cause: reason }));
    };
    if (signal.aborted) {
      give(signal.reason);
      return;
    }
    const stop = onAbort(signal, give);
    work.then(resolve, reject).finally(stop);
  });
};

/** What is known of the server's dialect, and how to learn it. */
export interface Speaking {
  /** The dialect, once it is known. */
  known(): Spoken | undefined;
  /** Finds it out. While no server can be reached, the generic one, with `unreachable` saying why. */
  find(signal: AbortSignal | undefined): Promise<Spoken>;
  /** Asks anew, whatever is known. */
  ask(signal: AbortSignal | undefined): Promise<ProbeResult>;
  /** The last answer. */
  last(): ProbeResult | undefined;
  /** Why the server could not be asked, as long as that is so. */
  unreachable(): string | undefined;
}

/** How long an unreachable server is left alone before it is asked again. */
const ASK_AGAIN_MS = 10_000;

const byHost = (endpoints: readonly Endpoint[]): Dialect | undefined =>
  Object.values<Dialect>(dialects).find(({ hosts }) => endpoints.every(({ host }) => hosts?.includes(host) === true));

/** Speaks the given dialect, that of a well-known host, or the one that `probe` finds. */
export const createSpeaking = (
  given: Dialect | undefined,
  endpoints: readonly Endpoint[],
  probe: () => Promise<ProbeResult>,
  clock: Clock,
): Speaking => {
  const fixed = given ?? byHost(endpoints);
  let spoken: Spoken | undefined = fixed === undefined ? undefined : { dialect: fixed, version: "" };
  let pending: Promise<ProbeResult> | undefined;
  let last: ProbeResult | undefined;
  let askAgainAt = 0;

  const note = (result: ProbeResult): ProbeResult => {
    last = result;
    pending = undefined;
    if (result.reachable) spoken = { dialect: result.dialect, version: result.version };
    else askAgainAt = clock.now() + ASK_AGAIN_MS;
    return result;
  };
  const ask = (): Promise<ProbeResult> => (pending ??= probe().then(note));

  return {
    known: () => spoken,
    find: async (signal) => {
      if (last !== undefined && clock.now() < askAgainAt) return { dialect: last.dialect, version: "" };
      await waitFor(ask(), signal);
      return spoken ?? { dialect: dialects.generic, version: "" };
    },
    ask: (signal) => waitFor(ask(), signal),
    last: () => last,
    unreachable: () => (spoken === undefined && last?.reachable === false ? (last.problem ?? "no answer") : undefined),
  };
};
