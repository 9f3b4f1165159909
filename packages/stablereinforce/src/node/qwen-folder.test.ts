import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { initQwen, parseQwenConfig, type QwenParams } from "../qwen/model/index.ts";
import { float32ToBf16, bf16ToFloat32, fromFloat32 } from "../safetensors/index.ts";
import type { HostTensor } from "../engine/tensor.ts";
import { fingerprint } from "../../test/qwen-golden.ts";
import { readQwenFolder, saveSafetensors, writeQwenFolder } from "./index.ts";

const JSON_TINY = {
  model_type: "qwen2_5_vl",
  image_token_id: 3,
  video_token_id: 4,
  vision_start_token_id: 1,
  vision_end_token_id: 2,
  tie_word_embeddings: false,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 24,
  vocab_size: 11,
  rms_norm_eps: 1e-6,
  max_position_embeddings: 64,
  hidden_act: "silu",
  rope_theta: 1e6,
  use_sliding_window: false,
  rope_scaling: { type: "mrope", mrope_section: [2, 1, 1] },
  vision_config: {
    depth: 1,
    hidden_size: 8,
    hidden_act: "silu",
    num_heads: 2,
    intermediate_size: 12,
    in_chans: 3,
    patch_size: 14,
    temporal_patch_size: 2,
    spatial_merge_size: 2,
    window_size: 56,
    fullatt_block_indexes: [0],
    out_hidden_size: 16,
    tokens_per_second: 2,
  },
};

const config = parseQwenConfig(JSON_TINY);
const params = initQwen(config, 3);
const NORM = "model.norm.weight";
let home: string;
let path: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "qwen-folder-"));
  path = join(home, "model");
});
afterEach(() => rm(home, { recursive: true }));

/** A folder with these tensors in one file. */
const folderOf = async (tensors: QwenParams<HostTensor>, json: object = JSON_TINY): Promise<void> => {
  await mkdir(path);
  await writeFile(join(path, "config.json"), JSON.stringify(json));
  const entries = Object.entries(tensors).map(
    ([name, { data, shape }]) => [name, fromFloat32("F32", shape, data as Float32Array)] as const,
  );
  await saveSafetensors(join(path, "model.safetensors"), entries);
};

const renamed = (f: (name: string) => string): QwenParams<HostTensor> =>
  Object.fromEntries(Object.entries(params).map(([name, tensor]) => [f(name), tensor]));

describe("a folder of Qwen2.5-VL", () => {
  it("comes back as it was written, in one file or in shards", async () => {
    for (const maxShardBytes of [5e9, 30_000]) {
      await writeQwenFolder(path, { config, params, maxShardBytes, overwrite: true });
      const files = await readdir(path);
      expect(files.filter((name) => name.endsWith(".safetensors")).length).toBe(maxShardBytes === 5e9 ? 1 : 2);
      const back = await readQwenFolder(path);
      expect(fingerprint(back.params)).toEqual(fingerprint(params));
      expect(back.config.text).toEqual(config.text);
      expect(back.config.vision).toEqual(config.vision);
      expect(await readdir(home)).toEqual(["model"]);
    }
  });

  it.each(["BF16", "F16"] as const)("rounds once to %s and says so", async (dtype) => {
    await writeQwenFolder(path, { config, params, dtype });
    const back = await readQwenFolder(path);
    expect(back.dtype).toBe(dtype);
    if (dtype === "BF16") {
      const data = params["lm_head.weight"]?.data as Float32Array;
      const got = back.params["lm_head.weight"]?.data;
      expect([...(got ?? [])]).toEqual([...bf16ToFloat32(float32ToBf16(data))]);
    }
    await writeQwenFolder(join(home, "again"), { config: back.config, params: back.params, dtype });
    const first = await readFile(join(path, "model.safetensors"));
    expect(first.equals(await readFile(join(home, "again", "model.safetensors")))).toBe(true);
    const json = JSON.parse(await readFile(join(path, "config.json"), "utf8")) as Record<string, unknown>;
    expect(json["torch_dtype"]).toBe(dtype === "BF16" ? "bfloat16" : "float16");
  });

  it("takes the names of a running model", async () => {
    const runtime = (name: string): string =>
      name.startsWith("visual.") ? `model.${name}` : name.replace(/^model\./, "model.language_model.");
    await folderOf(renamed(runtime));
    expect(fingerprint((await readQwenFolder(path)).params)).toEqual(fingerprint(params));
  });

  it("knows a tied head from the weights when config.json does not say", async () => {
    const { tie_word_embeddings: _, ...silent } = JSON_TINY;
    await folderOf(params, silent);
    expect((await readQwenFolder(path)).config.text.tiedEmbeddings).toBe(false);
  });

  it("accepts a tied head that was saved too, if it is the embedding", async () => {
    const tied = { ...JSON_TINY, tie_word_embeddings: true };
    await folderOf(params, tied);
    await expect(readQwenFolder(path)).rejects.toThrow(/lm_head\.weight.*expected the embedding/);
    await rm(path, { recursive: true });
    await folderOf({ ...params, "lm_head.weight": params["model.embed_tokens.weight"] as HostTensor }, tied);
    expect(Object.keys((await readQwenFolder(path)).params)).not.toContain("lm_head.weight");
  });

  it("carries tokenizer and processor files along, and extra ones", async () => {
    const from = join(home, "from");
    await mkdir(from);
    await writeFile(join(from, "tokenizer.json"), "{}");
    await writeFile(join(from, "modeling_custom.py"), "print()");
    await writeQwenFolder(path, { config, params, from, files: { "preprocessor_config.json": "[]" } });
    const files = await readdir(path);
    expect(files.sort()).toEqual(["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"]);
  });
});

