/** The engine's public types. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { FrozenSource } from "./frozen.ts";
import type { EngineTensor, HostTensor, Numbers } from "./tensor.ts";
import type { DType } from "./onnx/ir.ts";
import type { Precision } from "./onnx/precision.ts";
import type { Provider } from "./runtime/ort.ts";

/** Runtimes by name. `onnx-*` compile; `tfjs-*` run the same functions eagerly. */
export type RuntimeName = "onnx-node" | "onnx-web" | "tfjs-node-gpu" | "tfjs-node" | "tfjs-wasm" | "tfjs-cpu";

/** A result's tree with the tensors left on the engine. */
export type Kept<T> = T extends Tensor
  ? EngineTensor
  : T extends (infer I)[]
    ? Kept<I>[]
    : T extends object
      ? { [K in keyof T]: Kept<T[K]> }
      : T;

/** An argument's tree: each tensor may be given as an engine tensor, a TensorFlow.js tensor or a host tensor. */
export type Given<T> = T extends Tensor
  ? EngineTensor | Tensor | HostTensor
  : T extends readonly (infer I)[]
    ? readonly Given<I>[]
    : T extends object
      ? { readonly [K in keyof T]: Given<T[K]> }
      : T;

/** How a function is compiled. */
export interface CompileOptions {
  /** Name in errors and saved files; the function's own name by default. */
  readonly name?: string | undefined;
  /**
   * Positions of arguments that the caller gives up: after a successful call their engine tensors are gone and their memory holds
   * the next results. Weights and moments passed so move between two sets of buffers and are never copied.
   */
  readonly donate?: readonly number[] | undefined;
  /** Most graphs that this function may have at a time, 64 by default: more is taken for a mistake. */
  readonly maxGraphs?: number | undefined;
}

/** A function that runs as one graph per signature (shapes, dtypes and static values of its arguments). */
export interface Compiled<F extends (...args: never[]) => unknown> {
  (...args: GivenArgs<Parameters<F>>): Promise<Kept<ReturnType<F>>>;
  readonly compiledName: string;
  /** Traces and loads the graph for these arguments without running it. */
  readonly warm: (...args: GivenArgs<Parameters<F>>) => Promise<GraphInfo>;
  /** The graph for these arguments as a file that `load` reads; loaded graphs need no tracing. Compiled runtimes only. */
  readonly save: (...args: GivenArgs<Parameters<F>>) => Promise<Uint8Array>;
  /**
   * Takes a saved graph into the cache: calls with its signature run it without tracing `fn`.
   * @throws EngineError `bad-graph` when the file is truncated, changed or from another version.
   */
  readonly load: (file: Uint8Array) => Promise<void>;
  /** Frees graphs and pooled buffers. */
  readonly dispose: () => Promise<void>;
}

/** Argument tuples, element by element. */
export type GivenArgs<A extends readonly unknown[]> = { [K in keyof A]: Given<A[K]> };

/** What is known of a compiled graph. */
export interface GraphInfo {
  /** ONNX nodes; 0 on eager runtimes. */
  readonly nodes: number;
  /** Bytes of the model file; 0 on eager runtimes. */
  readonly bytes: number;
  /** Milliseconds of tracing, passes and loading. */
  readonly milliseconds: number;
}

/** How an engine is chosen. */
export interface EngineOptions {
  readonly runtime?: RuntimeName | "auto" | undefined;
  /** Execution provider of the `onnx-*` runtimes, `cpu` by default. */
  readonly provider?: Provider | undefined;
  /**
   * Type of matrix products, `float32` by default. In 16 bits, factors are rounded before and products widened after each one;
   * weights, sums and everything else stay float32. For GPU providers: on `cpu` ONNX Runtime widens factors again. `bfloat16` needs `cuda`.
   */
  readonly precision?: Precision | undefined;
  /** Threads of one run, from 1 to 1024; cores by default. Sampling in several workers wants 1 each. */
  readonly threads?: number | undefined;
  /**
   * Do idle threads of `onnx-node` wait by spinning? False by default: where other programs share the cores, spinning made steps
   * 1.5 to 2 times slower. True suits a machine that does nothing else.
   */
  readonly spin?: boolean | undefined;
  /**
   * Does each graph of `onnx-node` keep the memory that it worked with? True by default: steps are 15 to 25 % faster. False gives it back
   * after every run: where batches come in many lengths, and so in many graphs, the peak is less than half.
   */
  readonly arena?: boolean | undefined;
}

/** A runtime that works, and what can be done with it. */
export interface Engine extends AsyncDisposable {
  readonly runtime: RuntimeName;
  readonly provider: Provider;
  /** One sentence: why this runtime, and what was not there. */
  readonly why: string;
  /** Does `compile` make graphs (`onnx-*`), or run eagerly? */
  readonly compiles: boolean;
  /**
   * An async function with the meaning of `fn`, which is traced once per signature (shapes, dtypes, static values of the arguments).
   * Plain tensors that `fn` takes from outside become constants of the graph. A `tf.Variable` from outside, and making or
   * assigning one (`tf.train` optimizers do), is an error when `fn` is traced: weights are arguments, and new ones results.
   */
  readonly compile: <F extends (...args: never[]) => unknown>(fn: F, options?: CompileOptions) => Compiled<F>;
  /**
   * Puts data on the engine; a plain number makes a float32 scalar. Typed arrays are taken over, not copied: several tensors may be made over
   * one, but whoever keeps the array may find results in it once all of them were donated.
   * @throws EngineError `shape`, `dtype` (BigInt64Array is refused, and numbers that the dtype cannot hold)
   */
  readonly tensor: (data: Numbers, shape?: readonly number[], dtype?: DType) => EngineTensor;
  /**
   * A tensor of a weights file as an argument for compiled functions: numbers that never change, F32, F16 or BF16. On `onnx-node` they
   * stay in the file and graphs map it (16-bit numbers are widened to float32 once per graph); elsewhere they are loaded into
   * memory. The file must not change while the engine lives. Numbers that stay in their file are not looked at here, even of a source that
   * was opened with `finite`: it looks when `source.read(name)` is called, and `mapQwenFolder` looks at every tensor, some rows at a time.
   * @throws EngineError `dtype`; CheckpointError `missing-tensor`
   */
  readonly frozen: (source: FrozenSource, name: string) => Promise<EngineTensor>;
  /** Copies a tensor's values out. @throws EngineError `disposed` */
  readonly read: (x: EngineTensor) => Promise<HostTensor>;
  /**
   * A tensor's values, after which it is gone: as `read` and `dispose`, without the copy where the runtime keeps it in JavaScript's memory.
   * @throws EngineError `disposed`
   */
  readonly take: (x: EngineTensor) => Promise<HostTensor>;
  /** The one number of a scalar. @throws EngineError `shape` */
  readonly number: (x: EngineTensor) => Promise<number>;
  /** Frees every engine tensor in a tree. */
  readonly dispose: (tree: unknown) => void;
  /** Handles that were made and neither disposed nor donated. */
  readonly liveTensors: () => number;
}
