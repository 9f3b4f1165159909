/** Checks at the door of the advantage functions; inside, nothing is checked again. */
import { ConfigError } from "@r1reward/core";
import { NumericError, ShapeError } from "../errors.ts";
import type { Scored } from "./types.ts";

/** @throws NumericError */
export const expectFinite = (of: string, value: number): number => {
  if (Number.isFinite(value)) return value;
  throw new NumericError(of, value);
};

/** @throws ConfigError unless the option lies within [low, high] */
export const expectOption = (name: string, value: number, [low, high]: readonly [number, number]): number => {
  if (value >= low && value <= high) return value;
  throw new ConfigError(`${name}: expected a number from ${low} to ${high}, got ${value}`);
};

// Messages are built when they are thrown: a batch has millions of tokens.

/** Every number of `[T]` finite and as many as expected. @throws NumericError, ShapeError */
export const expectRow = (of: string, row: ArrayLike<number>, length: number): ArrayLike<number> => {
  if (row.length !== length) throw new ShapeError(of, { expected: `${length} numbers`, actual: String(row.length) });
  for (let t = 0; t < length; t++)
    if (!Number.isFinite(row[t])) throw new NumericError(`${of}[${t}]`, row[t] as number);
  return row;
};

/** Rewards that are finite. @throws NumericError */
export const expectRewards = (batch: readonly Scored[]): void =>
  batch.forEach(({ reward }, n) => void expectFinite(`batch[${n}].reward`, reward));
