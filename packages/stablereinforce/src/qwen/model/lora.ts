/** Low-rank adapters (arXiv 2106.09685): y = W·x + (alpha / rank)·B·A·x. */
import { ConfigError } from "@r1reward/core";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { HostTensor } from "../../engine/tensor.ts";
import { qwenParameterShapes } from "./shapes.ts";
import type { LoraConfig, QwenConfig, QwenParams } from "./types.ts";

/** alpha / rank. */
export const loraScale = ({ rank, alpha }: LoraConfig): number => alpha / rank;

/** All linear layers of the text tower's blocks. */
const TEXT_LAYERS = /^model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj$/;

/** A linear layer that gets an adapter. */
interface Target {
  /** `model.layers.0.self_attn.q_proj`. */
  readonly module: string;
  readonly out: number;
  readonly in: number;
}

/** Linear layers whose name matches. The embedding, the head and the patch embedding are none. */
const targetsOf = (config: QwenConfig, lora: LoraConfig): Target[] => {
  const pattern = new RegExp(lora.target ?? TEXT_LAYERS, ""); // without its flags `g` and `y`, which remember places
  return [...qwenParameterShapes(config)].flatMap(([name, shape]) => {
    const module = name.replace(/\.weight$/, "");
    const linear = name.endsWith(".weight") && shape.length === 2 && !/embed_tokens|lm_head/.test(name);
    return linear && pattern.test(module) ? [{ module, out: shape[0] as number, in: shape[1] as number }] : [];
  });
};

const checkLora = ({ rank, alpha }: LoraConfig): void => {
  if (!Number.isSafeInteger(rank) || rank < 1) {
    throw new ConfigError(`lora rank: expected a positive whole number, got ${rank}`);
  }
  if (!(Number.isFinite(alpha) && alpha > 0)) throw new ConfigError(`lora alpha: expected above 0, got ${alpha}`);
};

/**
 * The shape of every adapter parameter: A `[rank, in]` and B `[out, rank]` for each module that matches.
 * @throws ConfigError when rank or alpha cannot be, or no module matches
 */
export const loraShapes = (config: QwenConfig, lora: LoraConfig): ReadonlyMap<string, readonly number[]> => {
  checkLora(lora);
  const targets = targetsOf(config, lora);
  if (targets.length === 0) throw new ConfigError(`lora target: ${String(lora.target)} matches no linear layer`);
  return new Map(
    targets.flatMap(({ module, out, in: input }) => [
      [`${module}.lora_A.weight`, [lora.rank, input]],
      [`${module}.lora_B.weight`, [out, lora.rank]],
    ]),
  );
};

/**
 * Fresh adapters, which change nothing yet: A uniform within ±1/√in, B zero, as peft begins. The same seed gives the same numbers.
 * @throws ConfigError see `loraShapes`
 */
export const initLora = (config: QwenConfig, lora: LoraConfig, seed: number): QwenParams<HostTensor> => {
  const rng = xoroshiro128plus(seed);
  const adapters: Record<string, HostTensor> = {};
  for (const [name, shape] of loraShapes(config, lora)) {
    const data = new Float32Array((shape[0] as number) * (shape[1] as number));
    const bound = 1 / Math.sqrt(shape[1] as number);
    if (name.endsWith(".lora_A.weight")) {
      for (let i = 0; i < data.length; i++) data[i] = bound * (2 * uniformFloat64(rng) - 1);
    }
    adapters[name] = { data, shape, dtype: "float32" };
  }
  return adapters;
};

/** `W + scale·B·A`, summed in float64 row by row. */
const merged = (weight: HostTensor, [a, b]: readonly [HostTensor, HostTensor], scale: number): HostTensor => {
  const [out = 0, input = 0] = weight.shape;
  const [rank = 0] = a.shape;
  const data = new Float32Array(out * input);
  const row = new Float64Array(input);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < input; i++) row[i] = weight.data[o * input + i] as number;
    for (let r = 0; r < rank; r++) {
      const factor = scale * (b.data[o * rank + r] as number);
      for (let i = 0; i < input; i++) row[i] = (row[i] as number) + factor * (a.data[r * input + i] as number);
    }
    data.set(row, o * input);
  }
  return { data, shape: weight.shape, dtype: "float32" };
};

/**
 * A weight with its adapters added in, if it has any; for models whose weights come one at a time.
 *
 * @param adapters May be among other parameters; `*.lora_A.weight` and `*.lora_B.weight` are taken.
 * @throws ConfigError when an adapter's other half is missing
 */
export const loraMerger = (adapters: QwenParams<HostTensor>, lora: LoraConfig) => {
  checkLora(lora);
  return (name: string, weight: HostTensor): HostTensor => {
    const module = name.replace(/\.weight$/, "");
    const [a, b] = [adapters[`${module}.lora_A.weight`], adapters[`${module}.lora_B.weight`]];
    if (a === undefined && b === undefined) return weight;
    if (a !== undefined && b !== undefined) return merged(weight, [a, b], loraScale(lora));
    throw new ConfigError(`lora ${module}: expected lora_${a === undefined ? "A" : "B"}, which is missing`);
  };
};

/**
 * Weights with their adapters added in: the same model without adapters. Parameters without adapter are shared, not copied.
 *
 * @param adapters May be among other parameters; `*.lora_A.weight` and `*.lora_B.weight` are taken.
 * @throws ConfigError when an adapter's module or other half is missing
 */
export const mergeLora = (
  params: QwenParams<HostTensor>,
  adapters: QwenParams<HostTensor>,
  lora: LoraConfig,
): QwenParams<HostTensor> => {
  const merge = loraMerger(adapters, lora);
  const base = Object.entries(params).filter(([name]) => !isLora(name));
  for (const name of Object.keys(adapters).filter(isLora)) {
    const module = name.replace(/\.lora_[AB]\.weight$/, "");
    if (params[`${module}.weight`] === undefined)
      throw new ConfigError(`lora ${module}: expected its weight, which is missing`);
  }
  return Object.fromEntries(base.map(([name, weight]) => [name, merge(name, weight)]));
};

/** Is this the name of an adapter's parameter? */
export const isLora = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/**
 * Parameters that are trained, and those that are not: by a pattern on names, or by a function. `/^(?!visual\.)/` freezes the vision
 * tower, `isLora` trains adapters alone.
 */
export const splitParams = <T>(
  params: QwenParams<T>,
  trained: RegExp | ((name: string) => boolean),
): { readonly trained: QwenParams<T>; readonly frozen: QwenParams<T> } => {
  const matches = typeof trained === "function" ? trained : (name: string) => new RegExp(trained, "").test(name);
  const entries = Object.entries(params);
  return {
    trained: Object.fromEntries(entries.filter(([name]) => matches(name))),
    frozen: Object.fromEntries(entries.filter(([name]) => !matches(name))),
  };
};
