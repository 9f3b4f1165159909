/** The weights a policy begins with, and where those stay that are not trained. */
import type { EngineTensor, HostTensor } from "../../engine/tensor.ts";
import { CheckpointError } from "../../errors.ts";
import type { Params } from "../../policy/types.ts";
import { initLora, initQwen, loraShapes, qwenParameterShapes, type QwenParams } from "../model/index.ts";
import type { Qwen25VLOptions } from "./types.ts";

/** @throws CheckpointError when a parameter is missing, unknown or of another shape */
const checkWeights = (weights: QwenParams<HostTensor>, wanted: ReadonlyMap<string, readonly number[]>): void => {
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
 * All weights: those given or fresh ones, and adapters, where they are trained.
 * @throws CheckpointError when one is missing, unknown or of another shape
 */
export const weightsOf = ({ config, weights, trainable, initSeed = 0 }: Qwen25VLOptions): QwenParams<HostTensor> => {
  const lora = trainable?.lora;
  const base = weights ?? initQwen(config, initSeed);
  const all = lora === undefined ? base : { ...initLora(config, lora, initSeed), ...base };
  const adapters = lora === undefined ? [] : loraShapes(config, lora);
  checkWeights(all, new Map([...qwenParameterShapes(config), ...adapters]));
  return all;
};

/** Weights that are not trained, put on the engine when they are first needed, and only once. */
export const onEngine = ({ engine }: Qwen25VLOptions, frozen: QwenParams<HostTensor>) => {
  const held: { placed: Params<EngineTensor> | undefined } = { placed: undefined };
  const upload = (): Params<EngineTensor> =>
    Object.fromEntries(
      Object.entries(frozen).map(([name, { data, shape, dtype }]) => [name, engine.tensor(data, shape, dtype)]),
    );
  return {
    get: () => (held.placed ??= upload()),
    dispose: () => {
      engine.dispose(held.placed ?? {});
      held.placed = undefined;
    },
  };
};
