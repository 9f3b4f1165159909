/** Weights and moments on the engine, and the graphs that touch them: log-probabilities, and updates whole or in parts. */
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Params, Policy, TokenRow } from "../policy/index.ts";
import {
  applyGraph,
  gradientGraph,
  updateGraph,
  type Columns,
  type GraphOptions,
  type LaidOut,
  type State,
} from "./learner-graphs.ts";
import { forwardPasses, MAX_GRAPHS, repliesOf, type Scored } from "./learner-forward.ts";
import { downloadState, startOf, uploadState } from "./learner-state.ts";
import { joinStats } from "./measure.ts";
import type { Snapshot } from "./types.ts";

/** How updates are made. */
export interface LearnerOptions extends GraphOptions {
  readonly policy: Pick<Policy, "engine" | "collate" | "logp" | "name" | "parameters">;
  readonly weights: Params<HostTensor>;
  /** Rows of every graph. */
  readonly rows: number;
  /** Are minibatches larger than that? Then gradients are summed over parts of them. */
  readonly inParts: boolean;
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
  /** `[T]` of each row: log-probabilities of its tokens before the update, nats. */
  readonly logp: readonly Float32Array[];
}

/** Weights in training. */
export interface Learner extends AsyncDisposable {
  readonly params: () => Params<EngineTensor>;
  /** Log-probabilities of the replies' tokens under the present weights, or others. → one `[T]` per row, nats. */
  readonly logp: (rows: readonly TokenRow[], weights?: Params<EngineTensor>) => Promise<readonly Float32Array[]>;
  /** The same under the present weights, with the entropies of the distributions. → one `[T]` of each per row, nats. @throws ConfigError when the policy gives none */
  readonly logpAndEntropy: (rows: readonly TokenRow[]) => Promise<Scored>;
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

const scalar = (x: number): HostTensor => ({ data: Float32Array.of(x), shape: [], dtype: "float32" });

interface Held {
  state: State<EngineTensor>;
  /** Sums of gradients; what is in them counts only between the parts of one minibatch. */
  sums: Params<EngineTensor> | undefined;
}

/** Sequences and tokens of a minibatch, as `BatchTotal` counts them. */
const totalOf = ({ rows, columns }: Minibatch) => {
  const masks = columns.mask ?? rows.map(({ tokens }) => new Float32Array(tokens.length).fill(1));
  const counts = masks.map((mask) => Array.prototype.reduce.call(mask, (n, x) => (n as number) + ((x as number) > 0.5 ? 1 : 0), 0) as number); // prettier-ignore
  return {
    sequences: scalar(counts.filter((count) => count > 0).length),
    tokens: scalar(counts.reduce((sum, count) => sum + count, 0)),
  };
};

const layOut = ({ policy, rows: size }: LearnerOptions, { rows, columns }: Minibatch) => {
  const { inputs, length, starts } = policy.collate(rows, size);
  const laid = Object.entries(columns).map(([name, values]) => [name, placed(values, starts, [size, length])] as const);
  return { batch: { inputs, columns: Object.fromEntries(laid) as Columns<HostTensor> }, at: { length, starts } };
};

interface Told {
  readonly loss: EngineTensor;
  readonly stats: Readonly<Record<string, EngineTensor>>;
  readonly logp: EngineTensor;
}

/** Reads what a graph tells of a forward pass, and frees it. */
const tellerOf =
  ({ engine }: LearnerOptions["policy"]) =>
  async (told: Told, rows: readonly TokenRow[], at: { length: number; starts: readonly number[] }) => {
    const stats: Record<string, number> = {};
    for (const [name, x] of Object.entries(told.stats)) stats[name] = await engine.number(x);
    const { data } = await engine.read(told.logp);
    const loss = await engine.number(told.loss);
    engine.dispose(told);
    return { loss, stats, logp: repliesOf(data as Float32Array, rows, at) };
  };

/** Updates with graphs that hold the whole minibatch. */
const wholeUpdates = (options: LearnerOptions, held: Held) => {
  const { engine } = options.policy;
  const graph = engine.compile(updateGraph(options), { name: "update", donate: [0], maxGraphs: MAX_GRAPHS });
  const tell = tellerOf(options.policy);
  const update: Learner["update"] = async (minibatch, learningRate) => {
    const { batch, at } = layOut(options, minibatch);
    const { state, norm, ...told } = await graph(held.state as never, batch as never, scalar(learningRate));
    held.state = state as unknown as State<EngineTensor>;
    const gradNorm = await engine.number(norm);
    engine.dispose(norm);
    return { gradNorm, ...(await tell(told as unknown as Told, minibatch.rows, at)) };
  };
  return { update, dispose: graph.dispose };
};

const zerosOn = (engine: Policy["engine"], like: Params<EngineTensor>): Params<EngineTensor> =>
  Object.fromEntries(
    Object.entries(like).map(([name, { shape }]) => [
      name,
      engine.tensor(new Float32Array(shape.reduce((product, n) => product * n, 1)), shape),
    ]),
  );

/** The rows from `from` on of a minibatch, `size` at most. */
const partOf = ({ rows, columns }: Minibatch, from: number, size: number): Minibatch => ({
  rows: rows.slice(from, from + size),
  columns: Object.fromEntries(
    Object.entries(columns).map(([name, values]) => [name, values.slice(from, from + size)] as const),
  ),
});

/** Updates whose gradients are summed over parts of the minibatch. */
const updatesInParts = (options: LearnerOptions, held: Held) => {
  const { engine } = options.policy;
  const gradient = engine.compile(gradientGraph(options), { name: "gradient", donate: [1], maxGraphs: MAX_GRAPHS });
  const apply = engine.compile(applyGraph(options), { name: "apply", donate: [0] });
  const tell = tellerOf(options.policy);
  const add = async (part: Minibatch, total: LaidOut<HostTensor>["total"], more: boolean) => {
    const { batch, at } = layOut(options, part);
    held.sums ??= zerosOn(engine, held.state.params);
    const { sums, ...told } = await gradient(
      held.state.params as never,
      held.sums as never,
      { ...batch, total } as never,
      scalar(more ? 1 : 0),
    );
    held.sums = sums as unknown as Params<EngineTensor>;
    return tell(told as unknown as Told, part.rows, at);
  };
  const update: Learner["update"] = async (minibatch, learningRate) => {
    const total = totalOf(minibatch);
    const parts: Awaited<ReturnType<typeof add>>[] = [];
    for (let from = 0; from < minibatch.rows.length; from += options.rows) {
      parts.push(await add(partOf(minibatch, from, options.rows), total, from > 0));
    }
    const loss = parts.reduce((sum, part) => sum + part.loss, 0);
    const rate = scalar(learningRate);
    const { state, norm } = await apply(held.state as never, held.sums as never, scalar(loss), rate);
    held.state = state as unknown as State<EngineTensor>;
    const gradNorm = await engine.number(norm);
    engine.dispose(norm);
    return {
      loss,
      gradNorm,
      stats: joinStats(parts.map(({ stats }) => stats)),
      logp: parts.flatMap(({ logp }) => logp),
    };
  };
  return { update, dispose: async () => void (await Promise.all([gradient.dispose(), apply.dispose()])) };
};

/** Starts from a snapshot or from fresh moments. @throws ConfigError when the weights do not fit the policy */
export const createLearner = (options: LearnerOptions): Learner => {
  const { engine } = options.policy;
  const held: Held = { state: uploadState(engine, startOf(options)), sums: undefined };
  const forward = forwardPasses(options, () => held.state.params);
  const updates = options.inParts ? updatesInParts(options, held) : wholeUpdates(options, held);
  return {
    params: () => held.state.params,
    logp: forward.logp,
    logpAndEntropy: forward.logpAndEntropy,
    update: updates.update,
    snapshot: () => downloadState(engine, held.state),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([updates.dispose(), forward.dispose()]);
      engine.dispose([held.state, held.sums ?? {}]);
    },
  };
};
