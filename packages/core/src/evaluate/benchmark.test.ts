import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import type { JsonValue, Preference } from "../types.ts";
import { customBenchmark, defineBenchmark, mediaName } from "./benchmark.ts";
import { mmRlhfRewardBench, multimodalRewardBench, vlRewardBench } from "./benchmarks.ts";

const pair = (id: string, meta: Record<string, JsonValue> = {}): Preference => ({
  id,
  question: [{ type: "text", text: "What is shown?" }],
  responses: ["a cat", "a dog"],
  human: 0,
  meta,
});

const categories = (benchmark: typeof vlRewardBench, of: Preference): (string | undefined)[] =>
  benchmark.splits.map((split) => split.categoryOf(of));

describe("vlRewardBench", () => {
  // PAPER section 7.1. Columns: official (8 May 2025), official before, the reference repository's script.
  it.each([
    ["hallucination_pair-1003", "hallucination", "general", "hallucination"],
    ["RLAIF-V-0012", "hallucination", "hallucination", "general"],
    ["RLHF-V-7", "hallucination", "hallucination", "general"],
    ["rlhf-lower-7", "general", "general", "hallucination"],
    ["wildvision-battle-3", "general", "general", "general"],
    ["mathverse_2279", "reasoning", "reasoning", "reasoning"],
    ["mmmu_pro_test_Finance_12", "reasoning", "reasoning", "reasoning"],
    ["jailbreak-typo-HateSpeech-70", "general", "general", "general"],
    ["LRVInstruction-000000007746", "general", "general", "general"],
    ["svit-complex_reasoning-876", "general", "general", "general"],
    // Where the three rules differ in kind: a prefix that merely begins like a known one, words inside an id.
    ["mathverses_1", "general", "general", "reasoning"],
    ["wildvision-mmmu-1", "general", "general", "reasoning"],
    ["RLHF", "hallucination", "hallucination", "general"],
    ["", "general", "general", "general"],
    ["__proto__", "general", "general", "general"],
    ["constructor-1", "general", "general", "general"],
  ])("%s", (id, ...expected) => {
    expect(categories(vlRewardBench, pair(id))).toEqual(expected);
  });

  it("clusters by id, because an id that repeats is one image under two file names", () => {
    expect(vlRewardBench.clusterOf(pair("mathverse_2279", { image: "vl_reward/img/image_458.jpg" }))).toBe(
      "mathverse_2279",
    );
    expect(vlRewardBench.groupOf).toBeUndefined();
  });
});

describe("multimodalRewardBench", () => {
  // PAPER section 7.2.
  it.each([
    ["Pairs_12", "safety", "safety/bias"],
    ["memes-3", "safety", "safety/toxicity"],
    ["MathVista-9", "reasoning", "reasoning/math"],
    ["EMMA-Coding-1", "reasoning", "reasoning/coding"],
    ["image2struct-5", "reasoning", "reasoning/coding"],
    ["nocaps-1", "open_generation/correctness_task", "open_generation/correctness_task"],
    ["mathvista-1", "vqa", "vqa"],
    ["x", "something new", "something new"],
    ["x", "__proto__", "__proto__"],
  ])("%s in %s", (id, category, expected) => {
    expect(categories(multimodalRewardBench, pair(id, { category }))).toEqual([expected]);
  });

  it("has no category for a record without one", () => {
    expect(categories(multimodalRewardBench, pair("pairs-1"))).toEqual([undefined]);
    expect(categories(multimodalRewardBench, pair("pairs-1", { category: "" }))).toEqual([undefined]);
    expect(categories(multimodalRewardBench, pair("pairs-1", { category: 3 }))).toEqual([undefined]);
  });
});

