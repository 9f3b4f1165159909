import { readFileSync } from "node:fs";
import type * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine } from "../engine/engine.ts";
import type { HostTensor } from "../engine/tensor.ts";
import type { Engine, RuntimeName } from "../engine/types.ts";
import { decodeSafetensors, toFloat32, type Safetensors, type SafetensorsTensor } from "../safetensors/index.ts";
import {
  fromLlama,
  initParams,
  namedParams,
  parameterShapes,
  toLlama,
  transformer,
  valueAndParamGrads,
  type TransformerConfig,
  type TransformerParams,
} from "./index.ts";

// tools/golden/transformer.py made the numbers in float64; transformers' Llama and Qwen2 agree with them.
const GOLDEN: readonly [string, TransformerConfig][] = [
  [
    "transformer-llama",
    { vocabSize: 23, hiddenSize: 16, layers: 2, heads: 4, kvHeads: 2, intermediateSize: 24, tiedEmbeddings: false },
  ],
  [
    "transformer-qwen2",
    {
      vocabSize: 19,
      hiddenSize: 24,
      layers: 2,
      heads: 6,
      kvHeads: 1,
      intermediateSize: 20,
      ropeTheta: 1e6,
      normEps: 1e-5,
      tiedEmbeddings: true,
      qkvBias: true,
    },
  ],
];

const fixture = (name: string): Safetensors =>
  decodeSafetensors(readFileSync(new URL(`../../test/fixtures/${name}.safetensors`, import.meta.url)));

const host = (tensor: SafetensorsTensor): HostTensor =>
  tensor.dtype === "I32"
    ? { data: tensor.data as Int32Array, shape: tensor.shape, dtype: "int32" }
    : { data: toFloat32(tensor), shape: tensor.shape, dtype: "float32" };

const close = (got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void => {
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [got[i] as number, expected[i] as number];
    if (!(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)))) expect(`element ${i}: ${a}`).toBe(`${b}`);
  }
};

describe.each<RuntimeName>(["tfjs-cpu", "onnx-node", "onnx-web"])("on %s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime, threads: 1 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(GOLDEN)("%s: logits, log-probabilities, loss and gradients are PyTorch's", async (name, config) => {
    const golden = fixture(name);
    const model = transformer(config);
    const params = await fromLlama(config, golden.get);
    const [tokens, mask] = [host(golden.get("tokens")), host(golden.get("mask"))];
    const all = engine.compile((p: TransformerParams<tf.Tensor>, t: tf.Tensor, m: tf.Tensor) => ({
      logits: model.logits(p, t),
      logp: model.logp(p, t, m),
      ...valueAndParamGrads((q) => model.loss(q, t, m), p),
    }));
    const out = await all(params, tokens, mask);
    close((await engine.read(out.logits)).data, toFloat32(golden.get("logits")), 2e-5);
    close((await engine.read(out.logp)).data, toFloat32(golden.get("logp")), 2e-5);
    close([await engine.number(out.value)], toFloat32(golden.get("loss")), 1e-5);
    const expected = await fromLlama(config, (tensor) => golden.get(`grad.${tensor}`));
    for (const [path, grad] of namedParams(out.grads)) {
      close((await engine.read(grad)).data, (namedParams(expected).get(path) as HostTensor).data, 5e-5);
    }
    engine.dispose(out);
    expect(engine.liveTensors()).toBe(0);
  });

  it("hides padding, and takes positions", async () => {
    const config = GOLDEN[0]?.[1] as TransformerConfig;
    const model = transformer(config);
    const params = initParams(config, 1);
    const int = (data: number[], rows: number): HostTensor => ({
      data: Int32Array.from(data),
      shape: [rows, data.length / rows],
      dtype: "int32",
    });
    const logits = engine.compile((p: TransformerParams<tf.Tensor>, t: tf.Tensor) => model.logits(p, t));
    const padded = engine.compile(
      (p: TransformerParams<tf.Tensor>, t: tf.Tensor, keyMask: tf.Tensor, positions: tf.Tensor) =>
        model.logits(p, t, { keyMask, positions, maxPositions: 8 }),
    );
    const plain = (await engine.read(await logits(params, int([5, 6, 7], 1)))).data;
    // the same three tokens behind two of padding
    const left = await padded(params, int([0, 1, 5, 6, 7], 1), int([0, 0, 1, 1, 1], 1), int([0, 0, 0, 1, 2], 1));
    close((await engine.read(left)).data.subarray(2 * config.vocabSize), plain, 1e-5);
  });
});

