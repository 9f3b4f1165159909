import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withPrecision } from "./onnx/precision.ts";
import { traceFunction } from "./trace/trace.ts";
import { createEngine, EngineError, type Engine, type EngineTensor, type RuntimeName } from "./index.ts";

const RUNTIMES: RuntimeName[] = ["onnx-node", "onnx-web", "tfjs-cpu", "tfjs-wasm"];

const failureOf = async (work: () => unknown): Promise<EngineError> => {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(EngineError);
    return error as EngineError;
  }
  throw new Error("expected an EngineError, got a result");
};

/** A layer trained on one batch; weights and a counter in donated state. */
const trainer = (state: { w: tf.Tensor; steps: tf.Tensor }, x: tf.Tensor) => {
  const f = (w: tf.Tensor): tf.Scalar => tf.mean(tf.square(tf.sub(tf.tanh(tf.matMul(x, w)), 0.5))) as tf.Scalar;
  const { value, grads } = tf.valueAndGrads(f)([state.w]);
  const w = tf.sub(state.w, tf.mul(0.5, grads[0] as tf.Tensor));
  return { state: { w, steps: tf.add(state.steps, 1) }, loss: value };
};

describe.each(RUNTIMES)("%s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime })));
  afterAll(async () => engine[Symbol.asyncDispose]());

  const start = () => ({
    state: { w: engine.tensor(new Float32Array(60_000).fill(0.01), [300, 200]), steps: engine.tensor(0) },
    x: engine.tensor(
      Float32Array.from({ length: 1200 }, (_, i) => Math.sin(i)),
      [4, 300],
    ),
  });

  it("gives a result out for good: its numbers stay, whatever runs later, and the handle is gone", async () => {
    const live = engine.liveTensors();
    const x = engine.tensor([1, 2, 3]);
    const double = engine.compile((a: tf.Tensor) => tf.add(a, a), { donate: [0] });
    const made = await double(x);
    const first = await engine.take(made);
    expect([...first.data]).toEqual([2, 4, 6]);
    engine.dispose(await double(engine.tensor([7, 7, 7])));
    expect([...first.data]).toEqual([2, 4, 6]);
    expect((await failureOf(() => engine.take(made))).message).toContain("was taken");
    expect(engine.liveTensors()).toBe(live);
    await double.dispose();
  });

  it("trains with donated state and leaks nothing in a thousand steps", async () => {
    const step = engine.compile(
      (s: { w: tf.Tensor }, x: tf.Tensor) => ({ s: { w: tf.mul(s.w, tf.sub(1, tf.mul(1e-3, tf.mean(x)))) } }),
      { donate: [0], name: "tick" },
    );
    let s: { w: EngineTensor } = { w: engine.tensor(new Float32Array(64).fill(1), [8, 8]) };
    const x = engine.tensor(Float32Array.of(1, 1));
    ({ s } = await step(s, x));
    const [live, kept] = [engine.liveTensors(), tf.memory().numTensors];
    for (let i = 1; i < 1000; i++) ({ s } = await step(s, x));
    expect([engine.liveTensors(), tf.memory().numTensors]).toEqual([live, kept]);
    // 0.999^1000 = e^(1000·ln 0.999) = 0.36770; float32 rounds a thousand times
    expect((await engine.read(s.w)).data[5]).toBeCloseTo(0.3677, 3);
    engine.dispose([s, x]);
  });

  it("moves large donated state and invalidates what was given up", async () => {
    const step = engine.compile(trainer, { donate: [0], name: "trainer" });
    const { state: first, x } = start();
    const losses: number[] = [];
    let state = first;
    for (let i = 0; i < 4; i++) {
      const out = await step(state, x);
      losses.push(await engine.number(out.loss));
      engine.dispose(out.loss);
      state = out.state;
    }
    expect(losses[3]).toBeLessThan(losses[0] as number);
    expect(await engine.number(state.steps)).toBe(4);
    const error = await failureOf(() => engine.read(first.w));
    expect(error).toMatchObject({ reason: "disposed" });
    expect(error.message).toMatch(/float32\[300, 200\] was donated to trainer/);
    engine.dispose([state, x]);
  });

  it("keeps the state of a failed call", async () => {
    const step = engine.compile(trainer, { donate: [0], name: "trainer" });
    const { state, x } = start();
    const narrow = engine.tensor(new Float32Array(8), [4, 2]);
    expect((await failureOf(() => step(state, narrow))).reason).toBe("shape");
    const out = await step(state, x);
    expect(await engine.number(out.state.steps)).toBe(1);
    engine.dispose([out, x, narrow]);
  });

  it("takes host tensors and TensorFlow.js tensors as arguments, and gives static values back", async () => {
    const f = engine.compile((a: tf.Tensor, options: { by: number; name: string }) => ({
      y: tf.mul(a, options.by),
      ...options,
    }));
    const host = { data: Float32Array.of(1, 2), shape: [2], dtype: "float32" as const };
    const out = await f(host, { by: 3, name: "x" });
    expect(Array.from((await engine.read(out.y)).data)).toEqual([3, 6]);
    expect([out.by, out.name]).toEqual([3, "x"]);
    engine.dispose(out);
  });

  it("returns an argument, a constant and one tensor twice as tensors of their own", async () => {
    const f = engine.compile((a: tf.Tensor) => {
      const b = tf.add(a, 1);
      return [a, tf.scalar(7), b, b] as const;
    });
    const a = engine.tensor(Float32Array.of(1));
    const outs = (await f(a)) as unknown as EngineTensor[];
    engine.dispose(a);
    const values = await Promise.all(outs.map(async (one) => (await engine.read(one)).data[0]));
    expect(values).toEqual([1, 7, 2, 2]);
    for (const one of outs) engine.dispose(one);
    expect(engine.liveTensors()).toBe(0);
  });

  it("has one graph per shape and static value, and refuses a flood", async () => {
    const f = engine.compile((a: tf.Tensor, by: number) => tf.mul(a, by), { maxGraphs: 3, name: "flood" });
    const a = engine.tensor(Float32Array.of(1));
    for (const by of [1, 2, 3, 2]) engine.dispose(await f(a, by));
    const error = await failureOf(() => f(a, 4));
    expect(error.reason).toBe("too-many-graphs");
    expect(error.message).toMatch(/flood.*engine\.tensor/);
    engine.dispose(a);
  });

  it("tells 0 and -0 apart, which divide differently", async () => {
    const f = engine.compile((a: tf.Tensor, by: number) => tf.fill(a.shape, 1 / by));
    const a = engine.tensor(Float32Array.of(1));
    const outs = [await f(a, 0), await f(a, -0), await f(a, 0)];
    expect(await Promise.all(outs.map(engine.number))).toEqual([Infinity, -Infinity, Infinity]);
    engine.dispose([a, ...outs]);
  });

  it("refuses int64, wrong sizes, functions, foreign and disposed tensors", async () => {
    const f = engine.compile((a: unknown) => tf.add((a as { x: tf.Tensor }).x ?? (a as tf.Tensor), 1)) as (
      a: unknown,
    ) => Promise<unknown>;
    expect((await failureOf(() => engine.tensor(BigInt64Array.of(1n) as never))).message).toMatch(/int64.*Int32Array/);
    expect((await failureOf(() => engine.tensor(new Float32Array(3), [2, 2]))).reason).toBe("shape");
    expect(
      (await failureOf(() => f({ x: { data: BigInt64Array.of(1n), shape: [1], dtype: "int32" } }))).message,
    ).toMatch(/arguments\.0\.x.*int64/);
    expect((await failureOf(() => f({ x: () => 1 }))).message).toMatch(/arguments\.0\.x.*function/);
    expect((await failureOf(() => f({ x: new Float32Array(2) }))).message).toMatch(/engine\.tensor/);
    const gone = engine.tensor(1);
    engine.dispose(gone);
    expect((await failureOf(() => f(gone))).message).toMatch(/was disposed/);
    const other = await createEngine({ runtime: "tfjs-cpu" });
    expect((await failureOf(() => f(other.tensor(1)))).message).toMatch(/another engine/);
  });

  it("refuses a promise", async () => {
    const f = engine.compile((() => Promise.resolve(tf.scalar(1))) as never as () => tf.Tensor);
    expect((await failureOf(() => f())).reason).toBe("async");
  });
});

