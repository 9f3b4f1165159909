/** `createEngine`: picks a runtime that works, says which and why, and compiles for it. */
import { compileFor, dropHandle, makeHandle, type Owner } from "./compile.ts";
import type { Driver } from "./driver.ts";
import { EngineError, isEngineError } from "./errors.ts";
import { frozenIn, loadFrozen } from "./frozen.ts";
import { toProgram, openSession } from "./runtime/session.ts";
import { checkOptions } from "./options.ts";
import { cudaLibrary, inNode, loadOnnxNode, loadOnnxWeb } from "./runtime/load.ts";
import { ortDriver } from "./runtime/ort-driver.ts";
import { ortTensor, type OrtRuntime, type Provider } from "./runtime/ort.ts";
import { noProvider } from "./runtime/providers.ts";
import { loadEager } from "./runtime/tfjs.ts";
import { contents, hostTensor, isEngineTensor, type EngineTensor } from "./tensor.ts";
import { recorder } from "./trace/recorder.ts";
import { flatten } from "./tree.ts";
import type { Engine, EngineOptions, RuntimeName } from "./types.ts";

/** A runtime that was started. */
export interface Started {
  readonly driver: Driver;
  readonly provider: Provider;
}

/** Adds 1 to 2 on the runtime: what loads but cannot compute is found out here, not in the user's first step. */
const probe = async (runtime: OrtRuntime): Promise<void> => {
  const r = recorder();
  const x = r.input({ type: "float32", shape: [2] });
  const one = r.constant(Float32Array.of(1), { type: "float32", shape: [] });
  const sum = r.emit("Add", [x, one], { type: "float32", shape: [2] });
  const session = await openSession(runtime, toProgram(r.finish([x], [sum]), "probe"));
  const feed = ortTensor(runtime, Float32Array.of(2, 3), { dtype: "float32", shape: [2] });
  const [out] = await session.run([feed], () => new Float32Array(2));
  const values = (await out?.getData()) as Float32Array | undefined;
  await session.dispose();
  if (values?.[0] !== 3) throw new EngineError(`probe gave ${String(values?.[0])} for 2 + 1`, { reason: "runtime" });
};

/** Starts one runtime and checks that it computes. @throws EngineError `no-runtime`, `no-provider`, `runtime` */
export const startRuntime = async (name: RuntimeName, options: EngineOptions = {}): Promise<Started> => {
  const provider = options.provider ?? "cpu";
  if (name === "onnx-node" || name === "onnx-web") {
    const precision = options.precision ?? "float32";
    if (precision === "bfloat16" && provider !== "cuda") {
      throw new EngineError(`bfloat16 needs provider cuda, got ${provider}`, { reason: "no-provider" });
    }
    const { threads, spin = false, arena = true } = options;
    const asked = { provider, threads, precision, spin, arena };
    const runtime = name === "onnx-node" ? await loadOnnxNode(asked) : await loadOnnxWeb(asked);
    try {
      await probe(runtime);
    } catch (cause) {
      throw provider === "cpu" ? cause : noProvider(provider, name, cause);
    }
    return { driver: ortDriver(runtime), provider };
  }
  if (options.provider !== undefined && options.provider !== "cpu") throw noProvider(options.provider, name);
  return { driver: await loadEager(name), provider: "cpu" };
};

type Candidate = readonly [RuntimeName, Provider];

/** What `auto` tries, best first. CUDA only where its library lies ready. */
const candidates = (options: EngineOptions): readonly Candidate[] => {
  const provider = options.provider ?? "cpu";
  const plain: Candidate[] = (["onnx-node", "onnx-web", "tfjs-wasm", "tfjs-cpu"] as const).map((n) => [n, provider]);
  const cuda = options.provider === undefined && inNode() && cudaLibrary().present;
  return cuda ? [["onnx-node", "cuda"], ...plain] : plain;
};

