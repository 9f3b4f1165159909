/** Names, shapes and fresh values of all parameters, in the order in which checkpoints list them. */
import type { HostTensor } from "../../engine/tensor.ts";
import { normals } from "../../model/params.ts";
import type { QwenConfig, QwenParams, QwenTextConfig, QwenVisionConfig } from "./types.ts";

type Shape = readonly number[];
type Entry = readonly [name: string, shape: Shape];

const linear = (name: string, out: number, input: number): Entry => [`${name}.weight`, [out, input]];

const biased = (name: string, out: number, input: number): Entry[] => [
  linear(name, out, input),
  [`${name}.bias`, [out]],
];

const visionBlock = (v: QwenVisionConfig, at: string): Entry[] => [
  [`${at}.norm1.weight`, [v.hiddenSize]],
  [`${at}.norm2.weight`, [v.hiddenSize]],
  ...biased(`${at}.attn.qkv`, 3 * v.hiddenSize, v.hiddenSize),
  ...biased(`${at}.attn.proj`, v.hiddenSize, v.hiddenSize),
  ...biased(`${at}.mlp.gate_proj`, v.intermediateSize, v.hiddenSize),
  ...biased(`${at}.mlp.up_proj`, v.intermediateSize, v.hiddenSize),
  ...biased(`${at}.mlp.down_proj`, v.hiddenSize, v.intermediateSize),
];

const visionShapes = (v: QwenVisionConfig): Entry[] => {
  const merged = v.hiddenSize * v.mergeSize ** 2;
  return [
    ["visual.patch_embed.proj.weight", [v.hiddenSize, v.channels, v.temporalPatchSize, v.patchSize, v.patchSize]],
    ...Array.from({ length: v.depth }, (_, i) => visionBlock(v, `visual.blocks.${i}`)).flat(),
    ["visual.merger.ln_q.weight", [v.hiddenSize]],
    ...biased("visual.merger.mlp.0", merged, merged),
    ...biased("visual.merger.mlp.2", v.outSize, merged),
  ];
};

const textBlock = (t: QwenTextConfig, at: string): Entry[] => [
  ...biased(`${at}.self_attn.q_proj`, t.heads * t.headSize, t.hiddenSize),
  ...biased(`${at}.self_attn.k_proj`, t.kvHeads * t.headSize, t.hiddenSize),
  ...biased(`${at}.self_attn.v_proj`, t.kvHeads * t.headSize, t.hiddenSize),
  linear(`${at}.self_attn.o_proj`, t.hiddenSize, t.heads * t.headSize),
  linear(`${at}.mlp.gate_proj`, t.intermediateSize, t.hiddenSize),
  linear(`${at}.mlp.up_proj`, t.intermediateSize, t.hiddenSize),
  linear(`${at}.mlp.down_proj`, t.hiddenSize, t.intermediateSize),
  [`${at}.input_layernorm.weight`, [t.hiddenSize]],
  [`${at}.post_attention_layernorm.weight`, [t.hiddenSize]],
];

/** The shape of every parameter by its name on disk: 390 + 339 of them in the 7B model. */
export const qwenParameterShapes = ({ vision, text }: QwenConfig): ReadonlyMap<string, Shape> => {
  const table: Shape = [text.vocabSize, text.hiddenSize];
  const head: Entry[] = text.tiedEmbeddings ? [] : [["lm_head.weight", table]];
  return new Map<string, Shape>([
    ...visionShapes(vision),
    ["model.embed_tokens.weight", table],
    ...Array.from({ length: text.layers }, (_, i) => textBlock(text, `model.layers.${i}`)).flat(),
    ["model.norm.weight", [text.hiddenSize]],
    ...head,
  ]);
};

const NORM = /(norm[12]?|layernorm|ln_q)\.weight$/;
const INTO_RESIDUAL = /\.(o_proj|down_proj|attn\.proj)\.weight$/;

/**
 * Fresh parameters: norms 1, biases 0, matrices normal with deviation 0.02, those that write into a residual stream divided
 * by √(2 · blocks of its tower). The same seed gives the same numbers.
 */
export const initQwen = (config: QwenConfig, seed: number): QwenParams<HostTensor> => {
  const next = normals(seed);
  const params: Record<string, HostTensor> = {};
  for (const [name, shape] of qwenParameterShapes(config)) {
    const data = new Float32Array(shape.reduce((size, dim) => size * dim, 1));
    const blocks = name.startsWith("visual.") ? config.vision.depth : config.text.layers;
    const deviation = INTO_RESIDUAL.test(name) ? 0.02 / Math.sqrt(2 * blocks) : 0.02;
    if (NORM.test(name)) data.fill(1);
    else if (!name.endsWith(".bias")) for (let i = 0; i < data.length; i++) data[i] = deviation * next();
    params[name] = { data, shape, dtype: "float32" };
  }
  return params;
};
