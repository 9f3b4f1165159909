/** What a case of the kernel contract is, and short ways to write one. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { DType } from "../engine/index.ts";
import { count, type Grid } from "./oracle.ts";

/** An input of a case. */
export interface CaseInput extends Grid {
  readonly dtype: DType;
}

/** One kernel with one set of inputs. */
export interface KernelCase {
  /** TensorFlow.js kernel that is meant; several cases may share one. */
  readonly kernel: string;
  readonly name: string;
  readonly inputs: readonly CaseInput[];
  readonly run: (...xs: Tensor[]) => Tensor;
  /** The same in plain loops, in doubles. */
  readonly oracle: (xs: readonly Grid[]) => Grid;
  /** dtype of the result; float32 by default. */
  readonly dtype?: DType | undefined;
  /** Is the gradient by every float32 input checked against central differences of the oracle? */
  readonly gradient: boolean;
  /** Allowed error of the value, relative to the largest number; 1e-5 by default. */
  readonly tolerance?: number | undefined;
}

/** Deterministic numbers spread over (low, high). */
export const spread = (shape: readonly number[], low = -2, high = 2, seed = 1): CaseInput => {
  const data = Array.from({ length: count(shape) }, (_, i) => {
    const unit = (((i + 1) * 0.6180339887498949 + seed * 0.3719) % 1) * 0.98 + 0.01;
    return Math.fround(low + unit * (high - low));
  });
  return { dtype: "float32", shape, data };
};

/** int32 numbers. */
export const ints = (data: readonly number[], shape: readonly number[] = [data.length]): CaseInput => ({
  dtype: "int32",
  shape,
  data,
});

/** bool values as 0 and 1. */
export const bools = (data: readonly number[], shape: readonly number[] = [data.length]): CaseInput => ({
  dtype: "bool",
  shape,
  data,
});

/** float32 values as given, NaN and Inf too. */
export const floats = (data: readonly number[], shape: readonly number[] = [data.length]): CaseInput => ({
  dtype: "float32",
  shape,
  data: data.map(Math.fround),
});

/** The numbers that break formulas. */
export const SPECIAL = floats([Number.NaN, Infinity, -Infinity, 0, -0, 100, -100]);
