/**
 * Reference mode: the numerics of the authors' released code (`yfzhang114/r1_reward` at 3693413), for comparisons with it.
 * Every difference from `stable-reinforce.ts` has its number in docs/deviations.md.
 */
import { expectRewards } from "./checks.ts";
import { mapRows } from "./group.ts";
import { reinforce, script, stableReinforce } from "./stable-reinforce.ts";
import type { AdvantageEstimator, AdvantageTransform, Recipe } from "./types.ts";

/** Floor of the variance, so 1e-4 for σ; and the same number is added to z rather than to σ. */
const EPSILON = 1e-8;

/** What its second filter zeroes: anything beyond. */
const LARGEST = 10;

/**
 * z = (A − μ)·rsqrt(max(σ², 1e-8)) + 1e-8, in float32; zero where z < **μ** − 3 or z > **μ** + 3 (the mean of the *raw*
 * advantages: for them 0 means nothing), then where |z| > 10 or z is not finite. `[N][T_n]` → `[N][T_n]`
 *
 * NaN in goes to 0 out, and one NaN makes every z NaN: the whole batch is then zeroed without a word.
 */
export const referenceNormalise: AdvantageTransform = (rows) => {
  const tokens = rows.reduce((sum, row) => sum + row.length, 0);
  let [sum, squares] = [0, 0];
  for (const row of rows) for (let t = 0; t < row.length; t++) sum += Math.fround(row[t] as number);
  const mean = Math.fround(sum / tokens);
  for (const row of rows) {
    for (let t = 0; t < row.length; t++) squares += Math.fround(Math.fround(row[t] as number) - mean) ** 2;
  }
  const rstd = Math.fround(1 / Math.sqrt(Math.max(squares / tokens, EPSILON)));
  const [low, high] = [Math.fround(mean - 3), Math.fround(mean + 3)];
  return mapRows(rows, (a) => {
    const z = Math.fround(Math.fround(Math.fround(Math.fround(a) - mean) * rstd) + EPSILON);
    return z >= low && z <= high && Math.abs(z) <= LARGEST ? z : 0;
  });
};

/** Rewards without a finite value are refused as everywhere; the released code lets them pass into the batch. */
const estimate: AdvantageEstimator = (batch, context) => {
  expectRewards(batch);
  return reinforce({ klCoef: script.klController.initial })(batch, context);
};

/** The settings of `script`, the released normalisation and filter, and the released loss (equal to ours, see deviations). */
export const reference: Recipe = {
  ...script,
  name: "reference",
  estimate,
  normalise: referenceNormalise,
  loss: stableReinforce(),
};
