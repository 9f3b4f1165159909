/** What the two GEPA ports share: run a candidate on a batch, score it, and hand the critiques to the reflection. */
import type { Awaitable, CallOptions } from "@r1reward/core";
import { createScoring, numberOf, withHealth, type HostSettings } from "./scoring.ts";
import type { Health, OnErrorNumeric, Scored, ScoringOptions, ScoringTask } from "./types.ts";

/** Texts of the components that are being optimised, by name. */
export type GepaCandidate = Readonly<Record<string, string>>;

/** What a GEPA adapter needs besides who decides. */
export type GepaOptions<Datum, Output> = ScoringOptions<OnErrorNumeric> &
  CallOptions & {
    /** Runs the program with the candidate's texts. */
    readonly run: (datum: Datum, candidate: GepaCandidate) => Awaitable<Output>;
    /** What of the datum and the output the judge sees. */
    readonly read: (datum: Datum, output: Output) => ScoringTask;
  };

/** One rollout with what was said about it. `output` is `null` when the program threw. */
export interface GepaTrajectory<Datum, Output> {
  readonly datum: Datum;
  readonly output: Output | null;
  readonly score: number;
  readonly feedback: string;
}

/** One record for the reflection prompt, with the keys that GEPA's own prompt names. */
export interface ReflectiveRecord {
  readonly Inputs: unknown;
  readonly "Generated Outputs": unknown;
  readonly Feedback: string;
}

/** A scored batch, in its order. */
export interface GepaBatch<Datum, Output> {
  outputs: (Output | null)[];
  scores: number[];
  trajectories: GepaTrajectory<Datum, Output>[] | null;
}

/** The parts of a GEPA adapter. */
export interface Gepa<Datum, Output> extends Health {
  evaluate(
    batch: readonly Datum[],
    candidate: GepaCandidate,
    captureTraces?: boolean,
  ): Promise<GepaBatch<Datum, Output>>;
  reflect(
    trajectories: readonly GepaTrajectory<Datum, Output>[] | null | undefined,
    components: readonly string[],
  ): Record<string, ReflectiveRecord[]>;
}

const feedbackOf = (scored: Scored): string => {
  const { critique, failure } = scored;
  if (failure !== null) return `Not judged: ${failure.message}.`;
  return `Score ${numberOf(scored).toFixed(2)}.${critique === "" ? "" : `\n${critique}`}`;
};

/** Builds what both ports' adapters are made of. @throws {ConfigError} naming the option that cannot work. */
export const createGepa = <Datum, Output>(
  host: HostSettings,
  options: GepaOptions<Datum, Output>,
): Gepa<Datum, Output> => {
  const { run, read, signal } = options;
  const scoring = createScoring(host, options);
  const evaluate: Gepa<Datum, Output>["evaluate"] = async (batch, candidate, captureTraces = false) => {
    const outputs: (Output | null)[] = batch.map(() => null);
    const sources = batch.map((datum, at) => async () => {
      const output = await run(datum, candidate);
      outputs[at] = output;
      return read(datum, output);
    });
    const all = await scoring.scoreAll(sources, { signal });
    const trajectories = batch.map((datum, at) => {
      const scored = all[at]!;
      return { datum, output: outputs[at]!, score: numberOf(scored), feedback: feedbackOf(scored) };
    });
    return { outputs, scores: all.map(numberOf), trajectories: captureTraces ? trajectories : null };
  };
  const reflect: Gepa<Datum, Output>["reflect"] = (trajectories, components) => {
    const records = (trajectories ?? []).map(({ datum, output, feedback }) => ({
      Inputs: datum,
      "Generated Outputs": output,
      Feedback: feedback,
    }));
    return Object.fromEntries(components.map((component) => [component, records]));
  };
  return withHealth({ evaluate, reflect }, scoring);
};
