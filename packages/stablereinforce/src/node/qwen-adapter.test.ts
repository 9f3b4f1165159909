import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { caseOf, fingerprint } from "../../test/qwen-golden.ts";
import { initLora, parseQwenConfig, type LoraConfig } from "../qwen/model/index.ts";
import { openSafetensors, readQwenAdapter, saveSafetensors, writeQwenAdapter } from "./index.ts";

// That peft reads and writes the same files is checked by tools/qwen/parity.py.
const config = parseQwenConfig(caseOf("sizes").config);
const lora: LoraConfig = { rank: 3, alpha: 6, target: /(q_proj|attn\.qkv)$/ };
const params = initLora(config, lora, 4);
let path: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "qwen-adapter-"));
});
afterEach(() => rm(path, { recursive: true }));

const change = async (fields: object): Promise<void> => {
  const file = join(path, "adapter_config.json");
  const json = JSON.parse(await readFile(file, "utf8")) as object;
  await writeFile(file, JSON.stringify({ ...json, ...fields }));
};

describe("an adapter", () => {
  it("comes back as it was written, under peft's names", async () => {
    await writeQwenAdapter(path, { lora, params, base: "base" });
    const back = await readQwenAdapter(path, config);
    expect(fingerprint(back.params)).toEqual(fingerprint(params));
    expect(back.lora).toMatchObject({ rank: 3, alpha: 6 });
    expect(fingerprint(initLora(config, back.lora, 4))).toEqual(fingerprint(params)); // the same modules
    await using file = await openSafetensors(join(path, "adapter_model.safetensors"));
    expect(file.names).toContain("base_model.model.model.visual.blocks.0.attn.qkv.lora_A.weight");
    expect(file.names).toContain("base_model.model.model.language_model.layers.1.self_attn.q_proj.lora_B.weight");
  });

  it("divides by the root of the rank where peft says so", async () => {
    await writeQwenAdapter(path, { lora, params });
    await change({ use_rslora: true });
    expect((await readQwenAdapter(path, config)).lora.alpha).toBeCloseTo(6 * Math.sqrt(3), 12);
  });

  it.each([
    [{ use_dora: true }, /adapter_config\.json use_dora: expected false, got true/],
    [{ bias: "all" }, /bias/],
    [{ peft_type: "IA3" }, /peft_type: expected "LORA"/],
    [{ rank_pattern: { q_proj: 8 } }, /rank_pattern: expected none/],
    [{ modules_to_save: ["lm_head"] }, /modules_to_save/],
    [{ r: 0 }, /adapter_config\.json r: expected a positive whole number, got 0/],
    [{ lora_alpha: "8" }, /lora_alpha/],
    [{ r: 4 }, /expected \[4, /],
  ])("that says %j is refused by name", async (fields, message) => {
    await writeQwenAdapter(path, { lora, params });
    await change(fields);
    await expect(readQwenAdapter(path, config)).rejects.toThrow(message);
  });

  it("with half a pair, an unknown module or other weights is refused", async () => {
    await writeQwenAdapter(path, { lora, params });
    const one = (name: string, shape: readonly number[]) =>
      [name, { dtype: "F32" as const, shape, data: new Float32Array(shape.reduce((p, n) => p * n, 1)) }] as const;
    const file = join(path, "adapter_model.safetensors");
    const module = "base_model.model.model.layers.0.self_attn.q_proj";
    await saveSafetensors(file, [one(`${module}.lora_A.weight`, [3, 32])]);
    await expect(readQwenAdapter(path, config)).rejects.toMatchObject({ problem: "missing-tensor" });
    await saveSafetensors(file, [one(`${module}x.lora_A.weight`, [3, 32])]);
    await expect(readQwenAdapter(path, config)).rejects.toThrow(/matches no linear layer|linear layer/);
    await saveSafetensors(file, [one(`${module}.weight`, [32, 32])]);
    await expect(readQwenAdapter(path, config)).rejects.toMatchObject({ problem: "bad-name" });
    await rm(join(path, "adapter_config.json"));
    await expect(readQwenAdapter(path, config)).rejects.toThrow(/adapter_config\.json/);
  });
});
