import { expect, it } from "vitest";
import { freshQwenConfig, type FreshQwenSize } from "./fresh-qwen.ts";

const SIZE: FreshQwenSize = {
  ...{ hiddenSize: 32, layers: 1, heads: 4, kvHeads: 2, intermediateSize: 48, context: 64 },
  ...{ visionHiddenSize: 16, visionDepth: 1, visionHeads: 2, visionIntermediateSize: 32 },
};
const tokenizer = { vocabSize: 300, specialId: () => 0 };
const made = (changes: Partial<FreshQwenSize>) => () => freshQwenConfig({ ...SIZE, ...changes }, tokenizer);

it("makes a configuration of sizes that fit", () => {
  expect(made({})().text).toMatchObject({ heads: 4, headSize: 8, mropeSection: [2, 1, 1] });
});

it.each<[Partial<FreshQwenSize>, string]>([
  [{ heads: 5 }, "size.heads: expected a number whose double divides hiddenSize 32"],
  [{ heads: 32, kvHeads: 32 }, "size.heads: expected a number whose double divides hiddenSize 32"],
  [{ kvHeads: 3 }, "size.kvHeads: expected a divisor of heads 4, got 3"],
  [{ visionHeads: 3 }, "size.visionHeads: expected a number whose fourfold divides visionHiddenSize 16"],
  [{ mropeSection: [1, 1, 1] }, "size.mropeSection: expected a sum of 4, half a head, got [1,1,1]"],
])("%o is refused by the name that it was given", (changes, message) => {
  expect(made(changes)).toThrow(message);
});
