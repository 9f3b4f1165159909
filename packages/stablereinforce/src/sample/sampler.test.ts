import type { Tensor } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine } from "../engine/engine.ts";
import type { HostTensor } from "../engine/tensor.ts";
import type { Engine, RuntimeName } from "../engine/types.ts";
import { initParams, transformer, type TransformerConfig, type TransformerParams } from "../model/index.ts";
import { createSampler, sequenceSeed, type Completion, type SampleOptions, type Sampler } from "./index.ts";

const CONFIG: TransformerConfig = {
  vocabSize: 48,
  hiddenSize: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 48,
  tiedEmbeddings: false,
  qkvBias: true,
};

/** Fresh parameters with larger numbers, so that distributions are far from uniform. */
const sharp = (config: TransformerConfig, seed: number): TransformerParams<HostTensor> => {
  const params = initParams(config, seed);
  for (const { data } of [params.embedding, params.head as HostTensor, ...params.layers.map((layer) => layer.qkv)]) {
    for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) * 20;
  }
  return params;
};

const PARAMS = sharp(CONFIG, 11);
const MODEL = transformer(CONFIG);
const PROMPTS = [[3, 1, 4, 1, 5, 9, 2, 6], [7], [2, 7, 18, 28, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 3, 5, 3], [1, 2]];

/** Scores of every position by the whole, uncached forward pass. */
const scorer = (engine: Engine) => {
  const logits = engine.compile((p: TransformerParams<Tensor>, t: Tensor) => MODEL.logits(p, t), { maxGraphs: 512 });
  return async (tokens: readonly number[]): Promise<Float64Array[]> => {
    const out = await logits(PARAMS, { data: Int32Array.from(tokens), shape: [1, tokens.length], dtype: "int32" });
    const { data } = await engine.read(out);
    engine.dispose(out);
    return tokens.map((_, t) => Float64Array.from(data.subarray(t * CONFIG.vocabSize, (t + 1) * CONFIG.vocabSize)));
  };
};

const logSoftmax = (scores: Float64Array): Float64Array => {
  const top = Math.max(...scores);
  const total = Math.log(scores.reduce((sum, x) => sum + Math.exp(x - top), 0)) + top;
  return scores.map((x) => x - total);
};

interface Knobs {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly repetitionPenalty: number;
}

/** What the sampler should draw from: penalty, temperature, top-k, top-p, each in plain loops. Log-probabilities. */
const behaviour = (scores: Float64Array, seen: readonly number[], how: Knobs): Float64Array => {
  const adjusted = scores.map((x, id) => {
    const penalised = x > 0 ? x / how.repetitionPenalty : x * how.repetitionPenalty;
    return (seen.includes(id) ? penalised : x) / how.temperature;
  });
  const order = [...adjusted.keys()].sort((a, b) => (adjusted[b] as number) - (adjusted[a] as number));
  const firstK = how.topK > 0 ? order.slice(0, how.topK) : order;
  const logp = logSoftmax(adjusted.map((x, id) => (firstK.includes(id) ? x : -Infinity)));
  let before = 0;
  const kept = new Set<number>();
  for (const id of firstK) {
    if (before < how.topP) kept.add(id);
    before += Math.exp(logp[id] as number);
  }
  return logSoftmax(adjusted.map((x, id) => (kept.has(id) ? x : -Infinity)));
};

const argMax = (scores: Float64Array): number => scores.indexOf(Math.max(...scores));
const seeds = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);
const list = ({ tokens }: Completion): number[] => [...tokens];