describe.each(["onnx-node", "onnx-web"] as const)("compiled on %s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime })));
  afterAll(async () => engine[Symbol.asyncDispose]());

  const tracing = async (fn: (x: tf.Tensor) => tf.Tensor) => {
    const x = engine.tensor(new Float32Array(6), [2, 3]);
    return failureOf(() => engine.compile(fn)(x));
  };

  it("names an op without a lowering, and where it was called", async () => {
    const error = await tracing((x) => tf.spectral.rfft(tf.reshape(x, [6])) as tf.Tensor);
    expect(error.reason).toMatch(/no-kernel|dtype/);
    expect(error.message).toMatch(/FFT|Complex/i);
    const conv = await tracing((x) =>
      tf.conv1d(tf.reshape(x, [2, 3, 1]) as tf.Tensor3D, tf.zeros([1, 1, 1]) as tf.Tensor3D, 1, "same"),
    );
    expect(conv).toMatchObject({ reason: "no-kernel", op: "Conv2D" });
    expect(conv.site).toMatch(/engine\.test\.ts:\d+:\d+$/);
  });

  it("refuses to read a value while tracing", async () => {
    const error = await tracing((x) => tf.mul(x, x.dataSync()[0] as number));
    expect(error.reason).toBe("value-read");
    expect(error.site).toMatch(/engine\.test\.ts/);
  });

  it("refuses random numbers that would be the same on every call", async () => {
    expect((await tracing((x) => tf.add(x, tf.randomUniform([2, 3])))).reason).toBe("random");
    expect(Math.random()).not.toBe(Math.random()); // the real one is back
  });

  it("names the op and both shapes when they do not fit", async () => {
    const error = await tracing((x) => tf.matMul(x, x));
    expect(error).toMatchObject({ reason: "shape", op: "BatchMatMul" });
    expect(error.message).toMatch(/\[2, 3\] and \[2, 3\].*engine\.test\.ts/);
  });

  it("leaves the caller's backend and tensors as they were", async () => {
    await createEngine({ runtime: "tfjs-cpu" });
    const outside = tf.tensor1d([1, 2, 3]);
    const x = engine.tensor(Float32Array.of(1, 1, 1));
    const out = await engine.compile((a: tf.Tensor) => tf.add(a, outside))(x);
    expect(tf.getBackend()).toBe("cpu");
    expect(Array.from(outside.dataSync())).toEqual([1, 2, 3]);
    expect(Array.from((await engine.read(out)).data)).toEqual([2, 3, 4]);
    outside.dispose();
    engine.dispose([x, out]);
  });

  it("refuses constants of more than 2 GB, and says to pass them", async () => {
    const big = new Float32Array(2 ** 29);
    big[0] = 1;
    const error = await failureOf(() => {
      const f = engine.compile((x: tf.Tensor) => tf.add(x, tf.sum(tf.tensor(big))), { name: "huge" });
      return f(engine.tensor(1));
    });
    expect(error.reason).toBe("too-large");
    expect(error.message).toMatch(/huge.*536870912.*arguments/);
  });

  it("reports what ONNX Runtime refuses with the kernel's name", async () => {
    const f = engine.compile((x: tf.Tensor, ids: tf.Tensor) => tf.gather(x, ids as tf.Tensor1D), { name: "lookup" });
    const x = engine.tensor(new Float32Array(6), [2, 3]);
    const error = await failureOf(() => f(x, engine.tensor(Int32Array.of(5))));
    expect(error.reason).toBe("runtime");
    expect(error.message).toMatch(/lookup/);
    expect(error.message).toMatch(/GatherV2|out of data bounds/);
  });

  it("saves a graph and runs it elsewhere without tracing", async () => {
    const fn = (s: { w: tf.Tensor }, x: tf.Tensor) => ({ y: tf.matMul(x, s.w), n: null });
    const x = engine.tensor(Float32Array.of(1, 2), [1, 2]);
    const s = { w: engine.tensor(Float32Array.of(1, 2, 3, 4), [2, 2]) };
    const file = await engine.compile(fn, { name: "linear" }).save(s, x);
    const other = engine.compile((): { y: tf.Tensor } => {
      throw new Error("traced");
    }) as unknown as ReturnType<typeof engine.compile<typeof fn>>;
    await other.load(file);
    const out = await other(s, x);
    expect(Array.from((await engine.read(out.y)).data)).toEqual([7, 10]);
    expect(out.n).toBeNull();
    for (const broken of [
      file.slice(0, 50),
      file.slice(0, file.length - 9),
      file.slice(0, 0),
      file.map((b, i) => (i === 60 ? b ^ 1 : b)),
      Uint8Array.of(9, 9, 9),
    ]) {
      expect((await failureOf(() => other.load(broken))).reason).toBe("bad-graph");
    }
    engine.dispose([s, x, out]);
  });

  it("multiplies in 16 bits when asked, and nothing else", async () => {
    const half = await createEngine({ runtime, precision: "float16" });
    const fn = (a: tf.Tensor, b: tf.Tensor) => ({ product: tf.matMul(a, b), sum: tf.add(a, b) });
    const out = await half.compile(fn)(
      half.tensor(Float32Array.of(3), [1, 1]),
      half.tensor(Float32Array.of(0.1), [1, 1]),
    );
    // The CPU provider may widen products again, so the value is 0.3 to 3 digits and more: the graph is what is checked below.
    expect(await half.number(out.product)).toBeCloseTo(0.3, 3);
    expect(await half.number(out.sum)).toBe(Math.fround(3 + Math.fround(0.1)));
    await half[Symbol.asyncDispose]();
    const spec = { shape: [1, 1], dtype: "float32" as const };
    const { graph } = traceFunction(fn, [spec, spec], { list: [{ leaf: 0 }, { leaf: 1 }] });
    const nodes = withPrecision(graph, "float16").nodes;
    expect(nodes.map((node) => node.op)).toEqual(["Cast", "Cast", "MatMul", "Cast", "Add"]);
    expect(nodes[2]?.inputs.map((x) => x?.type)).toEqual(["float16", "float16"]);
    expect(nodes.at(-1)?.inputs.map((x) => x?.type)).toEqual(["float32", "float32"]);
    expect(withPrecision(graph, "float32")).toBe(graph);
  });

  it("runs calls made at once in order", async () => {
    const f = engine.compile((s: tf.Tensor) => tf.add(s, 1), { donate: [0] });
    const outs = await Promise.all([1, 2, 3].map((n) => f(engine.tensor(new Float32Array(4096).fill(n)))));
    expect(await Promise.all(outs.map(async (out) => (await engine.read(out)).data[9]))).toEqual([2, 3, 4]);
  });
});