describe("mmRlhfRewardBench", () => {
  // PAPER section 7.3; section 7.4 item 8: a folder above must not decide.
  it.each([
    [{ image: "mcq/073712.png" }, "mcq"],
    [{ image: "long/1.png" }, "long"],
    [{ image: "short/video.png" }, "short"],
    [{ image: "safety/mcq.png" }, "safety"],
    [{ video: "video/clip_17" }, "video"],
    [{ video: "video/clip_17/" }, "video"],
    [{ image: "/data/video_bench/mcq/1.png" }, "mcq"],
    [{ image: "/data/video/mcq/1.png" }, "mcq"],
    [{ image: "/mcq/../video/long/1.png" }, "long"],
    [{ image: "C:\\video\\short\\1.png" }, "short"],
    [{ image: "./safety/1.png" }, "safety"],
    [{ image: "https://example.org/shortlist/safety/1.png" }, "safety"],
    [{ image: "shortlist/1.png" }, undefined],
    [{ image: "mcq.png" }, undefined],
    [{ image: "mcq" }, undefined],
    [{}, undefined],
  ] as const)("%j", (meta, expected) => {
    expect(categories(mmRlhfRewardBench, pair("g1", meta))).toEqual([expected]);
  });

  it("groups by group, else by id", () => {
    expect(mmRlhfRewardBench.groupOf?.({ ...pair("a"), group: "g" })).toBe("g");
    expect(mmRlhfRewardBench.groupOf?.(pair("a"))).toBe("a");
  });
});

describe("mediaName", () => {
  const question = (...parts: Preference["question"]): Preference => ({ ...pair("x"), question: parts });

  it("takes what the source said first, then the question's media", () => {
    expect(mediaName(pair("x", { image: "a.png", video: "b" }))).toBe("a.png");
    expect(mediaName(pair("x", { video: "b" }))).toBe("b");
    expect(mediaName(pair("x", { image: ["a.png", "b.png"] }))).toBe("a.png");
    expect(mediaName(question({ type: "image", image: { path: "p.png" } }))).toBe("p.png");
    expect(mediaName(question({ type: "image", image: { url: "https://h/p.png" } }))).toBe("https://h/p.png");
    expect(mediaName(question({ type: "video", video: { folder: "v" } }))).toBe("v");
    expect(mediaName(question({ type: "video", video: { frames: [{ path: "v/1.png" }] } }))).toBe("v/1.png");
  });

  it("has none for inline images and hostile meta", () => {
    expect(mediaName(question({ type: "image", image: { dataUri: "data:image/png;base64,AA" } }))).toBeUndefined();
    expect(mediaName({ ...pair("x"), meta: undefined })).toBeUndefined();
    expect(mediaName(pair("x", { image: null, video: [] }))).toBeUndefined();
    expect(
      mediaName(pair("x", Object.create({ image: "inherited.png" }) as Record<string, JsonValue>)),
    ).toBeUndefined();
  });
});

describe("benchmarks of your own", () => {
  it("sorts by meta.category or by what it is told, and clusters by image, then group", () => {
    const plain = customBenchmark("mine");
    expect(categories(plain, pair("x", { category: "charts" }))).toEqual(["charts"]);
    expect(plain.clusterOf(pair("x", { image: "a.png" }))).toBe("a.png");
    expect(plain.clusterOf({ ...pair("x"), group: "g" })).toBe("g");
    expect(plain.clusterOf(pair("x"))).toBeUndefined();
    const told = customBenchmark("mine", { category: ({ id }) => id.slice(0, 1) });
    expect(categories(told, pair("xyz"))).toEqual(["x"]);
  });

  it("refuses names that could not be told apart", () => {
    const split = { name: "s", categories: [], categoryOf: () => undefined };
    expect(() => defineBenchmark({ name: "" })).toThrow(ConfigError);
    expect(() => defineBenchmark({ name: "b", splits: [split, split] })).toThrow(/splits of benchmark b/);
    expect(() => defineBenchmark({ name: "b", splits: [{ ...split, categories: ["a", "a"] }] })).toThrow(/got "a"/);
  });
});
