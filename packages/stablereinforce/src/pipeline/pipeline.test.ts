import { defineReward, defineTaggedProtocol, MediaError, resultReward, type Winner } from "@r1reward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { foldersOf } from "../checkpoint/folders.ts";
import { loadCheckpoint, memoryStore } from "../checkpoint/index.ts";
import { createEngine, type Engine } from "../engine/index.ts";
import { EngineError } from "../engine/errors.ts";
import { characterTokenizer } from "../policy/index.ts";
import type { TrainingReport } from "../train/index.ts";
import {
  adviseOnMemory,
  evaluatePolicy,
  examplesOf,
  holdOut,
  loadBest,
  promptsOf,
  recipeOf,
  runRl,
  runSft,
  screenPairs,
  textModel,
  type LabelledPair,
  type PairData,
  type PipelineModel,
  type StageEvent,
  type StageRecorder,
} from "./index.ts";

/** Which of two digits is larger, with a thought that names it: `3 7` → `<think>7</think><answer>2</answer>`. */
const protocol = defineTaggedProtocol({
  name: "larger/v1",
  template: "{question}{answer1} {answer2}=",
  labels: { first: "1", second: "2" },
});
const tokenizer = characterTokenizer("0123456789 =?<>/thinkaswer");
const config = {
  vocabSize: 32,
  hiddenSize: 32,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  intermediateSize: 64,
  tiedEmbeddings: true,
};
const MAX_TOKENS = 40;

const pairs: LabelledPair[] = Array.from({ length: 90 }, (_, i) => {
  const [a, b] = [Math.floor(i / 9), (Math.floor(i / 9) + (i % 9) + 1) % 10];
  return {
    id: `${a},${b}`,
    question: [{ type: "text", text: "?" }],
    responses: [String(a), String(b)],
    human: a > b ? 0 : 1,
    group: [a, b].sort().join(),
  };
});
const critique = (pair: LabelledPair, swapped: boolean): string => {
  const place = (swapped ? 1 - pair.human : pair.human) + 1;
  return `<think>${pair.responses[pair.human]}</think><answer>${place}</answer>`;
};
const data: PairData = { name: "digits", pairs, critique, skipped: [] };

let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ runtime: "onnx-node", threads: 1 })));
afterAll(() => engine[Symbol.asyncDispose]());

const withModel = async (work: (model: PipelineModel) => Promise<void>): Promise<void> => {
  await using model = textModel<Winner>({ engine, config, tokenizer, context: 64, initSeed: 3 });
  await work(model);
};

