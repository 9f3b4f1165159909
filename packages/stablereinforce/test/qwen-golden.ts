/** The golden numbers of Qwen2.5-VL, and the inputs they were made from. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import type { HostTensor } from "../src/engine/tensor.ts";
import type { Grid } from "../src/qwen/inputs/types.ts";
import {
  qwenParameterShapes,
  visionInputs,
  type qwenModel,
  type QwenConfig,
  type QwenInputs,
  type QwenParams,
} from "../src/qwen/model/index.ts";
import { decodeSafetensors, toFloat32 } from "../src/safetensors/index.ts";
import { hashed, hashedWeight } from "./hashed.ts";

// tools/golden/qwen_model.py made the numbers: transformers 5.23 in float64.
const folder = new URL("./fixtures/", import.meta.url);
const golden = decodeSafetensors(readFileSync(new URL("qwen-model.safetensors", folder)));

export interface Case {
  readonly config: unknown;
  readonly grids: readonly Grid[];
  readonly patches: readonly [images: number, videos: number];
  readonly left: boolean;
  readonly grads: readonly string[];
}

const meta = JSON.parse(readFileSync(new URL("qwen-model.json", folder), "utf8")) as Record<string, Case>;
/** The cases with images or without. */
export const NAMES = ["sizes", "same", "video", "text"];

/** Numbers of the golden file. */
export const floats = (name: string): Float32Array => toFloat32(golden.get(name));

/** A tensor of the golden file. */
export const host = (name: string): HostTensor => {
  const { data, shape, dtype } = golden.get(name);
  return dtype === "I32"
    ? { data: data as Int32Array, shape, dtype: "int32" }
    : { data: data as Float32Array, shape, dtype: "float32" };
};

/** What the golden file says of a case beside its numbers. */
export const caseOf = (name: string): Case => meta[name] as Case;

/** The case's parameters. */
export const paramsOf = (config: QwenConfig): QwenParams<HostTensor> =>
  Object.fromEntries([...qwenParameterShapes(config)].map(([name, shape]) => [name, hashedWeight(name, shape)]));

/** The case's inputs as the host prepares them. */
export const inputsOf = (name: string, config: QwenConfig): QwenInputs<HostTensor> => {
  const { grids, patches, left } = caseOf(name);
  const text = { tokens: host(`${name}.tokens`), positions: host(`${name}.positions`) };
  const masked = left ? { ...text, keyMask: host(`${name}.mask`) } : text;
  if (grids.length === 0) return masked;
  const kinds = ["images", "videos"].flatMap((kind, i) => {
    const [from, to] = i === 0 ? [0, patches[0]] : [patches[0], grids.length];
    const rows = grids.slice(from, to).reduce((sum, [t, h, w]) => sum + t * h * w, 0);
    return rows === 0 ? [] : [Float32Array.from(hashed(`${name}.${kind}`, rows * 1176))];
  });
  return { ...masked, imageRows: host(`${name}.imageRows`), ...visionInputs(grids, kinds, config) };
};

/** Each element within tolerance·(1 + |expected|). */
export const close = (
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  [what, tolerance]: readonly [string, number],
) => {
  expect(got.length, what).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [got[i] as number, expected[i] as number];
    if (!(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)))) expect(`${what} ${i}: ${a}`).toBe(`${what} ${i}: ${b}`);
  }
};

/** Only places that are not padding. */
export const real = (values: ArrayLike<number>, mask: ArrayLike<number>, width: number): number[] =>
  Array.from(values).filter((_, i) => mask[Math.floor(i / width)] === 1);

/** Norm, first 8 and last 8 elements: what the golden file keeps of a gradient. */
export const digest = (data: Float32Array): number[] => {
  const pad = (part: Float32Array): number[] => Array.from({ length: 8 }, (_, i) => part[i] ?? 0);
  const norm = Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));
  return [norm, ...pad(data.subarray(0, 8)), ...pad(data.subarray(Math.max(0, data.length - 8)))];
};

/** Inputs and the weight of each place's log-probability. */
export type Loss<T> = { inputs: QwenInputs<T>; weights: T };

/** The golden file's loss. */
export const lossOf =
  (model: ReturnType<typeof qwenModel>, { inputs, weights }: Loss<tf.Tensor>) =>
  (params: QwenParams<tf.Tensor>): tf.Tensor =>
    tf.neg(tf.sum(tf.mul(weights, model.logp(params, inputs))));

/** Parameters as text that is quickly compared: shapes and a checksum of the bytes (vitest walks arrays element by element). */
export const fingerprint = (params: QwenParams<HostTensor>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(params).map(([name, { data, shape }]) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return [name, `[${shape.join(", ")}] ${createHash("sha256").update(bytes).digest("hex")}`];
    }),
  );
