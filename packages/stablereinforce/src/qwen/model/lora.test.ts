import type * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashed } from "../../../test/hashed.ts";
import {
  caseOf,
  close,
  digest,
  fingerprint,
  floats,
  host,
  inputsOf,
  lossOf,
  paramsOf,
  real,
  type Loss,
} from "../../../test/qwen-golden.ts";
import { createEngine } from "../../engine/engine.ts";
import type { HostTensor } from "../../engine/tensor.ts";
import type { Engine } from "../../engine/types.ts";
import {
  initLora,
  isLora,
  mergeLora,
  parseQwenConfig,
  qwenModel,
  runtimeName,
  splitParams,
  valueAndNamedGrads,
  type LoraConfig,
  type QwenInputs,
  type QwenParams,
} from "./index.ts";

describe("adapters, against peft", () => {
  // The golden file's adapters: rank 4, alpha 6, every element 0.3 times the hash of peft's name.
  const {
    case: base,
    rank,
    alpha,
    names,
  } = caseOf("lora") as unknown as Record<"rank" | "alpha", number> & {
    case: string;
    names: string[];
  };
  const lora: LoraConfig = { rank, alpha, target: /(q_proj|v_proj|down_proj|attn\.qkv)$/ };
  const config = parseQwenConfig(caseOf(base).config);
  const peftName = (name: string): string => `base_model.model.${runtimeName(name)}`;
  const adapters = Object.fromEntries(
    Object.entries(initLora(config, lora, 1)).map(([name, { data, shape }]): [string, HostTensor] => {
      const values = Float32Array.from(hashed(peftName(name), data.length), (x) => Math.fround(x) * 0.3);
      return [name, { data: values, shape, dtype: "float32" }];
    }),
  );
  const given = (): Loss<HostTensor> => ({ inputs: inputsOf(base, config), weights: host(`${base}.weights`) });
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime: "onnx-node", threads: 1 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each([false, true])(
    "gives the same loss and gradients of the adapters, checkpoint %s",
    async (checkpoint) => {
      expect(Object.keys(adapters).map(peftName).sort()).toEqual(names);
      const model = qwenModel(config, { lora, checkpoint });
      const grads = engine.compile(
        (trained: QwenParams<tf.Tensor>, frozen: QwenParams<tf.Tensor>, loss: Loss<tf.Tensor>) =>
          valueAndNamedGrads((params) => lossOf(model, loss)({ ...frozen, ...params }), trained),
      );
      const { trained, frozen } = splitParams({ ...paramsOf(config), ...adapters }, isLora);
      const out = await grads(trained, frozen, given());
      close([await engine.number(out.value)], floats("lora.loss"), ["loss", 2e-5]);
      for (const [name, grad] of Object.entries(out.grads)) {
        const at = names.indexOf(peftName(name)) * 17;
        const data = (await engine.read(grad)).data as Float32Array;
        close(digest(data), floats("lora.grads").subarray(at, at + 17), [name, 1e-4]);
      }
      engine.dispose(out);
    },
    90_000,
  );

  it("merges to the same weights and the same scores", async () => {
    const merged = mergeLora(paramsOf(config), adapters, lora);
    const weight = merged["model.layers.0.self_attn.q_proj.weight"] as HostTensor;
    close(weight.data, floats("lora.merged"), ["merged", 1e-6]);
    const model = qwenModel(config);
    const logits = engine.compile((p: QwenParams<tf.Tensor>, i: QwenInputs<tf.Tensor>) => model.logits(p, i));
    const out = await logits(merged, inputsOf(base, config));
    const mask = host(`${base}.mask`).data;
    const width = config.text.vocabSize;
    close(real((await engine.read(out)).data, mask, width), real(floats("lora.logits"), mask, width), ["logits", 3e-5]);
    engine.dispose(out);
  });

  it("change nothing when they are fresh, and are refused by a model that does not know of them", async () => {
    const [fresh, params] = [initLora(config, lora, 5), paramsOf(config)];
    expect(fingerprint(mergeLora(params, fresh, lora))).toEqual(fingerprint(params));
    const logp = engine.compile((p: QwenParams<tf.Tensor>, i: QwenInputs<tf.Tensor>) => qwenModel(config).logp(p, i));
    await expect(logp({ ...params, ...fresh }, inputsOf(base, config))).rejects.toThrow(/q_proj|qkv/);
  });
});
