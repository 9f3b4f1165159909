/** Sizes of a decoder-only transformer of the Llama and Qwen2 family. */
import { ConfigError } from "@r1reward/core";

/** A model's sizes. Field by field what a Hugging Face `config.json` of the family says. */
export interface TransformerConfig {
  readonly vocabSize: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key/value heads; divides `heads`. Equal to it: multi-head attention; fewer: grouped-query attention. */
  readonly kvHeads: number;
  /** Default `hiddenSize / heads`. Even, because RoPE turns halves. */
  readonly headSize?: number | undefined;
  /** Inner width of SwiGLU. */
  readonly intermediateSize: number;
  /** Base of the rotary frequencies. Default 10,000. */
  readonly ropeTheta?: number | undefined;
  /** Default 1e-6. */
  readonly normEps?: number | undefined;
  /** Is the output head the embedding's transpose? */
  readonly tiedEmbeddings: boolean;
  /** Do the query, key and value projections have biases (Qwen2)? Default false (Llama). */
  readonly qkvBias?: boolean | undefined;
}

/** A configuration with every default filled in. */
export type FullConfig = { readonly [K in keyof TransformerConfig]-?: Exclude<TransformerConfig[K], undefined> };

const WHOLE = ["vocabSize", "hiddenSize", "layers", "heads", "kvHeads", "headSize", "intermediateSize"] as const;

/**
 * Fills in defaults and checks the sizes against each other.
 *
 * @throws ConfigError naming the field.
 */
export const fullConfig = (config: TransformerConfig): FullConfig => {
  const full: FullConfig = {
    ...config,
    headSize: config.headSize ?? config.hiddenSize / config.heads,
    ropeTheta: config.ropeTheta ?? 10_000,
    normEps: config.normEps ?? 1e-6,
    qkvBias: config.qkvBias ?? false,
  };
  for (const field of WHOLE) {
    if (Number.isSafeInteger(full[field]) && full[field] > 0) continue;
    throw new ConfigError(`transformer ${field}: expected a positive whole number, got ${full[field]}`);
  }
  if (full.heads % full.kvHeads !== 0) {
    throw new ConfigError(`transformer kvHeads: expected a divisor of heads ${full.heads}, got ${full.kvHeads}`);
  }
  if (full.headSize % 2 !== 0)
    throw new ConfigError(`transformer headSize: expected an even number, got ${full.headSize}`);
  if (!(full.ropeTheta > 0 && full.normEps > 0))
    throw new ConfigError("transformer ropeTheta, normEps: expected above 0");
  return full;
};
