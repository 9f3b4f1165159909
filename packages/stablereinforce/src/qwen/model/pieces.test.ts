import type * as tf from "@tensorflow/tfjs-core";
import { describe, it } from "vitest";
import { caseOf, close, floats, host, inputsOf, lossOf, paramsOf, type Loss } from "../../../test/qwen-golden.ts";
import { createEngine } from "../../engine/engine.ts";
import type { EngineTensor, HostTensor } from "../../engine/tensor.ts";
import {
  parseQwenConfig,
  qwenModel,
  splitParams,
  valueAndNamedGrads,
  type QwenInputs,
  type QwenKeysValues,
  type QwenParams,
  type QwenStep,
} from "./index.ts";

describe("places to score", () => {
  it("are scored like all places, and carry the same gradients", async () => {
    await using engine = await createEngine({ runtime: "onnx-node", threads: 1 });
    const config = parseQwenConfig(caseOf("text").config);
    const model = qwenModel(config);
    const graph = engine.compile((params: QwenParams<tf.Tensor>, given: Loss<tf.Tensor>) => ({
      logp: model.logp(params, given.inputs),
      ...valueAndNamedGrads(lossOf(model, given), splitParams(params, /^model\./).trained),
    }));
    const [params, inputs] = [paramsOf(config), inputsOf("text", config)];
    const size = inputs.tokens.data.length;
    // every third place counts, and two of padding
    const places = Array.from({ length: size }, (_, i) => i).filter((i) => i % 3 === 2 && i % 7 !== 0);
    const scored: HostTensor = {
      data: Int32Array.from([...places, -1, -1]),
      shape: [places.length + 2],
      dtype: "int32",
    };
    const data = Float32Array.from({ length: size }, (_, i) => (places.includes(i) ? 1 + i : 0));
    const weights: HostTensor = { data, shape: inputs.tokens.shape, dtype: "float32" };
    const all = await graph(params, { inputs, weights });
    const some = await graph(params, { inputs: { ...inputs, scored }, weights });
    const whole = (await engine.read(all.logp)).data;
    close(
      (await engine.read(some.logp)).data,
      whole.map((x, i) => (places.includes(i) ? x : 0)),
      ["logp", 1e-6],
    );
    for (const name of Object.keys(all.grads)) {
      const [a, b] = [all.grads[name] as never, some.grads[name] as never];
      close((await engine.read(b)).data, (await engine.read(a)).data, [name, 1e-5]);
    }
  });
});

describe("a cache", () => {
  it("filled by reading and by single steps gives the scores of the whole", async () => {
    await using engine = await createEngine({ runtime: "onnx-node", threads: 1 });
    const config = parseQwenConfig(caseOf("sizes").config);
    const { layers, kvHeads, headSize, vocabSize } = config.text;
    const model = qwenModel(config);
    const [params, inputs] = [paramsOf(config), inputsOf("sizes", config)];
    const [rows = 0, length = 0] = inputs.tokens.shape;
    const read = engine.compile((p: QwenParams<tf.Tensor>, i: QwenInputs<tf.Tensor>) => model.prefill(p, i));
    const step = engine.compile((p: QwenParams<tf.Tensor>, s: QwenStep<tf.Tensor>, c: QwenKeysValues<tf.Tensor>) =>
      model.decode(p, s, c),
    );
    const { keys, values } = await read(params, inputs);
    const logits = floats("sizes.logits");
    const kv = kvHeads * headSize;
    const mask = host("sizes.mask").data;
    const lengths = Array.from({ length: rows }, (_, b) =>
      (mask as Int32Array).slice(b * length, (b + 1) * length).reduce((sum, x) => sum + x),
    );
    const last = (x: HostTensor, from = 0): HostTensor => ({
      data: Int32Array.from(lengths, (n, b) => x.data[from + b * length + n - 1] as number),
      shape: [rows],
      dtype: "int32",
    });
    const filled: HostTensor = { data: Int32Array.from(lengths, (n) => n - 1), shape: [rows], dtype: "int32" };
    const made = await step(
      params,
      { tokens: last(inputs.tokens), filled, positions: last(inputs.positions, 0) },
      { keys, values },
    );
    const expected = lengths.flatMap((n, b) => {
      const at = (b * length + n - 1) * vocabSize;
      return Array.from(logits.subarray(at, at + vocabSize));
    });
    close((await engine.read(made.logits)).data, expected, ["logits", 2e-5]);
    // the new row is the one that reading the whole prompt made at that place
    const newKeys = (await engine.read(made.newKeys)).data;
    const whole = (await engine.read(keys[layers - 1] as EngineTensor)).data;
    for (let b = 0; b < rows; b++) {
      const row = newKeys.slice(((layers - 1) * rows + b) * kv, ((layers - 1) * rows + b + 1) * kv);
      const there = Array.from({ length: kv }, (_, i) => {
        const [head, dim] = [Math.floor(i / headSize), i % headSize];
        return whole[((b * kvHeads + head) * length + (lengths[b] as number) - 1) * headSize + dim] as number;
      });
      close(row, there, ["keys", 2e-5]);
    }
  });
});
