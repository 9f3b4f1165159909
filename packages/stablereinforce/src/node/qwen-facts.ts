/** What a model in a folder will take, from its `config.json` alone. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ModelFacts } from "../pipeline/needs.ts";
import { loraShapes, qwenParameterShapes, type LoraConfig, type QwenConfig } from "../qwen/model/index.ts";

const sizeOf = (shapes: ReadonlyMap<string, readonly number[]>): number =>
  [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((size, dim) => size * dim, 1), 0);

/** Sizes that memory and arithmetic depend on. @throws ConfigError when adapters match no layer */
export const qwenFacts = (config: QwenConfig, lora?: LoraConfig): ModelFacts => {
  const parameters = sizeOf(qwenParameterShapes(config));
  const adapters = lora === undefined ? 0 : sizeOf(loraShapes(config, lora));
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headSize, vocabSize } = config.text;
  const sizes = { layers, hiddenSize, intermediateSize, heads, kvHeads, headSize, vocabSize };
  return { ...sizes, parameters: parameters + adapters, trained: lora === undefined ? parameters : adapters };
};

/** Are there weights in a folder, or an index of their shards? */
export const hasWeights = async (path: string): Promise<boolean> => {
  const found = await Promise.all(
    ["model.safetensors", "model.safetensors.index.json"].map((name) =>
      stat(join(path, name)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
};
