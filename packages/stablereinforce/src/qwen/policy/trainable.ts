/** Which parameters are trained. The others stay on the engine once, shared by every pass, and by the reference too. */
import { isLora, type LoraConfig } from "../model/index.ts";

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

/** Low-rank adapters alone (arXiv 2106.09685). Their fresh weights are the reference, which costs nothing then. */
export const loraTraining = (lora: LoraConfig): Trainable => ({
  name: `lora-${lora.rank}`,
  trains: isLora,
  lora,
});
