/** The sampler's graphs as an engine runs them. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { HostTensor } from "../engine/tensor.ts";
import type { Engine, Given } from "../engine/types.ts";
import type { TransformerParams } from "../model/params.ts";
import type { Cache } from "./cache.ts";
import { chooseToken, type Choice, type ChoiceSettings } from "./choose.ts";
import type { Decoder, DecodeOutputs, DecodeStep, KeysValues, PromptInputs } from "./decoder.ts";

/** Parameters of the small transformer as the sampler takes them: engine tensors, or host tensors. */
export type SampleParams = Given<TransformerParams<Tensor>>;

/** The two graphs, with arrays in and arrays out. P are the parameters as they are given. */
export interface Graphs<P> {
  readonly prefill: (params: P, inputs: PromptInputs) => Promise<Pick<Cache, "keys" | "values">>;
  readonly decode: (params: P, step: HostStep, cache: Cache, settings: ChoiceSettings) => Promise<StepResult>;
  readonly dispose: () => Promise<void>;
}

/** What a step is given. */
export interface HostStep {
  readonly tokens: HostTensor;
  readonly filled: HostTensor;
  readonly positions: HostTensor;
  /** `[B]`, see `chooseToken`. */
  readonly uniforms: HostTensor;
  /** `[B, V]`, only with a repetition penalty. */
  readonly seen?: HostTensor;
}

interface StepInputs extends DecodeStep {
  readonly uniforms: Tensor;
  readonly seen?: Tensor;
}

/** What a step gives: `[B]`, and new rows `[L, B, K·d]`. */
export interface StepResult {
  readonly token: Int32Array;
  readonly logp: Float32Array;
  readonly behaviourLogp: Float32Array;
  /** `[B, k]`, with alternatives. */
  readonly topTokens?: Int32Array;
  readonly topLogp?: Float32Array;
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

type StepOutputs = Choice & Pick<DecodeOutputs, "newKeys" | "newValues">;

const graphsOf = <P>(engine: Engine, decoder: Decoder<P>) => {
  const prefill = (params: P, inputs: Readonly<Record<string, Tensor>>): KeysValues => {
    const { keys, values } = decoder.prefill(params, inputs); // and nothing else that it may give
    return { keys, values };
  };
  const decode = (params: P, inputs: StepInputs, cache: KeysValues, how: ChoiceSettings): StepOutputs => {
    const { tokens, filled, positions, uniforms, seen } = inputs;
    const { logits, newKeys, newValues } = decoder.decode(params, { tokens, filled, positions }, cache);
    return { ...chooseToken(logits, uniforms, seen, how), newKeys, newValues };
  };
  return {
    prefill: engine.compile(prefill, { name: "prefill", maxGraphs: 256 }),
    decode: engine.compile(decode, { name: "decode", maxGraphs: 1024 }),
  };
};

/** Compiles both graphs; one per bucket of rows and positions is made when it is first needed. */
export const compileGraphs = <P>(engine: Engine, decoder: Decoder<P>): Graphs<Given<P>> => {
  const { prefill, decode } = graphsOf(engine, decoder);
  return {
    prefill: async (params, inputs) => {
      const made = await prefill(params, inputs);
      const keys = await Promise.all(made.keys.map(engine.take));
      const values = await Promise.all(made.values.map(engine.take));
      return { keys, values };
    },
    decode: async (params, inputs, { keys, values }, settings) => {
      const made = await decode(
        params,
        inputs as Given<StepInputs>,
        { keys: [...keys], values: [...values] },
        settings as Given<ChoiceSettings>,
      );
      const told = Object.entries(made).map(async ([name, x]) => [name, (await engine.take(x)).data] as const);
      const { newKeys, newValues, ...rest } = Object.fromEntries(await Promise.all(told));
      return { ...rest, keys: newKeys, values: newValues } as unknown as StepResult;
    },
    dispose: async () => {
      await Promise.all([prefill.dispose(), decode.dispose()]);
    },
  };
};
