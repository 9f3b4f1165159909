/**
 * StableReinforce a second time, in plain loops over doubles. Imports nothing: what it and `stable-reinforce.ts` have in
 * common is the paper (arXiv 2505.02835, section 3.2).
 */

/** A rollout as the oracle takes it. */
export interface OracleRollout {
  readonly reward: number;
  readonly logpOld: readonly number[];
  readonly logpRef: readonly number[];
}

const tokenReward = ({ reward, logpOld, logpRef }: OracleRollout, t: number, beta: number): number => {
  const penalty = beta * ((logpOld[t] as number) - (logpRef[t] as number));
  return (t === logpOld.length - 1 ? Math.max(-10, Math.min(10, reward)) : 0) - penalty;
};

/** Reinforce++ returns: reward at the last token, −β·(log π_old − log π_ref) at each, discounted sums from every token on. */
export const oracleReturns = (rollouts: readonly OracleRollout[], beta: number, gamma: number): number[][] => {
  const out: number[][] = [];
  for (const rollout of rollouts) {
    const row: number[] = [];
    for (let t = 0; t < rollout.logpOld.length; t++) {
      let sum = 0;
      for (let s = t; s < rollout.logpOld.length; s++) sum += Math.pow(gamma, s - t) * tokenReward(rollout, s, beta);
      row.push(sum);
    }
    out.push(row);
  }
  return out;
};

/** Standardise over all tokens, then zero what lies beyond `sigmas`. */
export const oracleFilter = (rows: readonly (readonly number[])[], sigmas: number): number[][] => {
  let n = 0;
  let sum = 0;
  for (const row of rows) {
    for (const a of row) {
      n += 1;
      sum += a;
    }
  }
  const mean = sum / n;
  let squares = 0;
  for (const row of rows) for (const a of row) squares += (a - mean) * (a - mean);
  const std = Math.sqrt(squares / n);
  const out: number[][] = [];
  for (const row of rows) {
    const kept: number[] = [];
    for (const a of row) {
      const z = (a - mean) / std;
      kept.push(z > sigmas || z < -sigmas ? 0 : z);
    }
    out.push(kept);
  }
  return out;
};

/** What the oracle's loss is made of, `[B][T]`. */
export interface OracleInputs {
  readonly logp: readonly (readonly number[])[];
  readonly logpOld: readonly (readonly number[])[];
  readonly advantage: readonly (readonly number[])[];
  readonly mask: readonly (readonly number[])[];
}

/** One token: its objective and the slope of it by log π. */
const token = (
  gap: number,
  advantage: number,
  [epsilon, deltaMin, deltaMax]: readonly [number, number, number],
): { value: number; slope: number } => {
  let ratio = Math.exp(gap);
  let moving = true;
  if (ratio < deltaMin) {
    ratio = deltaMin;
    moving = false;
  }
  if (ratio > deltaMax) {
    ratio = deltaMax;
    moving = false;
  }
  const plain = ratio * advantage;
  let value = plain;
  let slope = moving ? plain : 0;
  for (const bound of [1 - epsilon, 1 + epsilon]) {
    const beyond = bound < 1 ? ratio < bound : ratio > bound;
    if (beyond && bound * advantage < plain) {
      value = bound * advantage;
      slope = 0;
    }
  }
  return { value, slope };
};

/** Loss and ∂loss/∂logp: mean over tokens of a sequence, then over sequences that have tokens. */
export const oracleLoss = (
  { logp, logpOld, advantage, mask }: OracleInputs,
  bounds: readonly [epsilon: number, deltaMin: number, deltaMax: number],
): { loss: number; gradient: number[][] } => {
  let sequences = 0;
  for (const row of mask) if (row.includes(1)) sequences += 1;
  let loss = 0;
  const gradient: number[][] = [];
  for (let b = 0; b < logp.length; b++) {
    let tokens = 0;
    for (const m of mask[b] as number[]) tokens += m;
    const slopes: number[] = [];
    for (let t = 0; t < (logp[b] as number[]).length; t++) {
      if (mask[b]?.[t] !== 1) {
        slopes.push(0);
        continue;
      }
      const gap = (logp[b]?.[t] as number) - (logpOld[b]?.[t] as number);
      const { value, slope } = token(gap, advantage[b]?.[t] as number, bounds);
      loss -= value / tokens / sequences;
      slopes.push(-slope / tokens / sequences);
    }
    gradient.push(slopes);
  }
  return { loss, gradient };
};
