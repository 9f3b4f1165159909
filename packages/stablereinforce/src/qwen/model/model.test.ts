import type * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  caseOf,
  close,
  digest,
  floats,
  host,
  inputsOf,
  lossOf,
  NAMES,
  paramsOf,
  real,
  type Loss,
} from "../../../test/qwen-golden.ts";
import { createEngine } from "../../engine/engine.ts";
import type { Engine, RuntimeName } from "../../engine/types.ts";
import { parseQwenConfig, qwenModel, valueAndNamedGrads, type QwenInputs, type QwenParams } from "./index.ts";

// Plain JavaScript is slow: it takes the small cases.
describe.each<readonly [RuntimeName, readonly string[]]>([
  ["onnx-node", NAMES],
  ["tfjs-cpu", ["same", "text"]],
])("on %s", (runtime, names) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime, threads: 1 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(names)("%s: the reference's vision rows, logits and log-probabilities", async (name) => {
    const config = parseQwenConfig(caseOf(name).config);
    const model = qwenModel(config);
    const forward = engine.compile((params: QwenParams<tf.Tensor>, inputs: QwenInputs<tf.Tensor>) => ({
      logits: model.logits(params, inputs),
      logp: model.logp(params, inputs),
      ...(inputs.patches === undefined ? {} : { vision: model.vision(params, inputs as never) }),
    }));
    const out = await forward(paramsOf(config), inputsOf(name, config));
    const mask = host(`${name}.mask`).data;
    const read = async (key: "logits" | "logp") => (await engine.read(out[key])).data;
    const width = config.text.vocabSize;
    close(real(await read("logits"), mask, width), real(floats(`${name}.logits`), mask, width), ["logits", 2e-5]);
    const scored = floats(`${name}.weights`).map((w) => (w === 0 ? 0 : 1));
    close(real(await read("logp"), scored, 1), real(floats(`${name}.logp`), scored, 1), ["logp", 2e-5]);
    if (out.vision !== undefined) {
      const rows = (await engine.read(out.vision)).data.subarray(0, floats(`${name}.vision`).length);
      close(rows, floats(`${name}.vision`), ["vision", 2e-5]);
    }
    engine.dispose(out);
  });

  it.each(names)("%s: the reference's gradients", async (name) => {
    const config = parseQwenConfig(caseOf(name).config);
    for (const checkpoint of runtime === "onnx-node" ? [false, true] : [false]) {
      const model = qwenModel(config, { checkpoint });
      const grads = engine.compile((params: QwenParams<tf.Tensor>, given: Loss<tf.Tensor>) =>
        valueAndNamedGrads(lossOf(model, given), params),
      );
      const out = await grads(paramsOf(config), { inputs: inputsOf(name, config), weights: host(`${name}.weights`) });
      close([await engine.number(out.value)], floats(`${name}.loss`), ["loss", 2e-5]);
      const expected = floats(`${name}.grads`);
      for (const [i, path] of caseOf(name).grads.entries()) {
        const grad = (await engine.read(out.grads[path] as never)).data as Float32Array;
        close(digest(grad), expected.subarray(i * 17, i * 17 + 17), [path, 1e-4]);
      }
      engine.dispose(out);
    }
    expect(engine.liveTensors()).toBe(0);
  });
});
