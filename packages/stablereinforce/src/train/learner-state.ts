/** Weights and moments on their way between snapshots and the engine. */
import { ConfigError } from "@r1reward/core";
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Params, Policy } from "../policy/index.ts";
import type { State } from "./learner-graphs.ts";
import type { Snapshot } from "./types.ts";

/** What training begins with. */
export interface Start {
  readonly policy: Pick<Policy, "parameters">;
  readonly weights: Params<HostTensor>;
  readonly from?: Snapshot | undefined;
}

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

/** Where training begins: a snapshot, or weights with moments of 0. @throws ConfigError when they do not fit the policy */
export const startOf = ({ policy, weights, from }: Start): State<HostTensor> => {
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

/** Puts weights and moments on the engine. */
export const uploadState = (
  engine: Policy["engine"],
  { params, optimiser }: State<HostTensor>,
): State<EngineTensor> => ({
  params: upload(engine, params),
  optimiser: {
    m: upload(engine, optimiser.m),
    v: upload(engine, optimiser.v),
    step: engine.tensor(optimiser.step.data.slice(), []),
  },
});

/** Copies weights and moments out, as a snapshot has them. */
export const downloadState = async (
  engine: Policy["engine"],
  { params, optimiser }: State<EngineTensor>,
): Promise<Pick<Snapshot, "weights" | "optimiser">> => {
  const [weights, m, v] = await Promise.all([
    download(engine, params),
    download(engine, optimiser.m),
    download(engine, optimiser.v),
  ]);
  const step = await engine.read(optimiser.step);
  return { weights, optimiser: Object.fromEntries([...prefixed("m", m), ...prefixed("v", v), ["step", step]]) };
};
