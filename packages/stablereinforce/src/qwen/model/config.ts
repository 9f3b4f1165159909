/** `config.json` of Qwen2.5-VL: the flat form of 2025 and the nested one of later releases. */
import { ConfigError } from "@r1reward/core";
import type { QwenConfig, QwenTextConfig, QwenVisionConfig } from "./types.ts";

type Json = Readonly<Record<string, unknown>>;

/** Part of the file, and how errors call it. */
interface Part {
  readonly json: Json;
  readonly at: string;
}

const refuse = (field: string, expected: string, got: unknown): ConfigError =>
  new ConfigError(`config.json ${field}: expected ${expected}, got ${JSON.stringify(got) ?? "nothing"}`);

const isObject = (x: unknown): x is Json => typeof x === "object" && x !== null && !Array.isArray(x);

/** The first of `names` that is there. Class defaults of the reference are other models' sizes, so nothing is assumed. */
const found = ({ json, at }: Part, names: readonly string[]): readonly [name: string, value: unknown] => {
  const name = names.find((one) => json[one] !== undefined && json[one] !== null) ?? (names[0] as string);
  return [`${at}${name}`, json[name]];
};

const whole = (part: Part, ...names: string[]): number => {
  const [name, value] = found(part, names);
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw refuse(name, "a positive whole number", value);
};

const token = (part: Part, name: string): number => {
  const value = part.json[name];
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw refuse(`${part.at}${name}`, "a token id", value);
};

const positive = (part: Part, name: string): number => {
  const value = part.json[name];
  if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
  throw refuse(`${part.at}${name}`, "a number above 0", value);
};

const must = (part: Part, name: string, allowed: readonly unknown[]): void => {
  const value = part.json[name];
  if (allowed.includes(value)) return;
  throw refuse(`${part.at}${name}`, allowed.map((one) => JSON.stringify(one) ?? "nothing").join(" or "), value);
};

const wholeList = (part: Part, name: string): readonly number[] => {
  const value = part.json[name];
  const good = Array.isArray(value) && value.every((one) => Number.isSafeInteger(one) && (one as number) >= 0);
  if (good) return value as number[];
  throw refuse(`${part.at}${name}`, "a list of whole numbers", value);
};

/** Rotary parameters: `rope_parameters` of new files, `rope_scaling` and `rope_theta` of old ones. */
const ropeOf = (part: Part): Pick<QwenTextConfig, "ropeTheta" | "mropeSection"> => {
  const [name, value] = found(part, ["rope_parameters", "rope_scaling"]);
  if (!isObject(value)) throw refuse(name, "an object with mrope_section", value);
  const rope: Part = { json: value, at: `${name}.` };
  const [typeName, type] = found(rope, ["rope_type", "type"]);
  if (type !== "mrope" && type !== "default") throw refuse(typeName, '"mrope" or "default"', type);
  const section = wholeList(rope, "mrope_section");
  if (section.length !== 3) throw refuse(`${name}.mrope_section`, "three numbers", section);
  const inside = value["rope_theta"] !== undefined;
  const ropeTheta = positive(inside ? rope : part, "rope_theta");
  return { ropeTheta, mropeSection: section as unknown as QwenTextConfig["mropeSection"] };
};

const textOf = (part: Part, tied: boolean): QwenTextConfig => {
  must(part, "hidden_act", ["silu"]);
  must(part, "use_sliding_window", [false, null, undefined]);
  const heads = whole(part, "num_attention_heads");
  const hiddenSize = whole(part, "hidden_size");
  const own = part.json["head_dim"];
  const text: QwenTextConfig = {
    vocabSize: whole(part, "vocab_size"),
    hiddenSize,
    layers: whole(part, "num_hidden_layers"),
    heads,
    kvHeads: whole(part, "num_key_value_heads"),
    headSize: own === undefined || own === null ? hiddenSize / heads : whole(part, "head_dim"),
    intermediateSize: whole(part, "intermediate_size"),
    normEps: positive(part, "rms_norm_eps"),
    maxPositions: whole(part, "max_position_embeddings"),
    tiedEmbeddings: tied,
    qkvBias: true,
    ...ropeOf(part),
  };
  if (!Number.isInteger(text.headSize) || text.headSize % 2 !== 0) {
    throw refuse(`${part.at}hidden_size`, `an even multiple of num_attention_heads ${heads}`, hiddenSize);
  }
  if (heads % text.kvHeads !== 0) {
    throw refuse(`${part.at}num_key_value_heads`, `a divisor of num_attention_heads ${heads}`, text.kvHeads);
  }
  const turned = text.mropeSection.reduce((sum, n) => sum + n, 0);
  if (turned !== text.headSize / 2) {
    throw refuse(`${part.at}mrope_section`, `a sum of ${text.headSize / 2}, half a head`, text.mropeSection);
  }
  return text;
};

