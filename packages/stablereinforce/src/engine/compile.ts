/** `compile`: one graph per signature, calls in order, donated buffers handed on. The same on every runtime. */
import type { Driver, Executable } from "./driver.ts";
import { EngineError } from "./errors.ts";
import { externalOf } from "./frozen.ts";
import { decodeProgram, encodeProgram } from "./saved.ts";
import { callOf, type Call } from "./signature.ts";
import { cellOf, contents, engineTensor, isEngineTensor, take, type EngineTensor } from "./tensor.ts";
import { leavesIn, rebuild } from "./tree.ts";
import type { Compiled, CompileOptions, GraphInfo } from "./types.ts";

/** The engine that handles belong to, and its count of them. */
export interface Owner {
  readonly driver: Driver;
  live: number;
  closed: boolean;
  /** Ends of functions that have graphs, or are about to; others are nobody's to keep. */
  readonly open: Set<() => Promise<void>>;
}

type Fn = (...args: never[]) => unknown;

interface Entry {
  readonly executable: Executable;
  readonly info: GraphInfo;
}

interface State {
  readonly owner: Owner;
  readonly fn: Fn;
  readonly name: string;
  readonly donate: ReadonlySet<number>;
  readonly maxGraphs: number;
  readonly graphs: Map<string, Promise<Entry>>;
  readonly dispose: () => Promise<void>;
  recycled: unknown[];
  queue: Promise<unknown>;
}

/** A new handle, counted. */
export const makeHandle = (
  owner: Owner,
  value: unknown,
  spec: { shape: readonly number[]; dtype: EngineTensor["dtype"] },
): EngineTensor => {
  owner.live += 1;
  return engineTensor(owner, value, spec);
};

/** Empties a handle, counted. */
export const dropHandle = (owner: Owner, handle: EngineTensor, why: string): unknown => {
  const value = take(owner, handle, why);
  owner.live -= 1;
  return value;
};

const tooMany = (state: State): EngineError =>
  new EngineError(
    `${state.name} has ${state.maxGraphs} graphs already, one per signature: pass changing numbers as tensors ` +
      "(engine.tensor(x)), pad shapes to a few buckets, or raise maxGraphs",
    { reason: "too-many-graphs" },
  );

const prepare = async (state: State, call: Call): Promise<Entry> => {
  const started = performance.now();
  const executable = await state.owner.driver.prepare(state.fn, call, state.name);
  const info = { nodes: executable.nodes, bytes: executable.bytes, milliseconds: performance.now() - started };
  return { executable, info };
};

const keep = (state: State, key: string, entry: Promise<Entry>): void => {
  state.owner.open.add(state.dispose);
  state.graphs.set(key, entry);
};

const entryOf = (state: State, call: Call): Promise<Entry> => {
  if (state.owner.closed) throw new EngineError(`${state.name}: the engine was disposed`, { reason: "disposed" });
  const known = state.graphs.get(call.key);
  if (known !== undefined) return known;
  if (state.graphs.size >= state.maxGraphs) throw tooMany(state);
  const made = prepare(state, call);
  keep(state, call.key, made);
  made.catch(() => state.graphs.delete(call.key)); // a failure is not remembered
  return made;
};

/** Positions `arguments.<i>…` of donated leaves. */
const donatedLeaves = (state: State, call: Call): EngineTensor[] => {
  const { template, leaves } = call.flat;
  const given = "list" in template ? template.list.filter((_, position) => state.donate.has(position)) : [];
  const donated = given.flatMap(leavesIn).flatMap((i) => {
    const leaf = leaves[i];
    return isEngineTensor(leaf) ? [leaf] : [];
  });
  if (donated.some((leaf) => externalOf(cellOf(leaf).value) !== undefined)) {
    const problem = `${state.name}: frozen weights cannot be donated, they lie in a file`;
    throw new EngineError(problem, { reason: "disposed" });
  }
  const cells = new Set(donated.map(cellOf));
  if (cells.size === donated.length) return donated;
  throw new EngineError(`${state.name}: one tensor is donated twice in a call`, { reason: "disposed" });
};

const runOne = async (state: State, call: Call): Promise<unknown> => {
  const { driver } = state.owner;
  const donated = donatedLeaves(state, call);
  const { executable } = await entryOf(state, call);
  const borrowed: (() => void)[] = [];
  const fed = call.flat.leaves.filter((_, i) => call.specs[i]?.external === undefined);
  const inputs = fed.map((leaf) => {
    if (isEngineTensor(leaf)) return contents(state.owner, leaf);
    const { value, release } = driver.borrow(leaf);
    borrowed.push(release);
    return value;
  });
  try {
    const outs = await executable.run(inputs, state.recycled);
    state.recycled = driver.retire(donated.map((leaf) => dropHandle(state.owner, leaf, `donated to ${state.name}`)));
    return rebuild(
      executable.result,
      outs.map((out) => makeHandle(state.owner, out.value, out.spec)),
    );
  } finally {
    for (const release of borrowed) release();
  }
};

/** Calls run one after another: the next one may need the buffers of this one. */
const enqueue = <T>(state: State, work: () => Promise<T>): Promise<T> => {
  const result = state.queue.then(work);
  state.queue = result.catch(() => undefined);
  return result;
};

const save = async (state: State, call: Call): Promise<Uint8Array> => {
  const { executable } = await entryOf(state, call);
  if (executable.program === undefined) {
    throw new EngineError(`${state.name}: eager runtimes have no graph to save`, { reason: "bad-graph" });
  }
  if (executable.program.folder !== undefined) {
    const problem = `${state.name}: a graph with frozen weights is not saved, it refers to files of this machine`;
    throw new EngineError(problem, { reason: "bad-graph" });
  }
  return encodeProgram(executable.program, { key: call.key, result: executable.result });
};

const load = async (state: State, file: Uint8Array): Promise<void> => {
  const started = performance.now();
  const { program, key, result } = decodeProgram(file);
  const executable = await state.owner.driver.open(program, result);
  const info = { nodes: 0, bytes: file.byteLength, milliseconds: performance.now() - started };
  keep(state, key, Promise.resolve({ executable, info }));
};

const disposeGraphs = async (state: State): Promise<void> => {
  state.owner.open.delete(state.dispose);
  const entries = await Promise.allSettled(state.graphs.values());
  state.graphs.clear();
  state.recycled = [];
  await Promise.all(entries.map((one) => (one.status === "fulfilled" ? one.value.executable.dispose() : undefined)));
};

/** Compiles `fn` for an engine. */
export const compileFor = <F extends Fn>(owner: Owner, fn: F, options: CompileOptions = {}): Compiled<F> => {
  const state: State = {
    owner,
    fn,
    name: options.name ?? (fn.name === "" ? "function" : fn.name),
    donate: new Set(options.donate ?? []),
    maxGraphs: options.maxGraphs ?? 64,
    graphs: new Map(),
    dispose: () => enqueue(state, () => disposeGraphs(state)),
    recycled: [],
    queue: Promise.resolve(),
  };
  const call = async (...args: unknown[]): Promise<unknown> => {
    const taken = callOf(args);
    owner.open.add(state.dispose); // an engine that ends now waits for this call
    return enqueue(state, () => runOne(state, taken));
  };
  return Object.assign(call, {
    compiledName: state.name,
    warm: async (...args: unknown[]) => (await entryOf(state, callOf(args))).info,
    save: async (...args: unknown[]) => save(state, callOf(args)),
    load: (file: Uint8Array) => load(state, file),
    dispose: state.dispose,
  }) as unknown as Compiled<F>;
};
