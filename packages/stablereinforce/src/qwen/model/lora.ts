/** Low-rank adapters (arXiv 2106.09685): y = W·x + (alpha / rank)·B·A·x. */
import type { LoraConfig } from "./types.ts";

/** alpha / rank. */
export const loraScale = ({ rank, alpha }: LoraConfig): number => alpha / rank;
