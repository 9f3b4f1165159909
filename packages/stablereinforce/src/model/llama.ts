/** Between this package's parameters and the tensors of a Hugging Face checkpoint of the Llama or Qwen2 family. */
import type { HostTensor } from "../engine/tensor.ts";
import { CheckpointError } from "../errors.ts";
import { assertFinite, fromFloat32, toFloat32, type FloatDtype } from "../safetensors/values.ts";
import type { SafetensorsTensor } from "../safetensors/types.ts";
import { fullConfig, type FullConfig, type TransformerConfig } from "./config.ts";
import type { LayerParams, TransformerParams } from "./params.ts";

/** Gives a checkpoint's tensor by its name: `Safetensors.get`, or `TensorSource.read` of an open file. */
export type ReadTensor = (name: string) => SafetensorsTensor | Promise<SafetensorsTensor>;

const f32 = (data: Float32Array, shape: readonly number[]): HostTensor => ({ data, shape, dtype: "float32" });

/** `[rows, columns]` → `[columns, rows]`. PyTorch stores a linear layer as `[out, in]`. */
const transposed = (data: Float32Array, rows: number, columns: number): Float32Array => {
  const result = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) result[c * rows + r] = data[r * columns + c] as number;
  }
  return result;
};

/** How weights are read. */
export interface FromLlamaOptions {
  /** What errors call the checkpoint: its path, say. `checkpoint` by default. */
  readonly file?: string | undefined;
}

/** Refuses tensors of NaN or Inf: one of them makes every loss NaN, and later nothing says where it came from. */
const finiteFrom =
  (read: ReadTensor, file: string): ReadTensor =>
  async (name) => {
    const tensor = await read(name);
    assertFinite(file, name, tensor);
    return tensor;
  };

/** A tensor as float32, its shape checked before it is converted. */
const readAs = async (read: ReadTensor, name: string, shape: readonly number[]): Promise<Float32Array> => {
  const tensor = await read(name);
  if (tensor.shape.length === shape.length && shape.every((dim, i) => dim === tensor.shape[i]))
    return toFloat32(tensor);
  throw new CheckpointError(
    { file: "checkpoint", problem: "shape-mismatch", tensor: name },
    `expected [${shape.join(", ")}], got [${tensor.shape.join(", ")}]`,
  );
};

/** Linear layers with the same input, side by side as one `[in, sum of outs]`. */
const sideBySide = async (read: ReadTensor, names: readonly string[], [input, outs]: [number, readonly number[]]) => {
  const total = outs.reduce((sum, out) => sum + out, 0);
  const stacked = new Float32Array(total * input);
  let at = 0;
  for (const [i, name] of names.entries()) {
    const out = outs[i] as number;
    stacked.set(await readAs(read, name, [out, input]), at * input);
    at += out;
  }
  return f32(transposed(stacked, total, input), [input, total]);
};

const joinedBias = async (read: ReadTensor, names: readonly string[], outs: readonly number[]): Promise<HostTensor> => {
  const total = outs.reduce((sum, out) => sum + out, 0);
  const joined = new Float32Array(total);
  let at = 0;
  for (const [i, name] of names.entries()) {
    joined.set(await readAs(read, name, [outs[i] as number]), at);
    at += outs[i] as number;
  }
  return f32(joined, [total]);
};

const QKV = ["q", "k", "v"] as const;

const readLayer = async (read: ReadTensor, c: FullConfig, index: number): Promise<LayerParams<HostTensor>> => {
  const at = `model.layers.${index}`;
  const [q, kv] = [c.heads * c.headSize, c.kvHeads * c.headSize];
  const projections = QKV.map((name) => `${at}.self_attn.${name}_proj`);
  const weights = projections.map((name) => `${name}.weight`);
  const biases = projections.map((name) => `${name}.bias`);
  const gates = [`${at}.mlp.gate_proj.weight`, `${at}.mlp.up_proj.weight`];
  const norm = async (name: string) => f32(await readAs(read, `${at}.${name}.weight`, [c.hiddenSize]), [c.hiddenSize]);
  return {
    attentionNorm: await norm("input_layernorm"),
    qkv: await sideBySide(read, weights, [c.hiddenSize, [q, kv, kv]]),
    ...(c.qkvBias ? { qkvBias: await joinedBias(read, biases, [q, kv, kv]) } : {}),
    attentionOut: await sideBySide(read, [`${at}.self_attn.o_proj.weight`], [q, [c.hiddenSize]]),
    mlpNorm: await norm("post_attention_layernorm"),
    gateUp: await sideBySide(read, gates, [c.hiddenSize, [c.intermediateSize, c.intermediateSize]]),
    down: await sideBySide(read, [`${at}.mlp.down_proj.weight`], [c.intermediateSize, [c.hiddenSize]]),
  };
};

