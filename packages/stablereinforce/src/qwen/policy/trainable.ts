/** Which parameters are trained. The others stay on the engine once, shared by every pass, and by the reference too. */
import type { QwenParams, LoraConfig } from "../model/types.ts";

/** What is trained. Make one, or take `fullTraining`, `frozenVision` or `loraTraining(…)`. */
export interface Trainable {
  /** Stands in reports and checkpoints. */
  readonly name: string;
  /** Is the parameter of this name trained? */
  readonly trains: (name: string) => boolean;
  /** Adapters, when there are some: they are added to the weights, and trained. */
  readonly lora?: LoraConfig | undefined;
}

/** Every parameter. */
export const fullTraining: Trainable = { name: "full", trains: () => true };

/** The text tower; the vision tower stays as it is. */
export const frozenVision: Trainable = { name: "frozen-vision", trains: (name) => !name.startsWith("visual.") };

/** Is this a parameter of an adapter? */
export const isAdapter = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** Low-rank adapters alone (arXiv 2106.09685). Their fresh weights are the reference, which costs nothing then. */
export const loraTraining = (lora: LoraConfig): Trainable => ({
  name: `lora-${lora.rank}`,
  trains: isAdapter,
  lora,
});

/** Parameters in two parts. */
export const split = <T>(
  params: QwenParams<T>,
  { trains }: Trainable,
): { trained: QwenParams<T>; frozen: QwenParams<T> } => {
  const entries = Object.entries(params);
  return {
    trained: Object.fromEntries(entries.filter(([name]) => trains(name))),
    frozen: Object.fromEntries(entries.filter(([name]) => !trains(name))),
  };
};
