/** `@r1reward/adapters/dsts`: an adapter for GEPA of `@currentai/dsts`. */
import type { GEPAAdapter } from "@currentai/dsts";
import { createGepa, type GepaOptions, type GepaTrajectory } from "../scoring/gepa.ts";
import type { Health } from "../scoring/types.ts";

export type { GepaCandidate, GepaOptions, GepaTrajectory, ReflectiveRecord } from "../scoring/gepa.ts";

/**
 * A GEPA adapter that runs your program, scores each output and puts the judge's critiques into the reflection. Scores
 * are absolute (`vsReference()`) from 0 to 1 unless told otherwise: GEPA compares those of different candidates.
 *
 * The package's own `scorer` is synchronous and cannot wait for a judge; this is the way that can. It accepts NaN without
 * a word: here it is a failure, and goes where `onError` says.
 */
export const dstsAdapter = <Datum, Output>(
  options: GepaOptions<Datum, Output>,
): GEPAAdapter<Datum, GepaTrajectory<Datum, Output>, Output | null> & Health => {
  const gepa = createGepa({ name: "dsts", abstains: false }, options);
  return {
    stats: gepa.stats,
    assertHealthy: gepa.assertHealthy,
    evaluate: gepa.evaluate,
    makeReflectiveDataset: (_candidate, { trajectories }, components) => gepa.reflect(trajectories, components),
  };
};
