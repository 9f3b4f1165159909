/** What a run will do, worked out before it begins, and what a snapshot must agree with to go on with it. */
import { ConfigError, type JsonValue } from "@r1reward/core";
import { cosineSchedule, type Schedule } from "../optim/index.ts";
import type { Snapshot } from "./types.ts";

/** @throws ConfigError unless the option is a whole number from `least` */
export const expectWhole = (name: string, value: number, least = 1): number => {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new ConfigError(`${name}: expected a whole number from ${least}, got ${value}`);
};

/** Rows of a graph, and whether a minibatch takes several. @throws ConfigError */
export const partsOf = (minibatch: number, microBatch: number | undefined): { rows: number; inParts: boolean } => {
  const rows = Math.min(minibatch, expectWhole("microBatch", microBatch ?? minibatch));
  return { rows, inParts: rows < minibatch };
};

/** Learning rates of a run: warm-up, then a cosine down to a share of the peak. */
export interface RateSettings {
  readonly learningRate: number;
  readonly warmup: number;
  readonly finalLearningRate: number;
}

/** The rate of each update. @throws ConfigError on shares outside 0 to 1 or a rate that is not above 0 */
export const ratesOf = ({ learningRate, warmup, finalLearningRate }: RateSettings, updates: number): Schedule => {
  for (const [name, share] of Object.entries({ warmup, finalLearningRate })) {
    if (!(share >= 0 && share <= 1)) throw new ConfigError(`${name}: expected a share from 0 to 1, got ${share}`);
  }
  if (!(learningRate > 0 && learningRate < Infinity)) {
    throw new ConfigError(`learningRate: expected a number above 0, got ${learningRate}`);
  }
  const rising = Math.min(Math.round(warmup * updates), updates - 1);
  return cosineSchedule({ peak: learningRate, warmup: rising, total: updates, end: learningRate * finalLearningRate });
};

/**
 * Where to go on.
 * @throws ConfigError when the snapshot is of a run with other settings, naming the first that differs
 */
export const resumeAt = (from: Snapshot | undefined, run: Readonly<Record<string, JsonValue>>): number => {
  if (from === undefined) return 0;
  for (const [name, value] of Object.entries(run)) {
    // snapshots of before there was such a setting say nothing of it
    const [had, has] = [JSON.stringify(from.state[name] ?? null), JSON.stringify(value)];
    if (had !== has) throw new ConfigError(`resume: ${name} was ${had} when the snapshot was made, and is ${has} now`);
  }
  return expectWhole("snapshot step", from.step, 0);
};

/** A number that the snapshot's state must have. @throws ConfigError */
export const numberOf = (from: Snapshot, name: string): number => {
  const value = from.state[name];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new ConfigError(`snapshot ${name}: expected a number, got ${JSON.stringify(value)}`);
};

/** A snapshot asked for when the weights have moved on. */
export const tooLate = (step: number): ConfigError =>
  new ConfigError(`snapshot: step ${step} is over, the weights have moved on`);