describe("refuses, naming file and tensor", () => {
  const tensor = (data: number[], shape: number[]): HostTensor => ({
    data: Float32Array.from(data),
    shape,
    dtype: "float32",
  });

  it.each([
    ["a missing tensor", { [NORM]: undefined }, "missing-tensor", /model\.norm\.weight/],
    ["a wrong shape", { [NORM]: tensor([1, 2], [2]) }, "shape-mismatch", /model\.norm\.weight.*\[16\], got \[2\]/],
    ["a NaN", { [NORM]: tensor(Array<number>(15).fill(0).concat(NaN), [16]) }, "not-finite", /norm.*element 15/],
    ["an unknown tensor", { "model.extra": tensor([1], [1]) }, "bad-name", /model\.extra/],
    ["a name twice", { "model.language_model.norm.weight": params[NORM] }, "bad-name", /norm.*only once/],
  ])("%s", async (_, change, problem, message) => {
    const given = Object.fromEntries(Object.entries({ ...params, ...change }).filter(([, x]) => x !== undefined));
    await folderOf(given as QwenParams<HostTensor>);
    await expect(readQwenFolder(path)).rejects.toMatchObject({ code: "R1_CHECKPOINT", problem });
    await expect(readQwenFolder(path)).rejects.toThrow(message);
  });

  it("a field of config.json, naming the file that it stands in", async () => {
    await folderOf(params);
    const file = join(path, "config.json");
    await writeFile(file, JSON.stringify({ ...JSON_TINY, hidden_size: "wide" }));
    const error = await readQwenFolder(path).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "R1_CHECKPOINT", problem: "bad-metadata", file });
    expect((error as Error).message).toBe(`${file}: hidden_size: expected a positive whole number, got "wide"`);
  });

  it("a pickle, a path out of the folder, a missing shard, no config", async () => {
    await writeQwenFolder(path, { config, params, maxShardBytes: 30_000 });
    const index = join(path, "model.safetensors.index.json");
    const text = await readFile(index, "utf8");
    await writeFile(index, text.replace("model-00002-of-00002", "../model-00002-of-00002"));
    await expect(readQwenFolder(path)).rejects.toMatchObject({ problem: "bad-path" });
    await writeFile(index, text);
    await rm(join(path, "model-00002-of-00002.safetensors"));
    await expect(readQwenFolder(path)).rejects.toThrow(/00002/);
    for (const name of await readdir(path)) if (name.includes("safetensors")) await rm(join(path, name));
    await writeFile(join(path, "pytorch_model.bin"), "PK");
    await expect(readQwenFolder(path)).rejects.toMatchObject({ problem: "pickle" });
    await rm(join(path, "config.json"));
    await expect(readQwenFolder(path)).rejects.toThrow(/config\.json/);
  });

  it("to write what is not finite or does not fit, and leaves nothing behind", async () => {
    await mkdir(path);
    await writeFile(join(path, "old"), "");
    await expect(writeQwenFolder(path, { config, params })).rejects.toThrow(/overwrite/);
    const bad = { ...params, [NORM]: tensor(Array<number>(16).fill(1e39), [16]) };
    await expect(writeQwenFolder(path, { config, params: bad, overwrite: true })).rejects.toThrow(/norm.*finite/);
    const large = { ...params, [NORM]: tensor(Array<number>(16).fill(1e5), [16]) };
    const half = { config, params: large, dtype: "F16", overwrite: true } as const;
    await expect(writeQwenFolder(path, half)).rejects.toMatchObject({ problem: "not-finite" });
    const aborted = { config, params, overwrite: true, signal: AbortSignal.abort() };
    await expect(writeQwenFolder(path, aborted)).rejects.toThrow();
    await expect(writeQwenFolder(path, { config, params, overwrite: true, files: { "../x": "" } })).rejects.toThrow();
    expect(await readdir(home)).toEqual(["model"]);
    expect(await readdir(path)).toEqual(["old"]);
  });
});
