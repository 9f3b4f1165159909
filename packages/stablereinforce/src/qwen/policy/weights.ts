/** The weights a policy begins with, and where those stay that are not trained. */
import { isEngineTensor, type EngineTensor, type HostTensor } from "../../engine/tensor.ts";
import { ConfigError } from "@r1reward/core";
import { CheckpointError } from "../../errors.ts";
import type { Params } from "../../policy/types.ts";
import { initLora, initQwen, loraShapes, qwenParameterShapes, splitParams, type QwenParams } from "../model/index.ts";
import { fullTraining } from "./trainable.ts";
import type { PlacedWeights, Qwen25VLOptions, Qwen25VLPolicy } from "./types.ts";

/** @throws CheckpointError when a parameter is missing, unknown or of another shape */
const checkWeights = (weights: PlacedWeights, wanted: ReadonlyMap<string, readonly number[]>): void => {
  const fail = (problem: "missing-tensor" | "shape-mismatch" | "bad-name", tensor: string, message: string) =>
    new CheckpointError({ file: "weights", problem, tensor }, message);
  for (const [name, shape] of wanted) {
    const got = weights[name]?.shape;
    if (got === undefined) throw fail("missing-tensor", name, "expected this tensor, which the configuration asks for");
    if (got.join() === shape.join()) continue;
    throw fail("shape-mismatch", name, `expected [${shape.join(", ")}], got [${got.join(", ")}]`);
  }
  const extra = Object.keys(weights).find((name) => !wanted.has(name));
  if (extra !== undefined) throw fail("bad-name", extra, "expected no such tensor in this model");
};

/**
 * All weights, those given or fresh ones and adapters: what is trained, and what is not.
 * @throws CheckpointError when one is missing, unknown or of another shape; ConfigError when one is trained that is not in memory
 */
export const weightsOf = ({ config, weights, trainable = fullTraining, initSeed = 0 }: Qwen25VLOptions) => {
  const { lora, trains } = trainable;
  const base = weights ?? initQwen(config, initSeed);
  const all = lora === undefined ? base : { ...initLora(config, lora, initSeed), ...base };
  const adapters = lora === undefined ? [] : loraShapes(config, lora);
  checkWeights(all, new Map([...qwenParameterShapes(config), ...adapters]));
  const { trained, frozen } = splitParams<HostTensor | EngineTensor>(all, trains);
  return { trained: inMemory(trained), frozen };
};

/** Weights that are trained come from memory. @throws ConfigError naming one that does not */
const inMemory = (trained: PlacedWeights): QwenParams<HostTensor> => {
  const elsewhere = Object.entries(trained).find(([, weight]) => isEngineTensor(weight));
  if (elsewhere === undefined) return trained as QwenParams<HostTensor>;
  throw new ConfigError(
    `qwen25vl weights: expected ${elsewhere[0]} as an array, which is trained; got an engine's tensor`,
  );
};

/** Weights that are not trained, put on the engine when they are first needed, and only once. What was there before stays the caller's. */
export const onEngine = ({ engine }: Pick<Qwen25VLOptions, "engine">, frozen: PlacedWeights) => {
  const held: { placed: Params<EngineTensor> | undefined; own: EngineTensor[] } = { placed: undefined, own: [] };
  const put = (weight: HostTensor | EngineTensor): EngineTensor => {
    if (isEngineTensor(weight)) return weight;
    const placed = engine.tensor(weight.data, weight.shape, weight.dtype);
    held.own.push(placed);
    return placed;
  };
  const upload = (): Params<EngineTensor> =>
    Object.fromEntries(Object.entries(frozen).map(([name, weight]) => [name, put(weight)]));
  return {
    get: () => (held.placed ??= upload()),
    dispose: () => {
      engine.dispose(held.own.splice(0));
      held.placed = undefined;
    },
  };
};

/** One weight of a model in training, by its name on disk. */
export const weightReader =
  ({ engine }: Qwen25VLOptions, frozen: PlacedWeights): Qwen25VLPolicy["weight"] =>
  async (params, name) => {
    const weight = params[name] ?? frozen[name];
    if (weight === undefined) {
      throw new CheckpointError(
        { file: "weights", problem: "missing-tensor", tensor: name },
        "expected a weight of this model",
      );
    }
    return isEngineTensor(weight) ? engine.read(weight) : weight;
  };

/** All weights of a model in training, read one after the other. */
export const allReader =
  (weight: Qwen25VLPolicy["weight"], frozen: readonly string[]): Qwen25VLPolicy["allWeights"] =>
  async (params) => {
    const all: Record<string, HostTensor> = {};
    for (const name of [...frozen, ...Object.keys(params)]) all[name] = await weight(params, name);
    return all;
  };
