import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, EngineError, type Engine, type EngineTensor, type RuntimeName } from "../engine/index.ts";
import {
  attention,
  checkpoint,
  crossEntropy,
  embedding,
  rmsNorm,
  swigluGate,
  tokenEntropy,
  tokenLogp,
} from "./index.ts";

const RUNTIMES: RuntimeName[] = ["tfjs-cpu", "tfjs-wasm", "onnx-web", "onnx-node"];

/** Deterministic numbers in (−1, 1). */
const noise = (n: number, seed = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.sin((i + 1) * 12.9898 * seed) * Math.cos((i + 3) * 78.233));

type Op = (...xs: tf.Tensor[]) => tf.Tensor;
interface Input {
  shape: number[];
  data: Float32Array;
}

const input = (shape: number[], seed: number): Input => ({
  shape,
  data: noise(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ),
});

/** Value and gradients of Σ op(x)⊙w, with fixed weights w so that every output matters differently. */
const withGrads = (op: Op) => (xs: tf.Tensor[]) => {
  const weighted = (...inner: tf.Tensor[]): tf.Scalar => {
    const y = op(...inner);
    const w = tf.reshape(tf.tensor1d(noise(y.size, 7)), y.shape);
    return tf.sum(tf.mul(y, w)) as tf.Scalar;
  };
  return { value: op(...xs), grads: tf.grads(weighted)(xs) };
};

/** Runs on an engine and reads everything. */
const evaluate = async (engine: Engine, op: Op, inputs: Input[]) => {
  const f = engine.compile(withGrads(op), { name: "op" });
  const xs = inputs.map((x) => engine.tensor(x.data.slice(), x.shape));
  const out = (await f(xs)) as unknown as { value: EngineTensor; grads: EngineTensor[] };
  const value = (await engine.read(out.value)).data as Float32Array;
  const grads = await Promise.all(out.grads.map(async (g) => (await engine.read(g)).data as Float32Array));
  engine.dispose([out.value, ...out.grads, ...xs]);
  await f.dispose();
  return { value, grads };
};

const close = (got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 2e-5): void => {
  expect(got.length).toBe(want.length);
  const scale = Math.max(1e-3, ...Array.from(want, Math.abs));
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs((got[i] as number) - (want[i] as number));
    if (!(difference <= tolerance * scale)) expect.fail(`[${i}]: got ${got[i]}, want ${want[i]}`);
  }
};

/** Central differences of an oracle in doubles. */
const differences = (oracle: (xs: Float64Array[]) => Float64Array, inputs: Input[]): Float64Array[] => {
  const xs = inputs.map((x) => Float64Array.from(x.data));
  const total = (): number => {
    const y = oracle(xs);
    const w = noise(y.length, 7);
    return y.reduce((sum, value, i) => sum + value * (w[i] as number), 0);
  };
  const h = 1e-5;
  return xs.map((x) =>
    x.map((_, i) => {
      const old = x[i] as number;
      x[i] = old + h;
      const up = total();
      x[i] = old - h;
      const down = total();
      x[i] = old;
      return (up - down) / (2 * h);
    }),
  );
};

const at = (x: Float64Array, i: number): number => x[i] as number;

