/** What a runtime must be able to do; the rest (caching, queueing, donating) is the same for all. */
import type { Program } from "./runtime/session.ts";
import type { Frozen } from "./frozen.ts";
import type { LeafSpec } from "./trace/trace.ts";
import type { Call } from "./signature.ts";
import type { HostData, HostTensor } from "./tensor.ts";
import type { Leaf, Template } from "./tree.ts";

/** One signature of one function, ready to run. */
export interface Executable {
  readonly nodes: number;
  readonly bytes: number;
  /** Structure of the result. */
  readonly result: Template;
  /** What can be saved; none on eager runtimes. */
  readonly program: Program | undefined;
  /** Runs on the inputs, without those that stay in files; `recycled` may be used for outputs and is then taken out of the list. */
  readonly run: (inputs: readonly unknown[], recycled: unknown[]) => Promise<readonly Made[]>;
  readonly dispose: () => Promise<void>;
}

/** An output: what the runtime keeps, with shape and dtype. */
export interface Made {
  readonly value: unknown;
  readonly spec: LeafSpec;
}

/** A runtime. */
export interface Driver {
  readonly compiles: boolean;
  /** Takes a host tensor over. */
  readonly put: (host: HostTensor) => unknown;
  /** Brings a foreign leaf (TensorFlow.js or host tensor) in for one call; `release` frees what was made for it. */
  readonly borrow: (leaf: Leaf) => { value: unknown; release: () => void };
  /** What stands for a tensor that stays in its file; absent where weights must be loaded into memory. */
  readonly freeze?: ((frozen: Frozen) => Frozen) | undefined;
  /** Copies values out. */
  readonly get: (value: unknown) => Promise<HostData>;
  /** Gives values out and frees them; a copy is made only where they are not in JavaScript's memory. */
  readonly take: (value: unknown) => Promise<HostData>;
  readonly free: (value: unknown) => void;
  /** Takes donated values, and gives back what may hold the next results. */
  readonly retire: (values: unknown[]) => unknown[];
  readonly prepare: (fn: (...args: never[]) => unknown, call: Call, name: string) => Promise<Executable>;
  /** An executable from a saved program. */
  readonly open: (program: Program, result: Template) => Promise<Executable>;
}
