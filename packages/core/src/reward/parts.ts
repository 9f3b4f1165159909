/** What the ways of combining rewards share. */
import { ConfigError } from "../errors.ts";
import type { Reward } from "../types.ts";
import type { StepSchedule } from "./step.ts";

/** Lowest and highest value, both included. */
export type Clip = readonly [number, number];

/** How much of a reward goes into a sum. */
export interface PartOptions {
  /** A number, or one for every training step. At weight 0 the reward is not called at all. */
  readonly weight: number | StepSchedule;
  /** Applied to the part's value before it is weighed. */
  readonly clip?: Clip | undefined;
  /** Its `null` adds nothing to the sum. Left out: a part that cannot tell makes the sum `null`. */
  readonly optional?: boolean | undefined;
}

/** How a sum is finished. */
export interface CombineOptions {
  /** Applied to the whole. */
  readonly clip?: Clip | undefined;
}

/** A part at one step. */
export interface WeighedPart {
  readonly name: string;
  readonly weight: number;
  readonly clip: Clip | undefined;
  readonly optional: boolean;
}

/** @throws {ConfigError} when the bounds are no interval. */
export const checkClip = (name: string, clip: Clip | undefined): void => {
  if (clip === undefined || clip[0] <= clip[1]) return;
  throw new ConfigError(`reward ${name} clip: expected [low, high], got [${clip.join(", ")}]`);
};

/** @throws {ConfigError} when a name occurs twice: their logs would overwrite each other. */
export const checkNames = (name: string, names: readonly string[]): void => {
  const twice = names.find((one, at) => names.indexOf(one) !== at);
  if (twice !== undefined)
    throw new ConfigError(`reward ${name}: expected parts with different names, got ${twice} twice`);
};

/** @throws {ConfigError} unless the step is a number from 0. */
export const checkStep = (name: string, step: number): void => {
  if (!(step >= 0 && step < Infinity)) {
    throw new ConfigError(`reward ${name} step: expected a number from 0, got ${String(step)}`);
  }
};

/** The part at a step. @throws {ConfigError} when its weight is not finite there. */
export const weigh = (name: string, { weight, clip, optional = false }: PartOptions, step: number): WeighedPart => {
  const value = typeof weight === "number" ? weight : weight(step);
  if (!Number.isFinite(value)) {
    throw new ConfigError(`reward ${name} weight at step ${step}: expected a finite number, got ${String(value)}`);
  }
  return { name, weight: value, clip, optional };
};

/** A value within bounds; what cannot be told stays so. */
export const clipped = (value: number | null, clip: Clip | undefined): number | null =>
  value === null || clip === undefined ? value : Math.min(clip[1], Math.max(clip[0], value));

/** Each part under its name as it came back, unweighed and unclipped, and its own parts under `name/part`. */
export const logOf = (parts: readonly (readonly [string, Reward | null])[]): Record<string, number | null> =>
  Object.fromEntries(
    parts.flatMap(([name, reward]) => [
      [name, reward?.value ?? null],
      ...Object.entries(reward?.parts ?? {}).map(([part, value]) => [`${name}/${part}`, value]),
    ]),
  ) as Record<string, number | null>;

/** Σ weight · part; `null` as soon as a part that counts cannot tell. A part that was not called has `null` here. */
export const weighedSum = (
  parts: readonly WeighedPart[],
  rewards: readonly (Reward | null)[],
  clip: Clip | undefined,
): Reward => {
  let sum: number | null = 0;
  for (const [at, part] of parts.entries()) {
    if (part.weight === 0) continue;
    const value = clipped(rewards[at]!.value, part.clip);
    if (value === null && part.optional) continue;
    sum = sum === null || value === null ? null : sum + part.weight * value;
  }
  const log = logOf(parts.map(({ name }, at) => [name, rewards[at]!]));
  return { value: clipped(sum, clip), parts: log };
};