describe("causality", () => {
  it("gives a position the same scores whatever follows", async () => {
    const config = { ...(GOLDEN[1]?.[1] as TransformerConfig) };
    const model = transformer(config);
    const params = initParams(config, 3);
    await using engine = await createEngine({ runtime: "onnx-node", threads: 1 });
    const logits = engine.compile((p: TransformerParams<tf.Tensor>, t: tf.Tensor) => model.logits(p, t));
    const token = fc.nat(config.vocabSize - 1);
    const row = fc.array(token, { minLength: 6, maxLength: 6 });
    const run = async (tokens: number[]) =>
      (await engine.read(await logits(params, { data: Int32Array.from(tokens), shape: [1, 6], dtype: "int32" }))).data;
    await fc.assert(
      fc.asyncProperty(row, row, fc.integer({ min: 1, max: 5 }), async (a, b, keep) => {
        const mixed = [...a.slice(0, keep), ...b.slice(keep)];
        const [one, two] = [await run(a), await run(mixed)];
        close(two.subarray(0, keep * config.vocabSize), one.subarray(0, keep * config.vocabSize), 1e-6);
      }),
      { numRuns: 30 },
    );
  });
});

describe("parameters", () => {
  const config = GOLDEN[1]?.[1] as TransformerConfig;

  it("start the same from the same seed, with the stated deviations", () => {
    const big = { ...config, hiddenSize: 96, vocabSize: 500 };
    const [a, b, other] = [initParams(big, 7), initParams(big, 7), initParams(big, 8)];
    expect(a).toEqual(b);
    expect(a.embedding.data).not.toEqual(other.embedding.data);
    const deviation = ({ data }: HostTensor) =>
      Math.sqrt(Array.from(data as Float32Array).reduce((sum, x) => sum + x * x, 0) / data.length);
    expect(deviation(a.embedding)).toBeCloseTo(0.02, 3);
    expect(deviation(a.layers[0]?.down as HostTensor)).toBeCloseTo(0.02 / Math.sqrt(4), 3);
    expect(new Set(a.norm.data)).toEqual(new Set([1]));
    expect(new Set(a.layers[0]?.qkvBias?.data)).toEqual(new Set([0]));
  });

  it("return from Hugging Face's layout unchanged", async () => {
    for (const [, each] of GOLDEN) {
      const params = initParams(each, 5);
      const stored = new Map(toLlama(each, params));
      const again = await fromLlama(each, (name) => stored.get(name) as SafetensorsTensor);
      expect(again).toEqual(params);
    }
  });

  it("name what a checkpoint gets wrong", async () => {
    const stored = new Map(toLlama(config, initParams(config, 5)));
    const odd = new Map(stored).set("model.norm.weight", { dtype: "F32", shape: [1], data: new Float32Array(1) });
    await expect(fromLlama(config, (name) => odd.get(name) as SafetensorsTensor)).rejects.toThrow(
      /model\.norm\.weight.*expected \[24\], got \[1\]/,
    );
  });

  it.each([
    [{ kvHeads: 4 }, /kvHeads: expected a divisor/],
    [{ heads: 5 }, /headSize: expected a positive whole number/],
    [{ heads: 8, kvHeads: 8 }, /headSize: expected an even/],
    [{ layers: 0 }, /layers/],
    [{ normEps: NaN }, /normEps/],
  ])("refuse %j", (change, message) => {
    expect(() => parameterShapes({ ...config, ...change })).toThrow(message);
  });
});
