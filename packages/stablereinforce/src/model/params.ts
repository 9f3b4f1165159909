/** Parameters of the transformer: a plain tree, so that they pass through `compile`, `grads` and optimisers as they are. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { HostTensor } from "../engine/tensor.ts";
import { fullConfig, type FullConfig, type TransformerConfig } from "./config.ts";

/** One layer. Matrices are `[in, out]`; D hidden, H query heads, K key/value heads, d head size, F inner width. */
export interface LayerParams<T> {
  /** Scale of the norm before attention, `[D]`. */
  readonly attentionNorm: T;
  /** Queries, keys and values in one product, `[D, (H + 2K)·d]`. */
  readonly qkv: T;
  /** `[(H + 2K)·d]`, when the configuration has biases. */
  readonly qkvBias?: T;
  /** `[H·d, D]`. */
  readonly attentionOut: T;
  /** Scale of the norm before SwiGLU, `[D]`. */
  readonly mlpNorm: T;
  /** Gate and up in one product, `[D, 2F]`. */
  readonly gateUp: T;
  /** `[F, D]`. */
  readonly down: T;
}

/** All parameters. V is the vocabulary. */
export interface TransformerParams<T> {
  /** `[V, D]`. */
  readonly embedding: T;
  readonly layers: readonly LayerParams<T>[];
  /** Scale of the last norm, `[D]`. */
  readonly norm: T;
  /** `[V, D]`; absent when the embedding is the head too. */
  readonly head?: T;
}

type Shape = readonly number[];

const layerShapes = (c: FullConfig): LayerParams<Shape> => {
  const qkv = (c.heads + 2 * c.kvHeads) * c.headSize;
  return {
    attentionNorm: [c.hiddenSize],
    qkv: [c.hiddenSize, qkv],
    ...(c.qkvBias ? { qkvBias: [qkv] } : {}),
    attentionOut: [c.heads * c.headSize, c.hiddenSize],
    mlpNorm: [c.hiddenSize],
    gateUp: [c.hiddenSize, 2 * c.intermediateSize],
    down: [c.intermediateSize, c.hiddenSize],
  };
};

/** The shape of every parameter. Throws `ConfigError`. */
export const parameterShapes = (config: TransformerConfig): TransformerParams<Shape> => {
  const c = fullConfig(config);
  return {
    embedding: [c.vocabSize, c.hiddenSize],
    layers: Array.from({ length: c.layers }, () => layerShapes(c)),
    norm: [c.hiddenSize],
    ...(c.tiedEmbeddings ? {} : { head: [c.vocabSize, c.hiddenSize] }),
  };
};

const mapLayer = <A, B>(layer: LayerParams<A>, f: (leaf: A, name: string) => B, at: string): LayerParams<B> => {
  const entries = Object.entries(layer) as [string, A][];
  return Object.fromEntries(
    entries.map(([name, leaf]) => [name, f(leaf, `${at}.${name}`)]),
  ) as unknown as LayerParams<B>;
};

/** Applies `f` to every parameter. Names are paths: `embedding`, `layers.0.qkv`, `norm`. */
export const mapParams = <A, B>(
  params: TransformerParams<A>,
  f: (leaf: A, name: string) => B,
): TransformerParams<B> => ({
  embedding: f(params.embedding, "embedding"),
  layers: params.layers.map((layer, i) => mapLayer(layer, f, `layers.${i}`)),
  norm: f(params.norm, "norm"),
  ...(params.head === undefined ? {} : { head: f(params.head, "head") }),
});

/** The parameters by name, in a fixed order. */
export const namedParams = <T>(params: TransformerParams<T>): ReadonlyMap<string, T> => {
  const named = new Map<string, T>();
  mapParams(params, (leaf, name) => named.set(name, leaf));
  return named;
};

/** Numbers of the standard normal distribution (Box and Muller), from one seed. */
export const normals = (seed: number): (() => number) => {
  const rng = xoroshiro128plus(seed);
  let spare: number | null = null;
  return () => {
    if (spare !== null) {
      const kept = spare;
      spare = null;
      return kept;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniformFloat64(rng)));
    const angle = 2 * Math.PI * uniformFloat64(rng);
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
};

/**
 * Fresh parameters: norms 1, biases 0, matrices normal with deviation 0.02, those that write into the residual stream
 * divided by √(2·layers) so that its variance does not grow with depth (GPT-2's rule). The same seed gives the same numbers.
 *
 * @throws ConfigError on sizes that do not fit together.
 */
export const initParams = (config: TransformerConfig, seed: number): TransformerParams<HostTensor> => {
  const next = normals(seed);
  const intoResidual = 0.02 / Math.sqrt(2 * config.layers);
  return mapParams(parameterShapes(config), (shape, name) => {
    const data = new Float32Array(shape.reduce((size, dim) => size * dim, 1));
    if (/[nN]orm$/.test(name)) data.fill(1);
    else if (!name.endsWith("Bias")) {
      const deviation = /\.(attentionOut|down)$/.test(name) ? intoResidual : 0.02;
      for (let i = 0; i < data.length; i++) data[i] = deviation * next();
    }
    return { data, shape, dtype: "float32" };
  });
};