const visionRope = (part: Part): number => {
  const value = part.json["rope_parameters"];
  return isObject(value) ? positive({ json: value, at: `${part.at}rope_parameters.` }, "rope_theta") : 10_000;
};

const checkVision = (part: Part, v: QwenVisionConfig, hiddenSize: number): void => {
  const { at } = part;
  if (v.hiddenSize % v.heads !== 0 || (v.hiddenSize / v.heads) % 4 !== 0) {
    throw refuse(`${at}hidden_size`, `a multiple of 4 · num_heads ${v.heads}`, v.hiddenSize);
  }
  if (v.outSize !== hiddenSize) throw refuse(`${at}out_hidden_size`, `the text's hidden_size ${hiddenSize}`, v.outSize);
  if (v.windowSize < v.patchSize * v.mergeSize) {
    throw refuse(`${at}window_size`, `at least a merged patch, ${v.patchSize * v.mergeSize}`, v.windowSize);
  }
  if (v.fullAttentionBlocks.some((i) => i >= v.depth)) {
    throw refuse(`${at}fullatt_block_indexes`, `numbers below depth ${v.depth}`, v.fullAttentionBlocks);
  }
};

const visionOf = (part: Part, hiddenSize: number): QwenVisionConfig => {
  must(part, "hidden_act", ["silu"]);
  const vision: QwenVisionConfig = {
    depth: whole(part, "depth", "num_hidden_layers"),
    hiddenSize: whole(part, "hidden_size"),
    intermediateSize: whole(part, "intermediate_size"),
    heads: whole(part, "num_heads", "num_attention_heads"),
    channels: whole(part, "in_channels", "in_chans"),
    patchSize: whole(part, "patch_size", "spatial_patch_size"),
    temporalPatchSize: whole(part, "temporal_patch_size"),
    mergeSize: whole(part, "spatial_merge_size"),
    windowSize: whole(part, "window_size"),
    fullAttentionBlocks: wholeList(part, "fullatt_block_indexes"),
    outSize: whole(part, "out_hidden_size"),
    tokensPerSecond: whole(part, "tokens_per_second"),
    ropeTheta: visionRope(part),
  };
  checkVision(part, vision, hiddenSize);
  return vision;
};

/** Options of `parseQwenConfig`. */
export interface ParseQwenOptions {
  /** Whether the head is the embedding, for files that do not say: known from whether the weights hold `lm_head.weight`. */
  readonly tied?: boolean | undefined;
}

const tiedOf = (json: Json, text: Part, options: ParseQwenOptions): boolean => {
  const said = json["tie_word_embeddings"] ?? text.json["tie_word_embeddings"] ?? options.tied;
  if (typeof said === "boolean") return said;
  throw refuse("tie_word_embeddings", "true or false", said);
};

/**
 * Sizes from a parsed `config.json`, flat or nested. Nothing is filled in from defaults.
 *
 * @throws ConfigError naming the field.
 */
export const parseQwenConfig = (json: unknown, options: ParseQwenOptions = {}): QwenConfig => {
  if (!isObject(json)) throw refuse("", "an object", json);
  const top: Part = { json, at: "" };
  must(top, "model_type", ["qwen2_5_vl"]);
  must(top, "quantization_config", [undefined, null]);
  const nested = json["text_config"];
  const text: Part = isObject(nested) ? { json: nested, at: "text_config." } : top;
  const visual = json["vision_config"];
  if (!isObject(visual)) throw refuse("vision_config", "an object", visual);
  const sizes = textOf(text, tiedOf(json, text, options));
  return {
    vision: visionOf({ json: visual, at: "vision_config." }, sizes.hiddenSize),
    text: sizes,
    imageToken: token(top, "image_token_id"),
    videoToken: token(top, "video_token_id"),
    visionStartToken: token(top, "vision_start_token_id"),
    visionEndToken: token(top, "vision_end_token_id"),
    json,
  };
};