describe.each<RuntimeName>(["onnx-node", "onnx-web", "tfjs-cpu"])("on %s", (runtime) => {
  let engine: Engine;
  let sampler: Sampler;
  beforeAll(async () => {
    engine = await createEngine({ runtime, threads: 1 });
    sampler = createSampler(engine, CONFIG, { maxBatch: 8 });
  });
  afterAll(async () => {
    await sampler[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });
  const length = runtime === "tfjs-cpu" ? 6 : 80; // 80 grows the cache past its first 64 positions

  it("decodes greedily what the uncached forward pass says, token for token", async () => {
    const prompts = PROMPTS.map((tokens) => ({ tokens, seeds: [0] }));
    const out = await sampler.sample(PARAMS, prompts, { maxTokens: length, temperature: 0 });
    const score = scorer(engine);
    for (const [i, prompt] of PROMPTS.entries()) {
      const made = out[i]?.[0] as Completion;
      // One pass over the finished sequence scores every prefix, since nothing sees what comes after it.
      const scores = await score([...prompt, ...made.tokens]);
      const best = list(made).map((_, t) => argMax(scores[prompt.length - 1 + t] as Float64Array));
      expect(list(made)).toEqual(best);
      expect(made.tokens.length).toBe(length);
      expect(new Set(made.behaviourLogp)).toEqual(new Set([0]));
    }
    expect(engine.liveTensors()).toBe(0);
  });

  it.each<[string, Knobs]>([
    ["temperature 1", { temperature: 1, topK: 0, topP: 1, repetitionPenalty: 1 }],
    ["temperature 1.7", { temperature: 1.7, topK: 0, topP: 1, repetitionPenalty: 1 }],
    ["top-k 3", { temperature: 1, topK: 3, topP: 1, repetitionPenalty: 1 }],
    ["top-p 0.7", { temperature: 1.3, topK: 0, topP: 0.7, repetitionPenalty: 1 }],
    ["top-k 9, top-p 0.8, penalty", { temperature: 0.8, topK: 9, topP: 0.8, repetitionPenalty: 1.4 }],
  ])("gives both log-probabilities of the full forward pass: %s", async (_, knobs) => {
    const prompts = PROMPTS.map((tokens, i) => ({ tokens, seeds: seeds(2, 10 * i) }));
    const out = await sampler.sample(PARAMS, prompts, { maxTokens: Math.min(length, 20), ...knobs });
    const score = scorer(engine);
    for (const [i, prompt] of PROMPTS.entries()) {
      for (const made of out[i] ?? []) {
        const all = [...prompt, ...made.tokens];
        const scores = await score(all);
        for (const [t, token] of made.tokens.entries()) {
          const at = scores[prompt.length - 1 + t] as Float64Array;
          expect(Math.abs((made.logp[t] as number) - (logSoftmax(at)[token] as number))).toBeLessThan(1e-4);
          const drawn = behaviour(at, all.slice(0, prompt.length + t), knobs);
          expect(Math.abs((made.behaviourLogp[t] as number) - (drawn[token] as number))).toBeLessThan(1e-4);
        }
      }
    }
  });
});

describe("the sampler", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ runtime: "onnx-node", threads: 2 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());
  const sample = async (
    prompts: readonly { tokens: readonly number[]; seeds: readonly number[] }[],
    options: SampleOptions,
    maxBatch = 64,
  ) => {
    await using sampler = createSampler(engine, CONFIG, { maxBatch });
    return sampler.sample(PARAMS, prompts, options);
  };

  // Bit for bit because every size is a multiple of 16: ONNX Runtime sums rows that begin unaligned in another order.
  it("gives a sequence the same tokens and bits whatever else is in the batch", async () => {
    const how = { maxTokens: 70, stopTokens: [13], temperature: 1.2 };
    const all = await sample(
      PROMPTS.map((tokens, i) => ({ tokens, seeds: seeds(9, 100 * i) })),
      how,
    );
    const squeezed = await sample(PROMPTS.map((tokens, i) => ({ tokens, seeds: seeds(9, 100 * i) })).reverse(), how, 3);
    for (const [i, tokens] of PROMPTS.entries()) {
      const alone = await sample([{ tokens, seeds: [100 * i + 4] }], how);
      expect(all[i]?.[4]).toEqual(alone[0]?.[0]);
      expect(squeezed[PROMPTS.length - 1 - i]).toEqual(all[i]);
    }
    expect(new Set(all.flat().map((made) => made.tokens.length)).size).toBeGreaterThan(5);
  });

  it("draws from the model's distribution", async () => {
    const prompt = PROMPTS[0] as number[];
    const draws = 6000;
    const [made] = await sample([{ tokens: prompt, seeds: seeds(draws, 1) }], { maxTokens: 1 }, 1024);
    const counts = new Float64Array(CONFIG.vocabSize);
    for (const { tokens } of made ?? []) counts[tokens[0] as number] = (counts[tokens[0] as number] as number) + 1;
    const logp = logSoftmax((await scorer(engine)(prompt)).at(-1) as Float64Array);
    // Pearson's statistic over cells that expect at least 5 draws, the rest as one cell.
    let [statistic, cells, rareSeen, rareExpected] = [0, 0, 0, 0];
    for (const [id, seen] of counts.entries()) {
      const expected = draws * Math.exp(logp[id] as number);
      if (expected >= 5) [statistic, cells] = [statistic + (seen - expected) ** 2 / expected, cells + 1];
      else [rareSeen, rareExpected] = [rareSeen + seen, rareExpected + expected];
    }
    if (rareExpected >= 5) [statistic, cells] = [statistic + (rareSeen - rareExpected) ** 2 / rareExpected, cells + 1];
    expect(cells).toBeGreaterThan(5);
    // Wilson and Hilferty's approximation of chi-square's 99.9 % point for cells − 1 degrees of freedom.
    const k = cells - 1;
    expect(statistic).toBeLessThan(k * (1 - 2 / (9 * k) + 3.09 * Math.sqrt(2 / (9 * k))) ** 3);
  });

  it("never draws a token that was cut", async () => {
    const prompt = PROMPTS[2] as number[];
    const [made] = await sample([{ tokens: prompt, seeds: seeds(400) }], { maxTokens: 1, topK: 2, temperature: 50 });
    const scores = (await scorer(engine)(prompt)).at(-1) as Float64Array;
    const best = [...scores.keys()].sort((a, b) => (scores[b] as number) - (scores[a] as number)).slice(0, 2);
    expect(new Set(made?.flatMap(list))).toEqual(new Set(best));
  });

  it("stops at tokens, at sequences, and at the limit", async () => {
    const prompt = { tokens: PROMPTS[0] as number[], seeds: [5] };
    const [[free] = []] = await sample([prompt], { maxTokens: 30, temperature: 1.5 });
    const tokens = list(free as Completion);
    expect(free?.finish).toBe("length");
    const stop = tokens[7] as number;
    const [[stopped] = []] = await sample([prompt], { maxTokens: 30, temperature: 1.5, stopTokens: [stop] });
    expect(stopped?.finish).toBe("stop");
    expect(list(stopped as Completion)).toEqual(tokens.slice(0, tokens.indexOf(stop) + 1));
    const stopSequences = [tokens.slice(10, 13)];
    const [[cut] = []] = await sample([prompt], { maxTokens: 30, temperature: 1.5, stopSequences });
    const end = tokens.findIndex((_, i) => i >= 2 && tokens.slice(i - 2, i + 1).join() === stopSequences[0]?.join());
    expect(list(cut as Completion)).toEqual(tokens.slice(0, end + 1));
    expect(cut?.finish).toBe("stop");
  });

  it("reads a shared prompt once", async () => {
    const shapes: (readonly number[])[] = [];
    const spying: Engine = {
      ...engine,
      compile: (fn, options) => {
        const compiled = engine.compile(fn, options);
        if (options?.name !== "prefill") return compiled;
        const call = (...args: Parameters<typeof compiled>) => {
          shapes.push((args[1] as unknown as { tokens: HostTensor }).tokens.shape);
          return compiled(...args);
        };
        return Object.assign(call, compiled) as typeof compiled;
      },
    };
    await using sampler = createSampler(spying, CONFIG, { maxBatch: 8 });
    const tokens = PROMPTS[2] as number[];
    await sampler.sample(PARAMS, [{ tokens, seeds: seeds(20) }], { maxTokens: 5 });
    expect(shapes).toEqual([[1, 32]]);
  });

  it("refuses what cannot be, and ends when aborted", async () => {
    const prompt = { tokens: [1, 2], seeds: [1] };
    const bad: [SampleOptions, RegExp][] = [
      [{ maxTokens: 0 }, /maxTokens/],
      [{ maxTokens: 1, temperature: -1 }, /temperature/],
      [{ maxTokens: 1, temperature: NaN }, /temperature/],
      [{ maxTokens: 1, topP: 0 }, /topP/],
      [{ maxTokens: 1, topK: 1.5 }, /topK/],
      [{ maxTokens: 1, repetitionPenalty: 0 }, /repetitionPenalty/],
      [{ maxTokens: 1, stopTokens: [48] }, /stopTokens/],
      [{ maxTokens: 1, stopSequences: [[]] }, /stopSequences/],
    ];
    for (const [options, message] of bad) await expect(sample([prompt], options)).rejects.toThrow(message);
    await expect(sample([{ tokens: [], seeds: [1] }], { maxTokens: 1 })).rejects.toThrow(/prompt 0/);
    await expect(sample([{ tokens: [48], seeds: [1] }], { maxTokens: 1 })).rejects.toThrow(/prompt 0 token 0/);
    await expect(sample([{ tokens: [1], seeds: [NaN] }], { maxTokens: 1 })).rejects.toThrow(/seeds/);
    const signal = AbortSignal.abort();
    await expect(sample([prompt], { maxTokens: 9, signal })).rejects.toThrow(/aborted/);
    expect(await sample([{ tokens: [1], seeds: [] }], { maxTokens: 1 })).toEqual([[]]);
  });
});

describe("seeds", () => {
  it("differ for neighbours", () => {
    const made = new Set([...Array(50).keys()].flatMap((i) => [...Array(50).keys()].map((j) => sequenceSeed(1, i, j))));
    expect(made.size).toBe(2500);
    expect(sequenceSeed(1, 2, 3)).toBe(sequenceSeed(1, 2, 3));
    expect(sequenceSeed(1, 2, 3)).not.toBe(sequenceSeed(2, 2, 3));
  });
});
