import { deflateSync } from "node:zlib";
import { shapesPair } from "@r1reward/core/shapes";
import type { LabelledPair } from "@r1reward/stablereinforce";
import { expect, it } from "vitest";
import { loadRunConfig } from "./config/load.ts";
import { factsOf } from "./facts.ts";

it("counts the frames of a video, two of which share their patches", async () => {
  const config = await loadRunConfig({ preset: "tiny" });
  const { pair } = shapesPair({ seed: 1, index: 0, deflate: (bytes) => deflateSync(bytes) });
  const picture = pair.question.find((part) => part.type === "image");
  if (picture?.type !== "image") return expect.fail("expected a picture");
  const video = { type: "video", video: { frames: Array.from({ length: 6 }, () => picture.image) } } as const;
  const tokensOf = async (question: LabelledPair["question"]): Promise<number> => {
    const pairs = [{ ...pair, question } as LabelledPair];
    const train = { name: "one", pairs, skipped: [] };
    const data = { train, held: null, hard: train };
    const { signal } = new AbortController();
    const facts = await factsOf(config, ["sft"], { data, signal, note: (error) => expect.fail(String(error)) });
    return facts.imageTokens;
  };
  const one = await tokensOf([picture]);
  expect(one).toBeGreaterThan(0);
  expect(await tokensOf([video])).toBe(3 * one);
});
