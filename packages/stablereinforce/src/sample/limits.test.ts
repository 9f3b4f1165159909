/** What lies at the edge of float32 or beyond it, and what is no number at all. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine } from "../engine/engine.ts";
import type { HostTensor } from "../engine/tensor.ts";
import type { Engine, RuntimeName } from "../engine/types.ts";
import { initParams, type TransformerConfig, type TransformerParams } from "../model/index.ts";
import { uniformStream } from "./random.ts";
import { createSampler, sequenceSeed, type Completion, type Sampler, type SampleOptions } from "./index.ts";

const CONFIG: TransformerConfig = {
  vocabSize: 24,
  hiddenSize: 16,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  intermediateSize: 16,
  tiedEmbeddings: false,
};

const PROMPT = [3, 1, 4, 1, 5];

/** Parameters with scores far from uniform. `head` may change its numbers. */
const paramsWith = (head: (data: Float32Array) => void = () => undefined): TransformerParams<HostTensor> => {
  const params = initParams(CONFIG, 5);
  const data = (params.head as HostTensor).data as Float32Array;
  data.forEach((x, i) => (data[i] = x * 40));
  head(data);
  return params;
};

describe.each<RuntimeName>(["onnx-node", "onnx-web", "tfjs-cpu"])("on %s", (runtime) => {
  let engine: Engine;
  let sampler: Sampler;
  beforeAll(async () => {
    engine = await createEngine({ runtime, threads: 1 });
    sampler = createSampler(engine, CONFIG);
  });
  afterAll(async () => {
    await sampler[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });
  const sample = async (options: Omit<SampleOptions, "maxTokens">, params = paramsWith()): Promise<Completion[]> => {
    const seeds = Array.from({ length: 12 }, (_, i) => i);
    return (await sampler.sample(params, [{ tokens: PROMPT, seeds }], { maxTokens: 4, ...options }))[0] ?? [];
  };

  it.each<[string, (data: Float32Array) => void]>([
    ["one NaN in the head", (data) => void (data[7] = NaN)],
    ["an infinite head", (data) => void data.fill(Infinity)],
  ])("%s ends the run, and no sequence counts as finished", async (_, head) => {
    for (const how of [{ temperature: 0 }, {}, { topK: 3, temperature: 0.7 }, { topP: 0.5, repetitionPenalty: 1.2 }]) {
      const finished: Completion[] = [];
      const prompts = [{ tokens: PROMPT, seeds: [1, 2, 3] }];
      const work = sampler.sample(paramsWith(head), prompts, { maxTokens: 1, ...how }, (one) => finished.push(one));
      await expect(work).rejects.toMatchObject({
        code: "R1_ENGINE",
        reason: "not-finite",
        message: /prompt 0, sequence 0, new token 0: .*got NaN.*weights.*NaN/,
      });
      expect(finished).toEqual([]);
    }
    expect((await sample({ temperature: 0 })).every(({ logp }) => logp.every(Number.isFinite))).toBe(true);
  });

  it("a temperature near 0 and a top-p near 0 draw the likeliest token", async () => {
    const greedy = (await sample({ temperature: 0 })).map(({ tokens }) => [...tokens]);
    const lower = paramsWith((data) => data.forEach((x, i) => (data[i] = x - 9))); // scores of another size, some below 0
    const lowest = (await sample({ temperature: 0 }, lower)).map(({ tokens }) => [...tokens]);
    const near: Omit<SampleOptions, "maxTokens">[] = [
      { temperature: 1e-30 },
      { temperature: 1e-9, topK: 5 },
      { temperature: 1e-20, topK: 5, topP: 0.9 },
      { topP: 1e-300 },
    ];
    for (const options of near) {
      for (const [params, want] of [
        [paramsWith(), greedy],
        [lower, lowest],
      ] as const) {
        const made = await sample(options, params);
        expect(made.map(({ tokens }) => [...tokens])).toEqual(want);
        expect(made.every(({ behaviourLogp }) => behaviourLogp.every((x) => x === 0))).toBe(true);
      }
    }
  });

  it("what float32 cannot hold is refused by name", async () => {
    const bad: [Record<string, unknown>, RegExp][] = [
      [{ temperature: 1e-39 }, /temperature: expected 0, or a number from 1e-30 to 1e\+30, got 1e-39/],
      [{ temperature: 1e300 }, /temperature/],
      [{ temperature: "1" }, /temperature: .*got "1"/],
      [{ repetitionPenalty: 1e-300 }, /repetitionPenalty: expected a number from 0.000001 to 1000000, got 1e-300/],
      [{ topP: "0.5" }, /topP/],
      [{ stopTokens: 3 }, /stopTokens: expected a list/],
      [{ stopSequences: [3] }, /stopSequences/],
    ];
    for (const [options, message] of bad) {
      await expect(sample(options)).rejects.toMatchObject({ code: "R1_CONFIG", message });
    }
  });

  it("what is missing is refused by name", async () => {
    const ask = (prompts: unknown, how: unknown) =>
      sampler.sample(paramsWith(), prompts as never, how as SampleOptions).catch((error: unknown) => error);
    const bad: [unknown, unknown, RegExp][] = [
      [[{ tokens: PROMPT, seeds: [1] }], undefined, /options: expected an object with maxTokens, got undefined/],
      [[{ tokens: PROMPT }], { maxTokens: 1 }, /prompt 0 seeds: expected a list of whole numbers/],
      [[{ seeds: [1] }], { maxTokens: 1 }, /prompt 0 tokens: expected a list of token ids/],
      [[null], { maxTokens: 1 }, /prompt 0: expected an object/],
      [undefined, { maxTokens: 1 }, /prompts: expected a list/],
    ];
    for (const [prompts, how, message] of bad) {
      expect(await ask(prompts, how)).toMatchObject({ code: "R1_CONFIG", message });
    }
  });
});

describe("seeds", () => {
  const first = (seed: number): number[] => Array.from({ length: 4 }, uniformStream(seed));

  it("count with both halves", () => {
    const seeds = [1, 2 ** 32 + 1, 2 ** 33 + 1, -1, 2 ** 32 - 1, -(2 ** 32) - 1, Number.MAX_SAFE_INTEGER];
    expect(new Set(seeds.map((seed) => first(seed).join())).size).toBe(seeds.length);
    expect(new Set(seeds.map((seed) => sequenceSeed(seed, 3))).size).toBe(seeds.length);
  });

  it("of 32 bits give what they always gave", () => {
    expect([0, 1, -1, 2 ** 31 - 1].map((seed) => sequenceSeed(seed, 5))).toEqual([
      -240579880, 1505416251, -1716342906, 540679485,
    ]);
  });
});