/**
 * Parameters from a checkpoint with Hugging Face's names, converted to float32.
 *
 * @throws CheckpointError `missing-tensor`, `shape-mismatch`, `not-finite`; ConfigError.
 */
export const fromLlama = async (
  config: TransformerConfig,
  source: ReadTensor,
  options: FromLlamaOptions = {},
): Promise<TransformerParams<HostTensor>> => {
  const c = fullConfig(config);
  const read = finiteFrom(source, options.file ?? "checkpoint");
  const layers: LayerParams<HostTensor>[] = [];
  for (let i = 0; i < c.layers; i++) layers.push(await readLayer(read, c, i));
  const table = [c.vocabSize, c.hiddenSize] as const;
  const embedding = f32(await readAs(read, "model.embed_tokens.weight", table), table);
  const norm = f32(await readAs(read, "model.norm.weight", [c.hiddenSize]), [c.hiddenSize]);
  if (c.tiedEmbeddings) return { embedding, layers, norm };
  return { embedding, layers, norm, head: f32(await readAs(read, "lm_head.weight", table), table) };
};

/** Columns `[from, to)` of a `[in, total]` matrix, turned to PyTorch's `[out, in]`. */
const columns = (x: HostTensor, from: number, to: number): { data: Float32Array; shape: readonly number[] } => {
  const [rows = 0, total = 0] = x.shape;
  const data = transposed(x.data as Float32Array, rows, total).subarray(from * rows, to * rows);
  return { data: data.slice(), shape: [to - from, rows] };
};

type Named = [string, { data: Float32Array; shape: readonly number[] }];

const asIs = (x: HostTensor) => ({ data: x.data as Float32Array, shape: x.shape });

const layerTensors = (layer: LayerParams<HostTensor>, c: FullConfig, at: string): Named[] => {
  const [q, kv, f] = [c.heads * c.headSize, c.kvHeads * c.headSize, c.intermediateSize];
  const spans = [
    [0, q],
    [q, q + kv],
    [q + kv, q + 2 * kv],
  ] as const;
  const bias = layer.qkvBias?.data as Float32Array | undefined;
  const biases = spans.map(([from, to], i): Named[] =>
    bias === undefined
      ? []
      : [[`${at}.self_attn.${QKV[i]}_proj.bias`, { data: bias.slice(from, to), shape: [to - from] }]],
  );
  return [
    [`${at}.input_layernorm.weight`, asIs(layer.attentionNorm)],
    ...spans.map(([from, to], i): Named => [`${at}.self_attn.${QKV[i]}_proj.weight`, columns(layer.qkv, from, to)]),
    ...biases.flat(),
    [`${at}.self_attn.o_proj.weight`, columns(layer.attentionOut, 0, c.hiddenSize)],
    [`${at}.post_attention_layernorm.weight`, asIs(layer.mlpNorm)],
    [`${at}.mlp.gate_proj.weight`, columns(layer.gateUp, 0, f)],
    [`${at}.mlp.up_proj.weight`, columns(layer.gateUp, f, 2 * f)],
    [`${at}.mlp.down_proj.weight`, columns(layer.down, 0, c.hiddenSize)],
  ];
};

/**
 * The parameters under Hugging Face's names and layouts, ready for `saveSafetensors`.
 *
 * @param dtype What the numbers are stored as. Default F32.
 */
export const toLlama = (
  config: TransformerConfig,
  params: TransformerParams<HostTensor>,
  dtype: FloatDtype = "F32",
): [string, SafetensorsTensor][] => {
  const c = fullConfig(config);
  const named: Named[] = [
    ["model.embed_tokens.weight", asIs(params.embedding)],
    ...params.layers.flatMap((layer, i) => layerTensors(layer, c, `model.layers.${i}`)),
    ["model.norm.weight", asIs(params.norm)],
  ];
  if (params.head !== undefined) named.push(["lm_head.weight", asIs(params.head)]);
  return named.map(([name, { data, shape }]) => [name, fromFloat32(dtype, shape, data)]);
};
