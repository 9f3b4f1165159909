import { ConfigError } from "@r1reward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../engine/index.ts";
import { goldenModel, numberTokenizer, rowsByText } from "../qwen/policy/golden.test-kit.ts";
import { qwen25vl } from "../qwen/policy/index.ts";
import { trainSft } from "../train/index.ts";
import { characterTokenizer, transformerPolicy, type Policy, type TokenRow } from "./index.ts";

let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ runtime: "onnx-node", threads: 1 })));
afterAll(async () => engine[Symbol.asyncDispose]());

const small = (): Policy =>
  transformerPolicy({
    engine,
    config: {
      vocabSize: 20,
      hiddenSize: 8,
      layers: 1,
      heads: 2,
      kvHeads: 1,
      intermediateSize: 8,
      tiedEmbeddings: true,
    },
    tokenizer: characterTokenizer("abc"),
  });
const qwen = (): Policy => {
  const golden = goldenModel("text");
  return qwen25vl({
    engine,
    config: golden.config,
    tokenizer: numberTokenizer(golden.config.text.vocabSize),
    inputs: rowsByText([]),
    weights: golden.params,
  });
};

const row = (prompt: number[], reply: number[]): TokenRow => ({
  promptTokens: Int32Array.from(prompt),
  tokens: Int32Array.from(reply),
});

describe.each([
  ["transformerPolicy", small],
  ["qwen25vl", qwen],
])("%s", (_name, make) => {
  it("takes the ids of its vocabulary and no others, and says where", () => {
    const policy = make();
    const collated =
      (...rows: TokenRow[]) =>
      () =>
        policy.collate(rows, 2);
    expect(collated(row([1, 2], [3]), row([0], [4, 5]))).not.toThrow();
    expect(collated(row([1, 2], [3]), row([1], [4, -1]))).toThrow(ConfigError);
    expect(collated(row([1, 2], [3]), row([1], [4, -1]))).toThrow(/row 1 reply token 1: .* got -1 .*padding/);
    expect(collated(row([1, -100], [3]))).toThrow(/row 0 prompt token 1: expected an id from 0 to \d+, got -100/);
    expect(collated(row([1], [10 ** 6]))).toThrow(/row 0 reply token 0: .* got 1000000$/);
  });
});

it("a label of −1 stops trainSft", async () => {
  const examples = [row([1, 2], [3, 4]), row([1, 2], [3, -1])];
  const train = async (): Promise<void> => {
    for await (const step of trainSft({ policy: small(), examples, steps: 1, run: { batch: 2 } })) void step;
  };
  await expect(train()).rejects.toThrow(/row \d reply token 1: .* got -1/);
});
