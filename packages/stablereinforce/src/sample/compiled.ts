/** The sampler's graphs as an engine runs them. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { HostTensor } from "../engine/tensor.ts";
import type { Engine, Given } from "../engine/types.ts";
import type { FullConfig } from "../model/config.ts";
import type { TransformerParams } from "../model/params.ts";
import type { Cache } from "./cache.ts";
import type { ChoiceSettings } from "./choose.ts";
import { decodeGraph, prefillGraph, type KeysValues, type StepInputs } from "./graphs.ts";

/** Parameters as the sampler takes them: engine tensors, or host tensors. */
export type SampleParams = Given<TransformerParams<Tensor>>;

/** The two graphs, with arrays in and arrays out. */
export interface Graphs {
  readonly c: FullConfig;
  readonly prefill: (params: SampleParams, tokens: HostTensor) => Promise<Pick<Cache, "keys" | "values">>;
  readonly decode: (
    params: SampleParams,
    step: HostStep,
    cache: Cache,
    settings: ChoiceSettings,
  ) => Promise<StepResult>;
  readonly dispose: () => Promise<void>;
}

/** What a step is given. */
export interface HostStep {
  readonly tokens: HostTensor;
  readonly positions: HostTensor;
  readonly uniforms: HostTensor;
  readonly seen?: HostTensor;
}

/** What a step gives: `[B]`, and new rows `[L, B, K·d]`. */
export interface StepResult {
  readonly token: Int32Array;
  readonly logp: Float32Array;
  readonly behaviourLogp: Float32Array;
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** Compiles both graphs; one per bucket of rows and positions is made when it is first needed. */
export const compileGraphs = (engine: Engine, c: FullConfig): Graphs => {
  const prefill = engine.compile(prefillGraph(c), { name: "prefill", maxGraphs: 256 });
  const decodeStep = (params: TransformerParams<Tensor>, inputs: StepInputs, cache: KeysValues, how: ChoiceSettings) =>
    decodeGraph(c, how)(params, inputs, cache);
  const decode = engine.compile(decodeStep, { name: "decode", maxGraphs: 1024 });
  return {
    c,
    prefill: async (params, tokens) => {
      const made = await prefill(params, tokens);
      const keys = await Promise.all(made.keys.map((x) => engine.read(x)));
      const values = await Promise.all(made.values.map((x) => engine.read(x)));
      engine.dispose(made);
      return { keys, values };
    },
    decode: async (params, inputs, { keys, values }, settings) => {
      const made = await decode(
        params,
        inputs as Given<StepInputs>,
        { keys: [...keys], values: [...values] },
        settings,
      );
      const read = async (name: keyof typeof made) => (await engine.read(made[name])).data;
      const result = {
        token: (await read("token")) as Int32Array,
        logp: (await read("logp")) as Float32Array,
        behaviourLogp: (await read("behaviourLogp")) as Float32Array,
        keys: (await read("newKeys")) as Float32Array,
        values: (await read("newValues")) as Float32Array,
      };
      engine.dispose(made);
      return result;
    },
    dispose: async () => {
      await Promise.all([prefill.dispose(), decode.dispose()]);
    },
  };
};
