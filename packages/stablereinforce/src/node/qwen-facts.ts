/** What a model in a folder will take, from its `config.json` alone. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ModelFacts } from "../pipeline/needs.ts";
import { loraShapes, qwenParameterShapes, type LoraConfig, type QwenConfig } from "../qwen/model/index.ts";
import { frozenVision } from "../qwen/policy/index.ts";

const sizeOf = (shapes: ReadonlyMap<string, readonly number[]>): number =>
  [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((size, dim) => size * dim, 1), 0);

/** What of a model is trained, and where the rest is. */
export interface TrainedPart {
  readonly lora?: LoraConfig | undefined;
  readonly freezeVision?: boolean | undefined;
  /** Weights that are not trained stay in their files. */
  readonly mapWeights?: boolean | undefined;
}

const trainedOf = (shapes: ReadonlyMap<string, readonly number[]>, { freezeVision }: TrainedPart): number =>
  sizeOf(new Map([...shapes].filter(([name]) => freezeVision !== true || frozenVision.trains(name))));

/** Bytes of a number as `config.json` says that it is stored. */
const widthOf = ({ json }: QwenConfig): number =>
  /16$/.test(String(json["dtype"] ?? json["torch_dtype"] ?? "float32")) ? 2 : 4;

/** Sizes that memory and arithmetic depend on. @throws ConfigError when adapters match no layer */
export const qwenFacts = (config: QwenConfig, part: TrainedPart = {}): ModelFacts => {
  const shapes = qwenParameterShapes(config);
  const base = sizeOf(shapes);
  const adapters = part.lora === undefined ? 0 : sizeOf(loraShapes(config, part.lora));
  const trained = part.lora === undefined ? trainedOf(shapes, part) : adapters;
  const parameters = base + adapters;
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headSize, vocabSize } = config.text;
  const sizes = { layers, hiddenSize, intermediateSize, heads, kvHeads, headSize, vocabSize };
  const mapped = part.mapWeights === true ? widthOf(config) * (parameters - trained) : undefined;
  return { ...sizes, parameters, trained, mapped };
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
