import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashed, hashedWeight } from "../../../test/hashed.ts";
import { createEngine } from "../../engine/engine.ts";
import type { HostTensor } from "../../engine/tensor.ts";
import type { Engine, RuntimeName } from "../../engine/types.ts";
import { decodeSafetensors, toFloat32 } from "../../safetensors/index.ts";
import type { Grid } from "../inputs/types.ts";
import {
  parseQwenConfig,
  qwenModel,
  qwenParameterShapes,
  valueAndNamedGrads,
  visionInputs,
  type QwenConfig,
  type QwenInputs,
  type QwenParams,
} from "./index.ts";

// tools/golden/qwen_model.py made the numbers: transformers 5.23 in float64.
const folder = new URL("../../../test/fixtures/", import.meta.url);
const golden = decodeSafetensors(readFileSync(new URL("qwen-model.safetensors", folder)));

interface Case {
  readonly config: unknown;
  readonly grids: readonly Grid[];
  readonly patches: readonly [images: number, videos: number];
  readonly left: boolean;
  readonly grads: readonly string[];
}

const meta = JSON.parse(readFileSync(new URL("qwen-model.json", folder), "utf8")) as Record<string, Case>;
const NAMES = ["sizes", "same", "video", "text"];

const floats = (name: string): Float32Array => toFloat32(golden.get(name));

const host = (name: string): HostTensor => {
  const { data, shape, dtype } = golden.get(name);
  return dtype === "I32"
    ? { data: data as Int32Array, shape, dtype: "int32" }
    : { data: data as Float32Array, shape, dtype: "float32" };
};

const caseOf = (name: string): Case => meta[name] as Case;

const paramsOf = (config: QwenConfig): QwenParams<HostTensor> =>
  Object.fromEntries([...qwenParameterShapes(config)].map(([name, shape]) => [name, hashedWeight(name, shape)]));

/** The case's inputs as the host prepares them. */
const inputsOf = (name: string, config: QwenConfig): QwenInputs<HostTensor> => {
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

const close = (got: ArrayLike<number>, expected: ArrayLike<number>, [what, tolerance]: readonly [string, number]) => {
  expect(got.length, what).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [got[i] as number, expected[i] as number];
    if (!(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)))) expect(`${what} ${i}: ${a}`).toBe(`${what} ${i}: ${b}`);
  }
};

/** Only places that are not padding. */
const real = (values: ArrayLike<number>, mask: ArrayLike<number>, width: number): number[] =>
  Array.from(values).filter((_, i) => mask[Math.floor(i / width)] === 1);

/** Norm, first 8 and last 8 elements: what the golden file keeps of a gradient. */
const digest = (data: Float32Array): number[] => {
  const pad = (part: Float32Array): number[] => Array.from({ length: 8 }, (_, i) => part[i] ?? 0);
  const norm = Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));
  return [norm, ...pad(data.subarray(0, 8)), ...pad(data.subarray(Math.max(0, data.length - 8)))];
};

type Loss = { inputs: QwenInputs<tf.Tensor>; weights: tf.Tensor };

const lossOf =
  (model: ReturnType<typeof qwenModel>, { inputs, weights }: Loss) =>
  (params: QwenParams<tf.Tensor>): tf.Tensor =>
    tf.neg(tf.sum(tf.mul(weights, model.logp(params, inputs))));

// Plain JavaScript is slow: it takes the small cases.
describe.each<readonly [RuntimeName, readonly string[]]>([
  ["onnx-node", NAMES],
  ["tfjs-cpu", ["same", "text"]],
])("on %s", (runtime, names) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime, threads: 1 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(names)("%s: the reference's vision rows, logits and log-probabilities", async (name) => {
    const config = parseQwenConfig(caseOf(name).config);
    const model = qwenModel(config);
    const forward = engine.compile((params: QwenParams<tf.Tensor>, inputs: QwenInputs<tf.Tensor>) => ({
      logits: model.logits(params, inputs),
      logp: model.logp(params, inputs),
      ...(inputs.patches === undefined ? {} : { vision: model.vision(params, inputs as never) }),
    }));
    const out = await forward(paramsOf(config), inputsOf(name, config));
    const mask = host(`${name}.mask`).data;
    const read = async (key: "logits" | "logp") => (await engine.read(out[key])).data;
    const width = config.text.vocabSize;
    close(real(await read("logits"), mask, width), real(floats(`${name}.logits`), mask, width), ["logits", 2e-5]);
    const scored = floats(`${name}.weights`).map((w) => (w === 0 ? 0 : 1));
    close(real(await read("logp"), scored, 1), real(floats(`${name}.logp`), scored, 1), ["logp", 2e-5]);
    if (out.vision !== undefined) {
      const rows = (await engine.read(out.vision)).data.subarray(0, floats(`${name}.vision`).length);
      close(rows, floats(`${name}.vision`), ["vision", 2e-5]);
    }
    engine.dispose(out);
  });

  it.each(names)("%s: the reference's gradients", async (name) => {
    const config = parseQwenConfig(caseOf(name).config);
    for (const checkpoint of runtime === "onnx-node" ? [false, true] : [false]) {
      const model = qwenModel(config, { checkpoint });
      const grads = engine.compile((params: QwenParams<tf.Tensor>, given: Loss) =>
        valueAndNamedGrads(lossOf(model, given), params),
      );
      const out = await grads(paramsOf(config), { inputs: inputsOf(name, config), weights: host(`${name}.weights`) });
      close([await engine.number(out.value)], floats(`${name}.loss`), ["loss", 2e-5]);
      const expected = floats(`${name}.grads`);
      for (const [i, path] of caseOf(name).grads.entries()) {
        const grad = (await engine.read(out.grads[path] as never)).data as Float32Array;
        close(digest(grad), expected.subarray(i * 17, i * 17 + 17), [path, 1e-4]);
      }
      engine.dispose(out);
    }
    expect(engine.liveTensors()).toBe(0);
  });
});
