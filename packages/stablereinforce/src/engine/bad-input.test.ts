/** What users and machines get wrong: the error says what it was and what to do. */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { fromLlama, initParams, toLlama } from "../model/index.ts";
import { fromFloat32, toFloat32 } from "../safetensors/index.ts";
import { createEngine, EngineError, type RuntimeName } from "./index.ts";
import { toModel } from "./onnx/model.ts";
import { runtimeError } from "./runtime/ort.ts";
import { checkLibrary } from "./runtime/tfjs.ts";

const failureOf = async (work: () => unknown): Promise<EngineError> => {
  const outcome = await Promise.resolve()
    .then(work)
    .catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(EngineError);
  return outcome as EngineError;
};

const OUT_OF_MEMORY: readonly RuntimeName[] = ["onnx-node", "onnx-web"];

it.each(OUT_OF_MEMORY)(
  "memory runs out on %s: it says how much, where and what to lower, and goes on",
  async (runtime) => {
    const engine = await createEngine({ runtime, threads: 1 });
    // [n, 1] · [1, n] has n² elements: 4 TiB
    const f = engine.compile((a: tf.Tensor) => tf.sum(tf.square(tf.matMul(a, a, false, true))), { name: "outer" });
    const n = 2 ** 20;
    const error = await failureOf(() => f(engine.tensor(new Float32Array(n), [n, 1])));
    expect(error.reason).toBe("out-of-memory");
    expect(error.message).toMatch(/running graph outer.*could not be allocated: lower the batch.*checkpoint\(\)/s);
    if (runtime === "onnx-node") expect(error).toMatchObject({ op: "BatchMatMul", problem: /4096\.0 GiB/ });
    expect(await engine.number(await f(engine.tensor(Float32Array.of(1, 2), [2, 1])))).toBe(25); // (1 + 4)²
    await engine[Symbol.asyncDispose]();
  },
);

it("an output that JavaScript cannot hold is memory too", async () => {
  const engine = await createEngine({ runtime: "onnx-node" });
  const f = engine.compile((a: tf.Tensor) => tf.matMul(a, a, false, true));
  const error = await failureOf(() => f(engine.tensor(new Float32Array(2 ** 17), [2 ** 17, 1])));
  expect(error).toMatchObject({ reason: "out-of-memory" });
  await engine[Symbol.asyncDispose]();
});

it.each([
  "std::bad_alloc",
  "Failed to allocate memory for requested buffer of size 4096",
  "CUDA failure 2: out of memory",
  "Array buffer allocation failed",
])("%s is out-of-memory", (text) => {
  expect(runtimeError("running graph f", new Error(text)).reason).toBe("out-of-memory");
});

it("what only sounds like it is not", () => {
  expect(runtimeError("running graph f", new Error("no room for node 'bloom'")).reason).toBe("runtime");
});

it("a fused node is named after its kernel", () => {
  const text =
    "Non-zero status code while running FusedMatMul node. Name:'BatchMatMul_1/MatmulTransposeFusion/' Status: x";
  expect(runtimeError("running graph f", new Error(text))).toMatchObject({ op: "BatchMatMul", reason: "runtime" });
});

it.each([
  ["Non-zero status code returned while running Exp node. Name:'Exp_0' Status Message: x", "Exp"],
  ["Exception during initialization: in node (Exp_0) an error", "Exp"],
  ["[ShapeInferenceError] Error in Node (BatchMatMul_12) of op MatMul", "BatchMatMul"],
  ["something else (12)", undefined],
])("%s names the op", (text, op) => {
  expect(runtimeError("loading graph f", new Error(text)).op).toBe(op);
});

it("a graph over 2 GB is refused with the largest constant, before a byte of it is copied", async () => {
  const [a, b] = [2 ** 28, 2 ** 28 + 1].map((size, id) => {
    return { id, type: "float32" as const, shape: [size], data: new Float32Array(size) };
  });
  const sum = { id: 2, type: "float32" as const, shape: [1] };
  const node = { op: "Add", inputs: [a ?? null, b ?? null], outputs: [sum], attributes: {}, label: "Add" };
  const error = await failureOf(() => toModel({ inputs: [], outputs: [sum], nodes: [node] }, { name: "giant" }));
  expect(error).toMatchObject({ reason: "too-large", message: /giant holds 2\.00 GiB.*\[268435457\].*arguments/ });
});