describe("choosing", () => {
  it("picks a compiled runtime here and says why", async () => {
    const engine = await createEngine();
    expect(engine.compiles).toBe(true);
    expect(engine.why).toMatch(/ONNX Runtime/);
    await engine[Symbol.asyncDispose]();
    expect((await failureOf(() => engine.compile((x: tf.Tensor) => x)(engine.tensor(1)))).reason).toBe("disposed");
  });

  it.each([
    [{ runtime: "onnx-node", provider: "coreml" }, "no-provider", /macOS only/],
    [{ runtime: "onnx-node", provider: "cuda" }, "no-provider", /providers_cuda.*|CUDA 12/],
    [{ runtime: "onnx-web", provider: "cuda" }, "no-provider", /onnxruntime-web/],
    [{ runtime: "onnx-web", provider: "webgpu" }, "no-provider", /navigator\.gpu/],
    [{ runtime: "onnx-node", precision: "bfloat16" }, "no-provider", /bfloat16 needs provider cuda/],
    [{ runtime: "tfjs-cpu", provider: "webgpu" }, "no-provider", /tfjs-cpu/],
  ] as const)("%j is not here", async (options, reason, says) => {
    const error = await failureOf(() => createEngine(options));
    expect(error.reason).toBe(reason);
    expect(error.message).toMatch(says);
  });
});

it("without an arena graphs of many lengths compute the same, to the last bit", async () => {
  const lengths = [3, 40, 7, 160, 3];
  const outcomes = await Promise.all(
    [true, false].map(async (arena) => {
      await using engine = await createEngine({ runtime: "onnx-node", threads: 1, arena });
      const step = engine.compile(trainer, { name: "step" });
      const state = { w: engine.tensor(new Float32Array(600).fill(0.01), [20, 30]), steps: engine.tensor(0) };
      const seen: Float32Array[] = [];
      for (const rows of lengths) {
        const x = Float32Array.from({ length: 20 * rows }, (_, i) => Math.cos(i));
        const { state: next } = await step(state, engine.tensor(x, [rows, 20]));
        seen.push((await engine.read(next.w)).data as Float32Array);
      }
      return seen;
    }),
  );
  expect(outcomes[0]).toEqual(outcomes[1]);
  expect(outcomes[0]?.[0]).toEqual(outcomes[0]?.[4]);
});
