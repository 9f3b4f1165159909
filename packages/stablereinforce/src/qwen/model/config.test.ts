import { describe, expect, it } from "vitest";
import { fingerprint } from "../../../test/qwen-golden.ts";
import { initQwen, parseQwenConfig, qwenParameterShapes, qwenSize, qwenTrainingEstimate } from "./index.ts";

/** `config.json` of Qwen2.5-VL-3B-Instruct and -7B-Instruct as published, but for fields that sizes do not depend on. */
const published = (size: "3B" | "7B") => ({
  architectures: ["Qwen2_5_VLForConditionalGeneration"],
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  image_token_id: 151655,
  video_token_id: 151656,
  hidden_act: "silu",
  hidden_size: size === "3B" ? 2048 : 3584,
  intermediate_size: size === "3B" ? 11008 : 18944,
  max_position_embeddings: 128000,
  max_window_layers: size === "3B" ? 70 : 28,
  model_type: "qwen2_5_vl",
  num_attention_heads: size === "3B" ? 16 : 28,
  num_hidden_layers: size === "3B" ? 36 : 28,
  num_key_value_heads: size === "3B" ? 2 : 4,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000.0,
  sliding_window: 32768,
  tie_word_embeddings: size === "3B",
  torch_dtype: "bfloat16",
  use_sliding_window: false,
  vision_config: {
    depth: 32,
    hidden_act: "silu",
    hidden_size: 1280,
    intermediate_size: 3420,
    num_heads: 16,
    in_chans: 3,
    out_hidden_size: size === "3B" ? 2048 : 3584,
    patch_size: 14,
    spatial_merge_size: 2,
    spatial_patch_size: 14,
    window_size: 112,
    fullatt_block_indexes: [7, 15, 23, 31],
    tokens_per_second: 2,
    temporal_patch_size: 2,
  },
  rope_scaling: { type: "mrope", mrope_section: [16, 24, 24] },
  vocab_size: size === "3B" ? 151936 : 152064,
});

