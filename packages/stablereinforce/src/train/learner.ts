/** Weights and moments on the engine, and the two graphs that touch them: log-probabilities, and a whole update. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import { registerGradients } from "../engine/index.ts";
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import { adamw, clipByGlobalNorm, mapTrees, type AdamWOptions, type AdamWState } from "../optim/index.ts";
import type { Params, Policy, PolicyOutput, TokenRow } from "../policy/index.ts";
import type { Snapshot } from "./types.ts";

/** What a minibatch is judged by, beside the policy's own inputs: all `[B, L]`. */
export type Columns<T> = Readonly<Record<string, T>>;

/** A scalar to be minimised and what there is to tell about it. */
export interface Judged {
  readonly loss: tf.Scalar;
  readonly stats: Readonly<Record<string, tf.Scalar>>;
}

/** The loss of a forward pass. */
export type Objective = (output: PolicyOutput, columns: Columns<tf.Tensor2D>) => Judged;

/** How updates are made. */
export interface LearnerOptions {
  readonly policy: Pick<Policy, "engine" | "collate" | "logp" | "name" | "parameters">;
  readonly weights: Params<HostTensor>;
  readonly objective: Objective;
  readonly adam: AdamWOptions;
  readonly maxGradNorm: number;
  /** Rows of every graph. */
  readonly rows: number;
  readonly nonFinite: "skip" | "apply";
  readonly from?: Snapshot | undefined;
}

/** Rows with one array of numbers per column name, each as long as the row's reply. */
export interface Minibatch {
  readonly rows: readonly TokenRow[];
  readonly columns: Readonly<Record<string, readonly ArrayLike<number>[]>>;
}

/** What one update was like. */
export interface Update {
  readonly loss: number;
  readonly gradNorm: number;
  readonly stats: Readonly<Record<string, number>>;
}

interface State<T> {
  readonly params: Params<T>;
  readonly optimiser: AdamWState<Params<T>, T>;
}

/** Weights in training. */
export interface Learner extends AsyncDisposable {
  readonly params: () => Params<EngineTensor>;
  /** Log-probabilities of the replies' tokens under the present weights, or others. → one `[T]` per row, nats. */
  readonly logp: (rows: readonly TokenRow[], weights?: Params<EngineTensor>) => Promise<readonly Float32Array[]>;
  readonly update: (batch: Minibatch, learningRate: number) => Promise<Update>;
  readonly snapshot: () => Promise<Pick<Snapshot, "weights" | "optimiser">>;
}

const placed = (
  values: readonly ArrayLike<number>[],
  starts: readonly number[],
  shape: readonly [number, number],
): HostTensor => {
  const data = new Float32Array(shape[0] * shape[1]);
  values.forEach((row, n) => data.set(row, n * shape[1] + (starts[n] as number)));
  return { data, shape, dtype: "float32" };
};

const isFiniteScalar = (x: tf.Tensor): tf.Tensor => tf.isFinite(x);

/** loss → gradients → clip → AdamW, as one function of tensors. */
const updateGraph = ({ policy, objective, adam, maxGradNorm, nonFinite }: LearnerOptions) => {
  const optimiser = adamw(adam);
  return (
    state: State<tf.Tensor>,
    batch: { inputs: Params<tf.Tensor>; columns: Columns<tf.Tensor> },
    learningRate: tf.Tensor,
  ) => {
    registerGradients();
    const names = Object.keys(state.params);
    const box: { stats: Judged["stats"] } = { stats: {} };
    const run = tf.valueAndGrads((...leaves: tf.Tensor[]) => {
      const params = Object.fromEntries(names.map((name, i) => [name, leaves[i] as tf.Tensor]));
      const judged = objective(policy.logp(params, batch.inputs), batch.columns as Columns<tf.Tensor2D>);
      for (const value of Object.values(judged.stats)) tf.keep(value);
      box.stats = judged.stats;
      return judged.loss;
    });
    const { value, grads } = run(names.map((name) => state.params[name] as tf.Tensor));
    const named = Object.fromEntries(names.map((name, i) => [name, grads[i] as tf.Tensor]));
    const { grads: clipped, norm } = clipByGlobalNorm(named, maxGradNorm);
    const moved = optimiser.update({ params: state.params, grads: clipped, state: state.optimiser, learningRate });
    const next: State<tf.Tensor> = { params: moved.params, optimiser: moved.state };
    if (nonFinite === "apply") return { state: next, loss: value, norm, stats: box.stats };
    const good = tf.logicalAnd(isFiniteScalar(value), isFiniteScalar(norm));
    const kept = mapTrees([next, state], ([fresh, old]) => tf.where(good, fresh as tf.Tensor, old as tf.Tensor));
    return { state: kept, loss: value, norm, stats: box.stats };
  };
};

const zerosLike = (weights: Params<HostTensor>): Params<HostTensor> =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { data, shape }]) => [
      name,
      { data: new Float32Array(data.length), shape, dtype: "float32" },
    ]),
  );

/** The tensors of a snapshot's optimiser whose names begin with `prefix.`. */
const momentsOf = (all: Params<HostTensor>, prefix: string): Params<HostTensor> =>
  Object.fromEntries(
    Object.entries(all)
      .filter(([name]) => name.startsWith(`${prefix}.`))
      .map(([name, tensor]) => [name.slice(prefix.length + 1), tensor]),
  );