/** Attention in loops, `[B, H, T, d]` with H/K query heads per key head. */
const attentionOracle =
  (s: { B: number; H: number; K: number; T: number; S: number; d: number }, causal: boolean) =>
  ([q, k, v]: Float64Array[]): Float64Array => {
    const out = new Float64Array(s.B * s.H * s.T * s.d);
    for (let b = 0; b < s.B; b++)
      for (let h = 0; h < s.H; h++)
        for (let t = 0; t < s.T; t++) {
          const g = Math.floor(h / (s.H / s.K));
          const last = causal ? t + s.S - s.T : s.S - 1;
          const weights: number[] = [];
          for (let j = 0; j <= last; j++) {
            let dot = 0;
            for (let e = 0; e < s.d; e++)
              dot +=
                at(q as Float64Array, ((b * s.H + h) * s.T + t) * s.d + e) *
                at(k as Float64Array, ((b * s.K + g) * s.S + j) * s.d + e);
            weights.push(Math.exp(dot / Math.sqrt(s.d)));
          }
          const total = weights.reduce((x, y) => x + y, 0);
          for (let e = 0; e < s.d; e++)
            weights.forEach((w, j) => {
              const index = ((b * s.H + h) * s.T + t) * s.d + e;
              out[index] = at(out, index) + (w / total) * at(v as Float64Array, ((b * s.K + g) * s.S + j) * s.d + e);
            });
        }
    return out;
  };

const rmsOracle =
  (rows: number, d: number) =>
  ([x, g]: Float64Array[]): Float64Array => {
    const out = new Float64Array(rows * d);
    for (let n = 0; n < rows; n++) {
      let squares = 0;
      for (let e = 0; e < d; e++) squares += at(x as Float64Array, n * d + e) ** 2;
      for (let e = 0; e < d; e++)
        out[n * d + e] = (at(x as Float64Array, n * d + e) / Math.sqrt(squares / d + 1e-6)) * at(g as Float64Array, e);
    }
    return out;
  };

const TARGETS = [3, 0, 3, 3, 6, 1, 3];
const logpOracle =
  (n: number, v: number, d: number, temperature = 1) =>
  ([h, w]: Float64Array[]): Float64Array => {
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const logits = Array.from({ length: v }, (_, j) => {
        let dot = 0;
        for (let e = 0; e < d; e++) dot += at(h as Float64Array, i * d + e) * at(w as Float64Array, j * d + e);
        return dot / temperature;
      });
      const top = Math.max(...logits);
      const lse = top + Math.log(logits.reduce((sum, l) => sum + Math.exp(l - top), 0));
      out[i] = (logits[TARGETS[i] as number] as number) - lse;
    }
    return out;
  };

const entropyOracle =
  (n: number, v: number, d: number) =>
  ([h, w]: Float64Array[]): Float64Array => {
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let [total, weighted] = [0, 0];
      for (let j = 0; j < v; j++) {
        let z = 0;
        for (let e = 0; e < d; e++) z += at(h as Float64Array, i * d + e) * at(w as Float64Array, j * d + e);
        total += Math.exp(z);
        weighted += z * Math.exp(z);
      }
      out[i] = Math.log(total) - weighted / total; // H = log Σ eᶻ − Σ p·z
    }
    return out;
  };

const targets = (): tf.Tensor1D => tf.tensor1d(TARGETS, "int32");