const REASONS: Readonly<Record<RuntimeName, string>> = {
  "onnx-node": "compiled graphs on native ONNX Runtime, the fastest",
  "onnx-web": "compiled graphs on ONNX Runtime's wasm, which needs no install script",
  "tfjs-node-gpu": "eager TensorFlow on CUDA, as asked",
  "tfjs-node": "eager TensorFlow, as asked",
  "tfjs-wasm": "eager TensorFlow.js wasm: slow, but it runs",
  "tfjs-cpu": "eager TensorFlow.js in plain JavaScript: very slow, but it runs everywhere",
};

const best = async (options: EngineOptions): Promise<{ name: RuntimeName; started: Started; why: string }> => {
  const failed: EngineError[] = [];
  for (const [name, provider] of candidates(options)) {
    try {
      const started = await startRuntime(name, { ...options, provider });
      const before = failed.map((error) => `; ${error.message}`).join("");
      return { name, started, why: `${REASONS[name]}${before}` };
    } catch (error) {
      if (!isEngineError(error)) throw error;
      failed.push(error);
    }
  }
  const all = failed.map((error) => error.message).join("; ");
  throw new EngineError(`no runtime works: ${all}`, { reason: "no-runtime" }, { cause: new AggregateError(failed) });
};

const reader =
  (owner: Owner): Engine["read"] =>
  async (x: EngineTensor) => {
    const data = await owner.driver.get(contents(owner, x));
    return { data, shape: x.shape, dtype: x.dtype };
  };

const taker =
  (owner: Owner): Engine["take"] =>
  async (x: EngineTensor) => {
    const data = await owner.driver.take(dropHandle(owner, x, "taken"));
    return { data, shape: x.shape, dtype: x.dtype };
  };

const scalarReader =
  (read: Engine["read"]): Engine["number"] =>
  async (x) => {
    const { data, shape } = await read(x);
    if (data.length !== 1) {
      throw new EngineError(`expected a scalar, got shape [${shape.join(", ")}]`, { reason: "shape" });
    }
    return data[0] as number;
  };

const freezer =
  (owner: Owner): Engine["frozen"] =>
  async (source, name) => {
    const frozen = owner.driver.freeze === undefined ? undefined : frozenIn(source, name);
    const { shape } = source.entry(name);
    if (frozen !== undefined && owner.driver.freeze !== undefined) {
      return makeHandle(owner, owner.driver.freeze(frozen), { shape, dtype: "float32" });
    }
    const host = await loadFrozen(source, name);
    return makeHandle(owner, owner.driver.put(host), host);
  };

const disposer =
  (owner: Owner): Engine["dispose"] =>
  (tree) => {
    for (const leaf of flatten(tree).leaves) {
      if (isEngineTensor(leaf)) owner.driver.free(dropHandle(owner, leaf, "disposed"));
    }
  };

/**
 * Picks the best runtime that works, or the one asked for. Natively compiled before wasm before eager; the eager native ones
 * (`tfjs-node`, `tfjs-node-gpu`) only by name.
 * @throws ConfigError naming an option that cannot be; EngineError `no-runtime` or `no-provider`, saying what is missing and which command
 *   brings it
 */
export const createEngine = async (options: EngineOptions = {}): Promise<Engine> => {
  checkOptions(options);
  const asked = options.runtime ?? "auto";
  const { name, started, why } =
    asked === "auto"
      ? await best(options)
      : { name: asked, started: await startRuntime(asked, options), why: `${REASONS[asked]} (asked for by name)` };
  const owner: Owner = { driver: started.driver, live: 0, closed: false, open: new Set() };
  const read = reader(owner);
  return {
    runtime: name,
    provider: started.provider,
    why,
    compiles: started.driver.compiles,
    compile: (fn, compileOptions) => compileFor(owner, fn, compileOptions),
    tensor: (data, shape, dtype) => {
      const host = hostTensor(data, shape, dtype);
      return makeHandle(owner, owner.driver.put(host), host);
    },
    frozen: freezer(owner),
    read,
    take: taker(owner),
    number: scalarReader(read),
    dispose: disposer(owner),
    liveTensors: () => owner.live,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...owner.open].map((dispose) => dispose()));
      owner.closed = true;
    },
  };
};
