/** Small tools over rollouts: groups of one prompt, ragged rows. */
import type { Scored } from "./types.ts";

/** Positions of the rollouts of each group, in the order groups appear. */
export const groupsOf = (batch: readonly Pick<Scored, "group">[]): ReadonlyMap<string, readonly number[]> => {
  const groups = new Map<string, number[]>();
  batch.forEach(({ group }, n) => {
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [n]);
    else members.push(n);
  });
  return groups;
};

/** Mean; 0 of nothing. */
export const meanOf = (xs: readonly number[]): number => {
  const first = xs[0] ?? 0;
  return xs.length === 0 ? 0 : first + xs.reduce((sum, x) => sum + (x - first), 0) / xs.length;
};

/** Standard deviation with Bessel's correction; 0 of one. Equal numbers give exactly 0. */
export const sampleStd = (xs: readonly number[]): number => {
  const mean = meanOf(xs);
  return xs.length < 2 ? 0 : Math.sqrt(xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (xs.length - 1));
};

/** Replaces the rewards of each group by what `shape` makes of them; order kept. */
export const shapeGroups = (
  batch: readonly Scored[],
  shape: (rewards: readonly number[]) => readonly number[],
): readonly Scored[] => {
  const shaped = batch.map(({ reward }) => reward);
  for (const members of groupsOf(batch).values()) {
    const values = shape(members.map((n) => (batch[n] as Scored).reward));
    members.forEach((n, i) => (shaped[n] = values[i] as number));
  }
  return batch.map((rollout, n) => ({ ...rollout, reward: shaped[n] as number }));
};

/**
 * Rows of zeros of given lengths, one after the other in one piece of memory: thousands of small arrays take longer to get than to
 * fill. `[N]` → `[N][T_n]`
 */
export const zeroRows = (lengths: readonly number[]): readonly Float64Array[] => {
  const all = new Float64Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  return lengths.map((length) => all.subarray(at, (at += length)));
};

/** `row.map(f)` for each row, as a loop: several times faster than the method. `[N][T_n]` → `[N][T_n]` */
export const mapRows = (rows: readonly Float64Array[], f: (x: number) => number): readonly Float64Array[] => {
  const made = zeroRows(rows.map((row) => row.length));
  rows.forEach((row, n) => {
    const out = made[n] as Float64Array;
    for (let t = 0; t < row.length; t++) out[t] = f(row[t] as number);
  });
  return made;
};