const recorder =
  (events: StageEvent[], history: TrainingReport[] = []): (() => Promise<StageRecorder>) =>
  () =>
    Promise.resolve({
      history,
      write: (event) => Promise.resolve(void events.push(event)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });

const TIMED = ["seconds", "sampleSeconds", "updateSeconds", "tokensPerSecond", "memory"];
/** What two equal runs must share. */
const stepsOf = (events: readonly StageEvent[]) =>
  events.flatMap((event) =>
    event.kind === "step"
      ? [Object.fromEntries(Object.entries(event.report).filter(([name]) => !TIMED.includes(name)))]
      : [],
  );

describe("from pairs to prompts", () => {
  it("shows the better response first in half of the pairs, and says where it is", () => {
    const prompts = promptsOf(pairs, { protocol, seed: 5 });
    expect(prompts.filter(({ truth }) => truth === 0)).toHaveLength(45);
    expect(promptsOf(pairs.slice(0, 7), { protocol, seed: 5 }).filter(({ truth }) => truth === 0)).toHaveLength(4);
    for (const { prompt, truth } of prompts) {
      const text = prompt
        .flatMap(({ content }) => content.map((part) => (part.type === "text" ? part.text : "")))
        .join("");
      const [a, b] = /(\d) (\d)/.exec(text)?.slice(1).map(Number) as [number, number];
      expect(truth).toBe(a > b ? 0 : 1);
    }
    expect(promptsOf(pairs, { protocol, seed: 6 })).not.toEqual(prompts);
    expect(promptsOf(pairs, { protocol, order: "both" })).toHaveLength(180);
    expect(promptsOf(pairs, { protocol, order: "as-stored" }).map(({ truth }) => truth)).toEqual(
      pairs.map(({ human }) => human),
    );
  });

  it("takes the order that a critique was written for", () => {
    const stored: PairData = { ...data, critique: (pair, swapped) => (swapped ? null : critique(pair, swapped)) };
    expect(examplesOf(stored, { protocol }).every(({ id }) => id.endsWith("/stored"))).toBe(true);
    expect(examplesOf(data, { protocol, order: "both" })).toHaveLength(180);
    expect(() => examplesOf({ ...data, critique: () => null }, { protocol })).toThrow("digits: expected critiques");
    expect(() => examplesOf({ ...data, critique: undefined }, { protocol })).toThrow("no pair has one");
  });

  it("never leaves a family on both sides of a split", () => {
    const { train, held } = holdOut(data, { count: 20, seed: 1 });
    expect(held.pairs.length).toBeGreaterThanOrEqual(20);
    expect(train.pairs.length + held.pairs.length).toBe(90);
    const groups = new Set(held.pairs.map(({ group }) => group));
    expect(train.pairs.some(({ group }) => groups.has(group))).toBe(false);
    expect(() => holdOut(data, { count: 90 })).toThrow("expected more than 90 pairs");
  });

  it("holds out: skipped rows are on one side only, and a single group cannot be split", () => {
    const skipped = [{ where: "d.jsonl:3", problem: "no choice" }];
    const { train, held } = holdOut({ ...data, skipped }, { count: 20 });
    expect([train.skipped, held.skipped]).toEqual([skipped, []]);
    const one = pairs.slice(0, 8).map((pair) => ({ ...pair, group: "all" }));
    expect(() => holdOut({ ...data, pairs: one }, { count: 4 })).toThrow(
      "expected pairs of at least two pictures or groups to hold some out, got 8 of one: pairs of one picture or group stay together",
    );
    const two = one.map((pair, i) => ({ ...pair, group: i === 0 ? "small" : "large" }));
    const split = (seed: number) => holdOut({ ...data, pairs: two }, { count: 4, seed }).held.pairs.length;
    const outcomes = [...Array(8).keys()].map((seed) => {
      try {
        return split(seed);
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(outcomes).toContain(7);
    expect(outcomes.join()).toMatch(/got 8 of 2 pictures or groups, all held out/);
  });
});

describe("screening", () => {
  const measure = (prompt: Parameters<PipelineModel["measure"]>[0]): number => {
    const text = JSON.stringify(prompt);
    if (text.includes("4 8")) throw new MediaError("truncated", "image: ends too early");
    return text.includes("9 ") ? 60 : 10;
  };
  const where = (pair: LabelledPair) => ({ file: "d.jsonl", line: pairs.indexOf(pair) + 1 });

  it("names the row of a broken picture and of a prompt that is too long", async () => {
    const options = { model: { measure, context: 64 }, protocol, replyTokens: 20 };
    const only = (id: string) => ({ ...data, where, pairs: pairs.filter((pair) => pair.id === id) });
    await expect(screenPairs(only("4,8"), options)).rejects.toMatchObject({
      code: "R1_DATASET",
      file: "d.jsonl",
      line: 40,
    });
    await expect(screenPairs(only("9,1"), options)).rejects.toThrow(
      "60 tokens, with 20 for the reply that is over the context of 64",
    );
  });

  it("skips and counts, and gives up when nothing is left", async () => {
    const options = { model: { measure, context: 64 }, protocol, replyTokens: 20, onBroken: "skip" } as const;
    const kept = await screenPairs({ ...data, where }, options);
    expect(kept.skipped).toContainEqual({ where: "d.jsonl:40", problem: "image: ends too early" });
    expect(kept.pairs.length + kept.skipped.length).toBe(90);
    expect(kept.pairs.some(({ id }) => id === "4,8" || id.startsWith("9,"))).toBe(false);
    const none = screenPairs({ ...data, pairs: pairs.slice(81) }, { ...options, model: { measure, context: 30 } });
    await expect(none).rejects.toThrow("no pair can be used, 9 were skipped; the first: digits pair 9,0");
  });

  it("does not take a missing model for a broken row", async () => {
    const failing = () => Promise.reject(new EngineError("gone", { reason: "disposed" }));
    const options = { model: { measure: failing, context: 64 }, protocol, replyTokens: 1, onBroken: "skip" } as const;
    await expect(screenPairs(data, options)).rejects.toThrow("gone");
  });
});

describe("stages", () => {
  const sft = (model: PipelineModel) => ({
    model,
    examples: examplesOf(data, { protocol, order: "both" }),
    run: { batch: 30, learningRate: 1e-2 },
    seed: 7,
  });

  it("learns the form, then the choice; measures in both orders; keeps the best", async () => {
    await withModel(async (model) => {
      const { train, held } = holdOut(data, { count: 16, seed: 1 });
      const measured = { model, pairs: held.pairs, protocol, maxTokens: MAX_TOKENS };
      const evaluation = {
        every: 60,
        run: (weights: object) => evaluatePolicy({ ...measured, weights: weights as never }),
      };
      const cold = await runSft({ ...sft(model), steps: 120, store: memoryStore(), evaluation });
      expect(cold).toMatchObject({ status: "finished", step: 120 });
      expect(cold.evaluation?.format).toBeGreaterThan(0.9);
      expect(cold.evaluation?.n).toBe(held.pairs.length);
      const events: StageEvent[] = [];
      const best = memoryStore();
      const rl = await runRl({
        model,
        weights: cold.weights,
        prompts: promptsOf(train.pairs, { protocol }),
        reward: resultReward({ protocol }),
        recipe: recipeOf("stable-reinforce"),
        run: { learningRate: 2e-3, rolloutBatch: 32, samplesPerPrompt: 2, trainBatch: 32, maxTokens: MAX_TOKENS },
        steps: 12,
        seed: 7,
        store: memoryStore(),
        best,
        evaluation: { ...evaluation, every: 6 },
        record: recorder(events),
        watch: { onAlarm: "continue" },
      });
      const measurements = events.filter(({ kind }) => kind === "evaluation").map(({ step }) => step);
      expect(measurements).toEqual([0, 6, 12]);
      expect(events.filter((event) => event.kind === "samples" && event.samples.length === 2)).toHaveLength(12);
      expect(rl.best).not.toBeNull();
      const kept = await loadBest(best);
      const again = await evaluatePolicy({ ...measured, weights: kept as never });
      expect(again.accuracy).toBe(rl.best?.accuracy);
      expect((await foldersOf(best)).filter(({ finished }) => finished)).toHaveLength(1);
    });
  }, 120_000);

  it("goes on after an interruption as if there had been none", async () => {
    await withModel(async (model) => {
      const whole: StageEvent[] = [];
      const end = await runSft({ ...sft(model), steps: 9, store: memoryStore(), record: recorder(whole) });
      const stop = new AbortController();
      const store = memoryStore();
      const parts: StageEvent[] = [];
      const record = () =>
        recorder(parts)().then((inner) => ({
          ...inner,
          write: (event: StageEvent) => {
            if (event.kind === "step" && event.step === 4) stop.abort();
            return inner.write(event);
          },
        }));
      const first = await runSft({ ...sft(model), steps: 9, store, stop: stop.signal, record });
      expect(first).toMatchObject({ status: "interrupted", step: 4 });
      const second = await runSft({ ...sft(model), steps: 9, store, record: recorder(parts) });
      expect(second).toMatchObject({ status: "finished", step: 9, resumedAt: 4 });
      expect(second.weights).toEqual(end.weights);
      expect(stepsOf(parts)).toEqual(stepsOf(whole));
      const third = await runSft({ ...sft(model), steps: 9, store });
      expect(third).toMatchObject({ status: "finished", step: 9, resumedAt: 9 });
      await expect(runSft({ ...sft(model), steps: 9, store, resume: false })).rejects.toThrow("checkpoints already");
      await expect(runSft({ ...sft(model), steps: 8, store })).rejects.toThrow("resume: steps was 9");
    });
  }, 60_000);

  const rl = (model: PipelineModel, reward: () => number) => ({
    model,
    prompts: promptsOf(pairs, { protocol }),
    reward: defineReward<Winner>({ name: "mine", score: reward }),
    run: { learningRate: 1e-3, rolloutBatch: 4, trainBatch: 4, maxTokens: 8 },
    steps: 6,
    seed: 1,
  });

  it("stops at an alarm and keeps the last good checkpoint, or goes back and tries another seed", async () => {
    await withModel(async (model) => {
      let calls = 0;
      const limits = { lengthAtCap: 2, repetition: 2, entropy: 0, dropped: -1 };
      const acts = ({ step, kind }: { step: number; kind: string }) =>
        kind === "no-rewards" && step === 4 && calls <= 16;
      const reward = () => ((calls += 1), Math.sin(calls));
      const store = memoryStore();
      const stopped = await runRl({
        ...rl(model, reward),
        store,
        saveEvery: 3,
        watch: { onAlarm: "stop", acts, limits },
      });
      expect(stopped).toMatchObject({ status: "stopped", step: 3 });
      expect(stopped.alarms.map(({ kind }) => kind)).toContain("no-rewards");
      expect((await loadCheckpoint(store))?.snapshot.step).toBe(3);
      calls = 0;
      const events: StageEvent[] = [];
      const back = await runRl({
        ...rl(model, reward),
        store: memoryStore(),
        saveEvery: 2,
        record: recorder(events),
        watch: { onAlarm: "roll-back", acts, limits, snapshotEvery: 100 },
      });
      expect(back).toMatchObject({ status: "finished", step: 6 });
      expect(events.filter(({ kind }) => kind === "rewound").map(({ step }) => step)).toEqual([0]);
      expect(events.filter(({ kind }) => kind === "step").map(({ step }) => step)).toEqual([
        1, 2, 3, 4, 1, 2, 3, 4, 5, 6,
      ]);
    });
  }, 60_000);
});

describe("out of memory", () => {
  it("says what to lower", async () => {
    const failed = adviseOnMemory("rl", () =>
      Promise.reject(new EngineError("bad_alloc", { reason: "out-of-memory" })),
    );
    await expect(failed).rejects.toMatchObject({
      code: "R1_ENGINE",
      reason: "out-of-memory",
      message: /lower rl\.microBatch.*--dry-run/,
    });
    const real = adviseOnMemory("sft", async () => new Float32Array(2 ** 46));
    await expect(real).rejects.toThrow("lower sft.microBatch");
    await expect(adviseOnMemory("sft", () => Promise.reject(new Error("other")))).rejects.toThrow(/^other$/);
  });
});