/** @throws ConfigError when names or shapes are not the policy's */
const checkLike = (what: string, got: Params<HostTensor>, wanted: Params<HostTensor>): void => {
  const describe = (params: Params<HostTensor>): string[] =>
    Object.entries(params)
      .map(([name, { shape, dtype }]) => `${name} ${dtype}[${shape.join(", ")}]`)
      .sort();
  const [a, b] = [describe(got), describe(wanted)];
  const differing = b.find((line) => !a.includes(line)) ?? a.find((line) => !b.includes(line));
  if (differing !== undefined) throw new ConfigError(`${what}: does not fit the policy, see ${differing}`);
};

const startOf = ({ policy, weights, from }: LearnerOptions): State<HostTensor> => {
  const wanted = policy.parameters();
  const params = from?.weights ?? weights;
  checkLike("weights", params, wanted);
  const step: HostTensor = from?.optimiser.step ?? { data: Float32Array.of(0), shape: [], dtype: "float32" };
  const [m, v] = ["m", "v"].map((part) => (from === undefined ? zerosLike(params) : momentsOf(from.optimiser, part)));
  checkLike("optimiser moments m", m as Params<HostTensor>, wanted);
  checkLike("optimiser moments v", v as Params<HostTensor>, wanted);
  return { params, optimiser: { m: m as Params<HostTensor>, v: v as Params<HostTensor>, step } };
};

const prefixed = (prefix: string, params: Params<HostTensor>): [string, HostTensor][] =>
  Object.entries(params).map(([name, tensor]) => [`${prefix}.${name}`, tensor]);

/** Puts weights on the engine; the arrays are copied, since donated buffers are written over. */
export const upload = (engine: Policy["engine"], params: Params<HostTensor>): Params<EngineTensor> =>
  Object.fromEntries(
    Object.entries(params).map(([name, { data, shape, dtype }]) => [name, engine.tensor(data.slice(), shape, dtype)]),
  );

const download = async (engine: Policy["engine"], params: Params<EngineTensor>): Promise<Params<HostTensor>> =>
  Object.fromEntries(
    await Promise.all(Object.entries(params).map(async ([name, tensor]) => [name, await engine.read(tensor)] as const)),
  );

const uploadState = (engine: Policy["engine"], { params, optimiser }: State<HostTensor>): State<EngineTensor> => ({
  params: upload(engine, params),
  optimiser: {
    m: upload(engine, optimiser.m),
    v: upload(engine, optimiser.v),
    step: engine.tensor(optimiser.step.data.slice(), []),
  },
});

const downloadState: (engine: Policy["engine"], state: State<EngineTensor>) => ReturnType<Learner["snapshot"]> = async (
  engine,
  { params, optimiser },
) => {
  const [weights, m, v] = await Promise.all([
    download(engine, params),
    download(engine, optimiser.m),
    download(engine, optimiser.v),
  ]);
  const step = await engine.read(optimiser.step);
  return { weights, optimiser: Object.fromEntries([...prefixed("m", m), ...prefixed("v", v), ["step", step]]) };
};

const logpOf = (options: LearnerOptions, held: { state: State<EngineTensor> }) => {
  const { policy, rows: size } = options;
  const graph = policy.engine.compile(
    (params: Params<tf.Tensor>, inputs: Params<tf.Tensor>) => policy.logp(params, inputs).logp as tf.Tensor,
    { name: "logp" },
  );
  const some = async (rows: readonly TokenRow[], weights: Params<EngineTensor>): Promise<Float32Array[]> => {
    const { inputs, length, starts } = policy.collate(rows, size);
    const made = await graph(weights, inputs);
    const { data } = await policy.engine.read(made);
    policy.engine.dispose(made);
    return rows.map(({ tokens }, n) => {
      const start = n * length + (starts[n] as number);
      return (data as Float32Array).slice(start, start + tokens.length);
    });
  };
  const logp: Learner["logp"] = async (rows, weights) => {
    const out: Float32Array[] = [];
    for (let at = 0; at < rows.length; at += size) {
      out.push(...(await some(rows.slice(at, at + size), weights ?? held.state.params)));
    }
    return out;
  };
  return { logp, dispose: graph.dispose };
};

/** Starts from a snapshot or from fresh moments. @throws ConfigError when the weights do not fit the policy */
export const createLearner = (options: LearnerOptions): Learner => {
  const { policy, rows: size } = options;
  const { engine } = policy;
  const held = { state: uploadState(engine, startOf(options)) };
  const graph = engine.compile(updateGraph(options), { name: "update", donate: [0] });
  const forward = logpOf(options, held);
  return {
    params: () => held.state.params,
    logp: forward.logp,
    update: async ({ rows, columns }, learningRate) => {
      const { inputs, length, starts } = policy.collate(rows, size);
      const laid = Object.entries(columns).map(
        ([name, values]) => [name, placed(values, starts, [size, length])] as const,
      );
      const rate: HostTensor = { data: Float32Array.of(learningRate), shape: [], dtype: "float32" };
      const { state, ...told } = await graph(held.state as never, { inputs, columns: Object.fromEntries(laid) }, rate);
      held.state = state as unknown as State<EngineTensor>;
      const stats = Object.entries(told.stats).map(async ([name, x]) => [name, await engine.number(x as EngineTensor)]);
      const update: Update = {
        loss: await engine.number(told.loss),
        gradNorm: await engine.number(told.norm),
        stats: Object.fromEntries((await Promise.all(stats)) as [string, number][]),
      };
      engine.dispose(told);
      return update;
    },
    snapshot: () => downloadState(engine, held.state),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([graph.dispose(), forward.dispose()]);
      engine.dispose(held.state);
    },
  };
};
