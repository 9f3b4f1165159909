/** Adapters in peft's format: `adapter_config.json` and `adapter_model.safetensors`. */
import { ConfigError, messageOf } from "@r1reward/core";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { HostTensor } from "../engine/tensor.ts";
import { CheckpointError } from "../errors.ts";
import { isLora, loraShapes } from "../qwen/model/lora.ts";
import { diskName, runtimeName } from "../qwen/model/names.ts";
import type { LoraConfig, QwenConfig, QwenParams } from "../qwen/model/types.ts";
import { fromFloat32, toFloat32, type FloatDtype } from "../safetensors/values.ts";
import { atomicWrite, writeFully } from "./atomic-write.ts";
import { openSafetensors, saveSafetensors } from "./safetensors-file.ts";

const PREFIX = "base_model.model.";
const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";

/** Adapters and what they are. */
export interface QwenAdapter {
  readonly lora: LoraConfig;
  /** `<module>.lora_A.weight` and `<module>.lora_B.weight`, modules by their names on disk. */
  readonly params: QwenParams<HostTensor>;
}

/** Fields of `adapter_config.json` that change the mathematics, and the values that leave it as it is here. */
const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  peft_type: ["LORA"],
  use_dora: [false, undefined],
  lora_bias: [false, undefined],
  fan_in_fan_out: [false, undefined],
  bias: ["none", undefined],
  use_qalora: [false, undefined],
};
const EMPTY = [
  "modules_to_save",
  "rank_pattern",
  "alpha_pattern",
  "layer_replication",
  "trainable_token_indices",
  "target_parameters",
];

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);

const checkPlain = (json: Record<string, unknown>): void => {
  for (const [field, allowed] of Object.entries(PLAIN)) {
    if (allowed.includes(json[field])) continue;
    throw new ConfigError(
      `${CONFIG} ${field}: expected ${JSON.stringify(allowed[0])}, got ${JSON.stringify(json[field])}`,
    );
  }
  for (const field of EMPTY) {
    if (!isEmpty(json[field]))
      throw new ConfigError(`${CONFIG} ${field}: expected none, got ${JSON.stringify(json[field])}`);
  }
};

const numbersOf = (json: Record<string, unknown>): Pick<LoraConfig, "rank" | "alpha"> => {
  const [rank, alpha] = [json["r"], json["lora_alpha"]];
  if (!Number.isSafeInteger(rank) || (rank as number) < 1) {
    throw new ConfigError(`${CONFIG} r: expected a positive whole number, got ${JSON.stringify(rank)}`);
  }
  if (typeof alpha !== "number" || !(alpha > 0)) {
    throw new ConfigError(`${CONFIG} lora_alpha: expected above 0, got ${JSON.stringify(alpha)}`);
  }
  // Rank-stabilised LoRA (arXiv 2312.03732) divides by √rank: the same as another alpha.
  const scale = json["use_rslora"] === true ? Math.sqrt(rank as number) : 1;
  return { rank: rank as number, alpha: alpha * scale };
};

/** The pattern that matches exactly these modules. */
const exactly = (modules: readonly string[]): RegExp =>
  new RegExp(`^(${modules.map((name) => name.replaceAll(".", "\\.")).join("|")})$`);

const readConfig = async (path: string): Promise<Record<string, unknown>> => {
  const file = join(path, CONFIG);
  try {
    return JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  } catch (cause) {
    const problem = cause instanceof SyntaxError ? "not-json" : "io";
    throw new CheckpointError({ file, problem }, messageOf(cause), { cause });
  }
};

const checkAgainst = (config: QwenConfig, { lora, params }: QwenAdapter, file: string): void => {
  const expected = loraShapes(config, lora);
  for (const [name, { shape }] of Object.entries(params)) {
    const wanted = expected.get(name);
    if (wanted === undefined) {
      throw new CheckpointError({ file, problem: "bad-name", tensor: name }, "expected an adapter of a linear layer");
    }
    if (wanted.join() === shape.join()) continue;
    const message = `expected [${wanted.join(", ")}], got [${shape.join(", ")}]`;
    throw new CheckpointError({ file, problem: "shape-mismatch", tensor: name }, message);
  }
  const missing = [...expected.keys()].find((name) => params[name] === undefined);
  if (missing === undefined) return;
  throw new CheckpointError({ file, problem: "missing-tensor", tensor: missing }, "expected both halves of an adapter");
};

/**
 * Reads an adapter that peft or `writeQwenAdapter` saved, made under either naming of the model's parts.
 *
 * @throws ConfigError naming the field of `adapter_config.json` that is not plain LoRA; CheckpointError naming file and tensor.
 */
export const readQwenAdapter = async (path: string, config: QwenConfig): Promise<QwenAdapter> => {
  const json = await readConfig(path);
  checkPlain(json);
  const numbers = numbersOf(json);
  const file = join(path, WEIGHTS);
  await using source = await openSafetensors(file, { finite: true });
  const params: Record<string, HostTensor> = {};
  for (const stored of source.names) {
    const name = diskName(stored.startsWith(PREFIX) ? stored.slice(PREFIX.length) : stored);
    if (!isLora(name)) {
      throw new CheckpointError({ file, problem: "bad-name", tensor: stored }, "expected lora_A and lora_B alone");
    }
    const tensor = await source.read(stored);
    params[name] = { data: toFloat32(tensor), shape: tensor.shape, dtype: "float32" };
  }
  const modules = new Set(Object.keys(params).map((name) => name.replace(/\.lora_[AB]\.weight$/, "")));
  const adapter: QwenAdapter = { lora: { ...numbers, target: exactly([...modules]) }, params };
  checkAgainst(config, adapter, file);
  return adapter;
};

/** Options of `writeQwenAdapter`. */
export interface WriteAdapterOptions extends QwenAdapter {
  /** Folder or hub name of the model that the adapter belongs to. */
  readonly base?: string | undefined;
  /** Default F32. */
  readonly dtype?: FloatDtype | undefined;
}

/**
 * Writes adapters so that peft and vLLM load them.
 * @throws CheckpointError `io`, `not-finite`
 */
export const writeQwenAdapter = async (path: string, options: WriteAdapterOptions): Promise<void> => {
  const { lora, base, dtype = "F32" } = options;
  const adapters = Object.entries(options.params).filter(([name]) => isLora(name));
  const modules = [...new Set(adapters.map(([name]) => runtimeName(name).replace(/\.lora_[AB]\.weight$/, "")))];
  const json = {
    base_model_name_or_path: base ?? null,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: lora.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: "LORA",
    r: lora.rank,
    target_modules: modules,
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: false,
  };
  await mkdir(path, { recursive: true });
  const tensors = adapters.map(
    ([name, { data, shape }]) =>
      [`${PREFIX}${runtimeName(name)}`, fromFloat32(dtype, shape, data as Float32Array)] as const,
  );
  await saveSafetensors(join(path, WEIGHTS), tensors, { metadata: { format: "pt" } });
  const bytes = new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`);
  await atomicWrite(join(path, CONFIG), (file) => writeFully(file, bytes));
};