describe("config.json", () => {
  it("of the published models gives their sizes", () => {
    const [small, large] = [parseQwenConfig(published("3B")), parseQwenConfig(published("7B"))];
    // Counted from the checkpoints: 3,754,622,976 and 8,292,166,656 parameters; 729 tensors in the 7B one, 390 of the vision tower.
    expect(qwenSize(small)).toMatchObject({ total: 3_754_622_976 });
    expect(qwenSize(large)).toMatchObject({ total: 8_292_166_656, tensors: 729 });
    expect([...qwenParameterShapes(large).keys()].filter((name) => name.startsWith("visual.")).length).toBe(390);
    expect(small.text).toMatchObject({
      headSize: 128,
      tiedEmbeddings: true,
      mropeSection: [16, 24, 24],
      ropeTheta: 1e6,
    });
  });

  it("means the same flat and nested", () => {
    const flat = published("7B");
    const { vision_config, tie_word_embeddings, model_type, rope_theta, rope_scaling, ...rest } = flat;
    const { image_token_id, video_token_id, vision_start_token_id, vision_end_token_id, ...text } = rest;
    const top = {
      image_token_id,
      video_token_id,
      vision_start_token_id,
      vision_end_token_id,
      model_type,
      vision_config,
    };
    const older = {
      ...top,
      tie_word_embeddings,
      text_config: { ...text, rope_theta, rope_scaling: { ...rope_scaling, rope_type: "default" } },
    };
    const newer = {
      ...top,
      tie_word_embeddings,
      text_config: { ...text, rope_parameters: { rope_type: "default", rope_theta, mrope_section: [16, 24, 24] } },
    };
    const { json: _, ...expected } = parseQwenConfig(flat);
    for (const nested of [older, newer]) expect(parseQwenConfig(nested)).toMatchObject(expected);
  });

  const change = (path: string, value: unknown): unknown => {
    const json = structuredClone(published("3B")) as Record<string, unknown>;
    const [first = "", second] = path.split(".");
    if (second === undefined) json[first] = value;
    else (json[first] as Record<string, unknown>)[second] = value;
    return json;
  };

  it.each([
    ["hidden_size", undefined, /config\.json hidden_size: expected a positive whole number, got nothing/],
    ["hidden_size", 2050, /hidden_size: expected an even multiple/],
    ["num_key_value_heads", 3, /num_key_value_heads: expected a divisor/],
    ["rms_norm_eps", null, /rms_norm_eps/],
    ["rope_scaling", undefined, /rope_parameters: expected an object with mrope_section/],
    ["rope_scaling.type", "yarn", /rope_scaling\.type: expected "mrope" or "default", got "yarn"/],
    ["rope_scaling.mrope_section", [16, 24, 23], /mrope_section: expected a sum of 64/],
    ["rope_theta", "1e6", /rope_theta: expected a number above 0, got "1e6"/],
    ["tie_word_embeddings", undefined, /tie_word_embeddings/],
    ["use_sliding_window", true, /use_sliding_window/],
    ["hidden_act", "gelu", /hidden_act: expected "silu"/],
    ["model_type", "qwen2_vl", /model_type: expected "qwen2_5_vl"/],
    ["quantization_config", { bits: 4 }, /quantization_config/],
    ["image_token_id", undefined, /image_token_id: expected a token id/],
    ["vision_config", [], /vision_config: expected an object/],
    ["vision_config.num_heads", 7, /vision_config\.hidden_size: expected a multiple of 4/],
    ["vision_config.out_hidden_size", 3584, /out_hidden_size: expected the text's hidden_size 2048/],
    ["vision_config.fullatt_block_indexes", [32], /fullatt_block_indexes: expected numbers below depth 32/],
    ["vision_config.tokens_per_second", undefined, /tokens_per_second/],
    ["vision_config.window_size", 14, /window_size/],
  ])("%s = %j is refused by name", (path, value, message) => {
    expect(() => parseQwenConfig(change(path, value))).toThrow(message);
  });

  it("may be anything but an object, and is refused", () => {
    for (const odd of [null, 1, "x", [], undefined]) expect(() => parseQwenConfig(odd)).toThrow(/expected an object/);
  });
});

describe("estimates", () => {
  const config = parseQwenConfig(published("3B"));
  const plan = { rows: 1, length: 1024, patches: 2560 };
  const gib = (bytes: number): number => bytes / 2 ** 30;

  it("count what is trained", () => {
    const size = qwenSize(config);
    expect(qwenTrainingEstimate(config, plan)).toMatchObject({ trained: size.total, frozen: 0, seconds: null });
    const frozenVision = qwenTrainingEstimate(config, { ...plan, frozenVision: true });
    expect(frozenVision.trained).toBe(size.total - size.vision);
    const lora = qwenTrainingEstimate(config, { ...plan, lora: { rank: 8, alpha: 16 } });
    // 36 layers of rank 8 times (in + out): q, o 2048+2048, k, v 2048+256, gate, up, down 2048+11008
    expect(lora.trained).toBe(36 * 8 * (2 * 4096 + 2 * 2304 + 3 * 13056));
    expect(lora.frozen).toBe(size.total);
  });

  it("follow the plan", () => {
    const full = qwenTrainingEstimate(config, plan);
    const lean = qwenTrainingEstimate(config, { ...plan, checkpoint: true });
    expect(gib(full.bytes.weights + full.bytes.optimiser + full.bytes.gradients)).toBeCloseTo(
      (28 * 3.754622976e9) / 2 ** 30,
      1,
    );
    expect(lean.bytes.activations).toBeLessThan(full.bytes.activations / 4);
    expect(lean.flops).toBeGreaterThan(full.flops);
    const mapped = qwenTrainingEstimate(config, { ...plan, lora: { rank: 8, alpha: 16 }, frozenOnDisk: true });
    expect(mapped.bytes.weights).toBe(8 * mapped.trained);
    // 6 · parameters · tokens, and somewhat more for attention
    const textOnly = qwenTrainingEstimate(config, { rows: 2, length: 512, flopsPerSecond: 1e12 });
    expect(textOnly.flops / (6 * 3.0859e9 * 1024)).toBeCloseTo(1.04, 1);
    expect(textOnly.seconds).toBe(textOnly.flops / 1e12);
    expect(() => qwenTrainingEstimate(config, { rows: 0, length: 4 })).toThrow(/rows/);
  });
});

describe("fresh parameters", () => {
  it("start the same from the same seed: norms 1, biases 0, matrices with deviation 0.02", () => {
    const json = published("7B");
    const small = { ...json, num_hidden_layers: 2, hidden_size: 64, num_attention_heads: 2, num_key_value_heads: 1 };
    const config = parseQwenConfig({
      ...small,
      intermediate_size: 96,
      vocab_size: 300,
      rope_scaling: { type: "mrope", mrope_section: [4, 6, 6] },
      vision_config: {
        ...json.vision_config,
        depth: 1,
        fullatt_block_indexes: [0],
        hidden_size: 32,
        num_heads: 2,
        intermediate_size: 48,
        out_hidden_size: 64,
      },
    });
    const params = initQwen(config, 7);
    expect(fingerprint(initQwen(config, 7))).toEqual(fingerprint(params));
    expect(fingerprint(initQwen(config, 8))).not.toEqual(fingerprint(params));
    const of = (name: string): Float32Array => params[name]?.data as Float32Array;
    const deviation = (name: string): number =>
      Math.sqrt(of(name).reduce((sum, x) => sum + x * x, 0) / of(name).length);
    expect(deviation("lm_head.weight")).toBeCloseTo(0.02, 3);
    expect(deviation("model.layers.1.mlp.down_proj.weight")).toBeCloseTo(0.01, 3);
    expect(new Set([...of("visual.blocks.0.norm1.weight"), ...of("visual.merger.ln_q.weight")])).toEqual(new Set([1]));
    expect(new Set(of("visual.blocks.0.attn.qkv.bias"))).toEqual(new Set([0]));
  });
});
