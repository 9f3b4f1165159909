/** Words that the shape cases are written with. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { spread, type CaseInput, type KernelCase } from "./cases.ts";
import type { Grid } from "./oracle.ts";

/** How a case runs. */
export type Run = KernelCase["run"];
/** What a case is checked against. */
export type Oracle = KernelCase["oracle"];

/** The body of a case. */
export interface Draft {
  readonly inputs: readonly CaseInput[];
  readonly run: (...xs: never[]) => Tensor;
  readonly oracle: Oracle;
}

/** A case whose gradient is checked too. */
export const smooth = (kernel: string, name: string, draft: Draft): KernelCase => ({
  kernel,
  name,
  ...draft,
  run: draft.run as unknown as Run,
  gradient: true,
});

/** A case without gradient. */
export const exact = (kernel: string, name: string, draft: Draft & Pick<KernelCase, "dtype">): KernelCase => ({
  kernel,
  name,
  ...draft,
  run: draft.run as unknown as Run,
  gradient: false,
});

/** The input most cases share. */
export const X = spread([2, 3, 4]);

/** An oracle of the first input alone. */
export const first =
  (f: (x: Grid) => Grid): Oracle =>
  (xs) =>
    f(xs[0] as Grid);

/** Σ. */
export const total = (xs: number[]): number => xs.reduce((sum, x) => sum + x, 0);