describe.each(RUNTIMES)("%s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime })));
  afterAll(async () => engine[Symbol.asyncDispose]());

  const check = async (op: Op, inputs: Input[], oracle: (xs: Float64Array[]) => Float64Array) => {
    const { value, grads } = await evaluate(engine, op, inputs);
    close(value, oracle(inputs.map((x) => Float64Array.from(x.data))));
    differences(oracle, inputs).forEach((want, i) => close(grads[i] as Float32Array, want, 1e-4));
  };

  it.each([
    { H: 2, K: 2, T: 5, S: 5, causal: false, blocks: 1 },
    { H: 2, K: 2, T: 5, S: 5, causal: true, blocks: 1 },
    { H: 4, K: 2, T: 7, S: 7, causal: true, blocks: 3 },
    { H: 2, K: 1, T: 3, S: 6, causal: true, blocks: 2 },
  ])("attention %j", async ({ H, K, T, S, causal, blocks }) => {
    const sizes = { B: 2, H, K, T, S, d: 3 };
    const inputs = [input([2, H, T, 3], 2), input([2, K, S, 3], 3), input([2, K, S, 3], 5)];
    await check(
      (q, k, v) => attention(q as tf.Tensor, k as tf.Tensor, v as tf.Tensor, { causal, blocks }),
      inputs,
      attentionOracle(sizes, causal),
    );
  });

  it("rmsNorm", async () => {
    await check(
      (x, g) => rmsNorm(x as tf.Tensor, g as tf.Tensor),
      [input([2, 3, 5], 2), input([5], 3)],
      rmsOracle(6, 5),
    );
  });

  it.each([{ chunkRows: 7 }, { chunkRows: 3 }, { chunkRows: 1, temperature: 0.7 }])("tokenLogp %j", async (options) => {
    const op = (h?: tf.Tensor, w?: tf.Tensor) => tokenLogp(h as tf.Tensor, w as tf.Tensor, targets(), options);
    await check(op, [input([7, 4], 2), input([9, 4], 3)], logpOracle(7, 9, 4, options.temperature));
  });

  it.each([7, 3, 1])("tokenEntropy in chunks of %d rows", async (chunkRows) => {
    const op = (h?: tf.Tensor, w?: tf.Tensor) => tokenEntropy(h as tf.Tensor, w as tf.Tensor, { chunkRows });
    await check(op, [input([7, 4], 2), input([9, 4], 3)], entropyOracle(7, 9, 4));
  });

  it("crossEntropy is the weighted mean of −logp", async () => {
    const weights = [1, 0, 2, 0, 1, 1, 0];
    const op = (h?: tf.Tensor, w?: tf.Tensor) =>
      crossEntropy({ hidden: h as tf.Tensor, weight: w as tf.Tensor }, targets(), tf.tensor1d(weights), {
        chunkRows: 2,
      });
    const oracle = (xs: Float64Array[]) => {
      const logp = logpOracle(7, 9, 4)(xs);
      return Float64Array.of(-weights.reduce((sum, weight, i) => sum + weight * at(logp, i), 0) / 5);
    };
    await check(op, [input([7, 4], 2), input([9, 4], 3)], oracle);
  });

  it("swigluGate", async () => {
    const oracle = ([g, u]: Float64Array[]) =>
      (g as Float64Array).map((x, i) => (x / (1 + Math.exp(-x))) * at(u as Float64Array, i));
    await check((g, u) => swigluGate(g as tf.Tensor, u as tf.Tensor), [input([3, 4], 2), input([3, 4], 3)], oracle);
  });

  it("embedding sums the gradient of repeated ids", async () => {
    const ids = [2, 0, 2, 2];
    const oracle = ([table]: Float64Array[]) =>
      Float64Array.from(ids.flatMap((id) => [0, 1, 2].map((e) => at(table as Float64Array, id * 3 + e))));
    await check(
      (table) => embedding(table as tf.Tensor, tf.tensor2d(ids, [2, 2], "int32")),
      [input([4, 3], 2)],
      oracle,
    );
  });

  it("checkpoint changes no gradient", async () => {
    const block: Op = (x, w) =>
      tf.tanh(tf.matMul(tf.tanh(tf.matMul(x as tf.Tensor, w as tf.Tensor)), w as tf.Tensor, false, true));
    const inputs = [input([4, 3], 2), input([3, 3], 3)];
    const plain = await evaluate(engine, block, inputs);
    const thrifty = await evaluate(engine, checkpoint(block), inputs);
    expect(thrifty.value).toEqual(plain.value);
    thrifty.grads.forEach((g, i) => close(g, plain.grads[i] as Float32Array, 1e-6));
  });

  it("names the op and the shapes that do not fit", async () => {
    const bad = engine.compile((x: tf.Tensor) => attention(x, x, tf.slice(x, [0, 0, 0, 0], [-1, -1, 1, -1])));
    const x = engine.tensor(noise(24), [1, 2, 4, 3]);
    const error = await bad(x).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).message).toMatch(/attention.*\[1, 2, 4, 3\].*\[1, 2, 1, 3\]/);
  });
});