it("shapes that do not fit are the engine's errors in one minified file too", async () => {
  const folder = await mkdtemp(join(tmpdir(), "r1reward-bundle-"));
  const outfile = join(folder, "app.mjs");
  const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  await build({
    stdin: {
      contents: `
        import * as tf from "@tensorflow/tfjs-core";
        import { createEngine } from "./index.ts";
        const failures = async () => {
          const engine = await createEngine({ runtime: "onnx-node", threads: 1 });
          const x = engine.tensor(new Float32Array(6), [2, 3]);
          class Mine extends Error {}
          const fns = [(a) => tf.matMul(a, a), (a) => tf.reshape(a, [7]), () => { throw new Mine("mine"); }];
          const found = [];
          for (const f of fns) found.push(await engine.compile(f)(x).catch((e) => [e.code, e.reason, e instanceof Mine]));
          return found;
        };
        console.log(JSON.stringify(await failures()));
        process.exit(0);`,
      resolveDir: at("."),
      loader: "ts",
    },
    outfile,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
    alias: { "@r1reward/core": at("../../../core/src/errors.ts") },
    external: ["onnxruntime-*"],
    banner: {
      js: `import { createRequire as r } from "node:module"; const require = r(${JSON.stringify(import.meta.url)});`,
    },
  });
  await symlink(at("../../../../node_modules"), join(folder, "node_modules"));
  const said = execFileSync(process.execPath, [outfile], { encoding: "utf8" });
  const shape = ["R1_ENGINE", "shape", false];
  expect(JSON.parse(said.trim().split("\n").at(-1) ?? "")).toEqual([shape, shape, [null, null, true]]);
  await rm(folder, { recursive: true });
});

describe("select over bools on tfjs-wasm", () => {
  it("gives bools and leaves its neighbours alone", async () => {
    const engine = await createEngine({ runtime: "tfjs-wasm" });
    const pick = engine.compile((c: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.where(c, a, b));
    const n = 1000;
    const bools = (f: (i: number) => boolean) => engine.tensor(Uint8Array.from({ length: n }, (_, i) => Number(f(i))));
    const neighbours = Array.from({ length: 8 }, () => bools(() => true));
    const args = [bools((i) => i % 2 === 0), bools((i) => i % 3 === 0), bools((i) => i % 5 === 0)] as const;
    const want = Buffer.from(Array.from({ length: n }, (_, i) => Number(i % 2 === 0 ? i % 3 === 0 : i % 5 === 0)));
    for (let round = 0; round < 12; round++) {
      const out = await pick(...args);
      neighbours.push(bools(() => true));
      expect(Buffer.from((await engine.read(out)).data as Uint8Array).equals(want)).toBe(true);
      engine.dispose(out);
    }
    for (const one of neighbours) expect((await engine.read(one)).data.every((x) => x === 1)).toBe(true);
    await engine[Symbol.asyncDispose]();
  });

  it("chooses rows by a vector, and numbers as before", async () => {
    const engine = await createEngine({ runtime: "tfjs-wasm" });
    await createEngine({ runtime: "tfjs-wasm" }); // the guard goes on once
    const rows = tf.engine().runKernel("Select", {
      condition: tf.tensor1d([1, 0], "bool"),
      t: tf.tensor2d([1, 1, 1, 1], [2, 2], "bool"),
      e: tf.tensor2d([0, 0, 0, 1], [2, 2], "bool"),
    }) as tf.Tensor;
    expect(Array.from(rows.dataSync())).toEqual([1, 1, 0, 1]);
    expect(rows.dtype).toBe("bool");
    const floats = tf.where(tf.tensor1d([1, 0], "bool"), tf.tensor1d([1.5, 2]), tf.tensor1d([3, 4.5]));
    expect(Array.from(floats.dataSync())).toEqual([1.5, 4.5]);
    await engine[Symbol.asyncDispose]();
  });
});

describe("libtensorflow", () => {
  it("of another major version is refused by number", async () => {
    const error = await failureOf(() => checkLibrary("1.15.5", () => undefined));
    expect(error).toMatchObject({
      reason: "version",
      message: /libtensorflow 1\.15\.5 is not supported: tested with 2\.9/,
    });
    expect((await failureOf(() => checkLibrary("3.0.0", () => undefined))).reason).toBe("version");
  });

  it("whose ops take other attributes is refused when it starts", async () => {
    const drifted = () => {
      throw new Error("Invalid argument: NodeDef mentions attr 'grad_x' not in Op<name=MatMul>");
    };
    const error = await failureOf(() => checkLibrary("2.99.0", drifted));
    expect(error).toMatchObject({ reason: "version", message: /2\.99\.0 refuses operations.*grad_x/ });
  });

  it("that works is taken, tested or not", () => {
    for (const version of ["2.9.1", "2.15.1", "2.18.0", "unknown"]) checkLibrary(version, () => undefined);
  });
});

describe("weights that are not finite", () => {
  const config = {
    vocabSize: 8,
    hiddenSize: 8,
    layers: 1,
    heads: 2,
    kvHeads: 1,
    intermediateSize: 8,
    tiedEmbeddings: true,
  };

  it.each(["F32", "F16", "BF16"] as const)("in %s are refused with file and tensor", async (dtype) => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const stored = new Map(toLlama(config, initParams(config, 1), dtype));
      const name = "model.layers.0.mlp.down_proj.weight";
      const whole = stored.get(name);
      if (whole === undefined) throw new Error(name);
      const values = toFloat32(whole).slice();
      values[13] = bad;
      stored.set(name, fromFloat32(dtype, whole.shape, values));
      const read = (each: string) => stored.get(each) ?? Promise.reject(new Error(each));
      await expect(fromLlama(config, read, { file: "my/model.safetensors" })).rejects.toMatchObject({
        code: "R1_CHECKPOINT",
        problem: "not-finite",
        file: "my/model.safetensors",
        tensor: name,
        message: /element 13/,
      });
    }
  });
});
