import { defineGroupReward, defineReward } from "@r1reward/core";
import { div, mul } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { advantageEstimators, kl, losses, presets, type Recipe } from "../algorithm/index.ts";
import { loadCheckpoint, memoryStore, saveCheckpoint } from "../checkpoint/index.ts";
import { createEngine, type Engine } from "../engine/index.ts";
import {
  banditPolicy,
  characterTokenizer,
  transformerPolicy,
  type Policy,
  type TrainingPrompt,
} from "../policy/index.ts";
import { trainSft } from "./sft.ts";
import { trainStableReinforce } from "./train.ts";
import type { Snapshot, StepReport, TrainStableReinforceOptions } from "./types.ts";

const promptOf = (text: string): TrainingPrompt<string>["prompt"] => [
  { role: "user", content: [{ type: "text", text }] },
];
const tokenizer = characterTokenizer("0123456789+");
const config = {
  vocabSize: 16,
  hiddenSize: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 32,
  tiedEmbeddings: true,
};
const prompts: TrainingPrompt<string>[] = ["1+1", "2+3", "4+0", "0+9", "7+1"].map((text) => ({
  id: text,
  prompt: promptOf(text),
  truth: text.slice(-1),
}));
const ends = defineReward<string>({ name: "ends", score: ({ text, truth }) => (text.includes(truth) ? 1 : 0) });

/** Everything that decides the next step is on: KL that adapts, minibatches, several passes, groups. */
const adaptive: Recipe = {
  ...presets.paper,
  name: "adaptive",
  estimate: advantageEstimators.rloo(),
  loss: losses.grpo(),
  klController: kl.adaptive({ initial: 0.1, target: 0.01, horizon: 100 }),
};

/** What two equal runs must share: every measurement but time and memory. */
const comparable = (report: StepReport): unknown => {
  const { seconds: _s, sampleSeconds: _a, updateSeconds: _u, tokensPerSecond: _t, memory: _m, ...rest } = report;
  return { ...rest, snapshot: undefined, params: undefined, samples: undefined };
};

let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ runtime: "onnx-node", threads: 1 })));
afterAll(() => engine[Symbol.asyncDispose]());

const withTransformer = async (work: (policy: Policy<string>) => Promise<void>): Promise<void> => {
  await using policy = transformerPolicy<string>({ engine, config, tokenizer, initSeed: 3 });
  await work(policy);
};

const options = (policy: Policy<string>): TrainStableReinforceOptions<string> => ({
  policy,
  prompts,
  reward: ends,
  recipe: adaptive,
  run: { learningRate: 3e-3, rolloutBatch: 4, samplesPerPrompt: 4, trainBatch: 6, passes: 2, maxTokens: 6 },
  steps: 6,
  seed: 11,
});

describe("resuming", () => {
  it("gives the losses of an unbroken run to the last digit, through a checkpoint, from every step", async () => {
    await withTransformer(async (policy) => {
      const store = memoryStore();
      const whole: unknown[] = [];
      let last: Snapshot | undefined;
      for await (const step of trainStableReinforce(options(policy))) {
        whole.push(comparable(step));
        last = await step.snapshot();
        await saveCheckpoint(store, last);
      }
      expect(new Set(whole.map((report) => (report as StepReport).klCoef)).size).toBe(6);
      for (let at = 1; at < 6; at++) {
        const from = (await loadCheckpoint(store, { step: at }))?.snapshot;
        const rest: unknown[] = [];
        let end: Snapshot | undefined;
        for await (const step of trainStableReinforce({ ...options(policy), from })) {
          rest.push(comparable(step));
          end = await step.snapshot();
        }
        expect(rest).toEqual(whole.slice(at));
        expect(end).toEqual(last);
      }
    });
  }, 120_000);

  it.each([1, 3])(
    "gives the same for supervised training, %i batches sorted together",
    async (groupByLength) => {
      await withTransformer(async (policy) => {
        const examples = prompts.map(({ prompt, truth }) => ({
          promptTokens: tokenizer.encodePrompt(prompt),
          tokens: tokenizer.encodeReply(truth),
        }));
        const sft = { policy, examples, seed: 5, steps: 30, run: { batch: 4, learningRate: 1e-2, groupByLength } };
        const losses: number[] = [];
        let middle: Snapshot | undefined;
        for await (const step of trainSft(sft)) {
          losses.push(step.loss ?? NaN);
          if (step.step === 13) middle = await step.snapshot();
        }
        expect(losses[0]).toBeGreaterThan(2);
        expect(losses.at(-1)).toBeLessThan(0.5);
        const again: number[] = [];
        for await (const step of trainSft({ ...sft, from: middle })) again.push(step.loss ?? NaN);
        expect(again).toEqual(losses.slice(13));
      });
    },
    60_000,
  );

  it.each([
    [{ seed: 12 }, /seed was 11 .* is 12/],
    [{ steps: 7 }, /steps was 6/],
    [{ prompts: prompts.slice(1) }, /prompts was 5/],
    [{ run: { rolloutBatch: 5 } }, /rolloutBatch|trainBatch/],
  ])("refuses another run: %#", async (change, message) => {
    await withTransformer(async (policy) => {
      let from: Snapshot | undefined;
      for await (const step of trainStableReinforce(options(policy))) {
        from = await step.snapshot();
        break;
      }
      const next = trainStableReinforce({ ...options(policy), from, ...change }).next();
      await expect(next).rejects.toThrow(message);
      expect(engine.liveTensors()).toBe(0);
    });
  });

  it("refuses weights of another policy, and a snapshot that is asked for too late", async () => {
    await withTransformer(async (policy) => {
      const { policy: _p, ...rest } = options(policy);
      const bandit = banditPolicy<string>({ engine, arms: 2 });
      const wrong = trainStableReinforce({ ...rest, policy: bandit, weights: policy.parameters() });
      await expect(wrong.next()).rejects.toThrow(/weights: does not fit the policy, see/);
      const training = trainStableReinforce(options(policy));
      const first = (await training.next()).value;
      await training.next();
      await expect((first as { snapshot: () => Promise<Snapshot> }).snapshot()).rejects.toThrow(/step 1 is over/);
      await training.return();
      expect(engine.liveTensors()).toBe(0);
    });
  });
});

describe("rewards", () => {
  const bandit = () => banditPolicy<string>({ engine, arms: 3 });
  const run = { learningRate: 0.1, rolloutBatch: 8, samplesPerPrompt: 2, trainBatch: 8, maxTokens: 1 };
  const one = [{ id: "p", prompt: promptOf("?"), truth: "0" }];
  const first = async (changes: Partial<TrainStableReinforceOptions<string>>) => {
    const base = { policy: bandit(), prompts: one, reward: ends, run, steps: 1, seed: 4 };
    for await (const step of trainStableReinforce({ ...base, ...changes })) return step;
    throw new Error("no step");
  };

  it("drops and counts what has no reward, and learns from the rest", async () => {
    const picky = defineReward<string>({ name: "picky", score: ({ text }) => (text === "1" ? null : Number(text)) });
    const step = await first({ reward: picky });
    expect(step.dropped).toBeGreaterThan(0);
    expect(step.rollouts + step.dropped).toBe(16);
    expect(step.samples.every(({ text }) => text !== "1")).toBe(true);
    const none = await first({ reward: defineReward<string>({ name: "none", score: () => null }) });
    expect(none).toMatchObject({ rollouts: 0, dropped: 16, losses: [], loss: null, kl: null, zeroSpread: null });
  });

  it("gives groups whole and in order to group rewards, and reports parts", async () => {
    const seen: string[][] = [];
    const group = defineGroupReward<string>({
      name: "rank",
      scoreGroup: (samples) => {
        seen.push(samples.map(({ id }) => id));
        return samples.map((_, i) => ({ value: i, parts: { rank: i, odd: i === 0 ? null : 1 } }));
      },
    });
    const step = await first({ reward: group });
    expect(seen).toEqual(Array.from({ length: 8 }, () => ["p#0", "p#1"]));
    expect(step.rewardParts).toEqual({ rank: 0.5, odd: 1 });
    expect(step.reward).toEqual({ mean: 0.5, std: 0.5, min: 0, max: 1 });
    expect(step.zeroSpread).toBe(0);
  });

  it("names the sample whose reward failed, or takes the value that the caller names", async () => {
    const broken = defineReward<string>({
      name: "broken",
      score: () => {
        throw new Error("no luck");
      },
    });
    await expect(first({ reward: broken })).rejects.toThrow(/reward broken on sample p#\d: threw: no luck/);
    expect(await first({ reward: broken, onRewardError: () => null })).toMatchObject({ dropped: 16 });
    const brokenGroup = defineGroupReward<string>({ name: "g", scoreGroup: () => [1] });
    await expect(first({ reward: brokenGroup })).rejects.toThrow(/expected 2 rewards/);
    expect(engine.liveTensors()).toBe(0);
  });

  it("run while other replies are still being sampled", async () => {
    const events: string[] = [];
    const slow: Policy<string> = {
      ...bandit(),
      async *sample(...args) {
        for await (const reply of bandit().sample(...args)) {
          events.push(`sampled ${reply.place.join()}`);
          yield reply;
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      },
    };
    const reward = defineReward<string>({
      name: "slow",
      score: async ({ id }) => {
        events.push(`began ${id}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        return 1;
      },
    });
    await first({ policy: slow, reward });
    const lastSampled = events.findLastIndex((event) => event.startsWith("sampled"));
    expect(events.slice(0, lastSampled).filter((event) => event.startsWith("began")).length).toBeGreaterThan(5);
  });

  it("stops when aborted, during a reward that never ends", async () => {
    const never = defineReward<string>({ name: "never", score: () => new Promise<number>(() => undefined) });
    const signal = AbortSignal.timeout(30);
    await expect(first({ reward: never, signal })).rejects.toMatchObject({ code: "R1_ABORTED" });
    expect(engine.liveTensors()).toBe(0);
  });
});

describe("numbers that are none", () => {
  const nanLoss: Recipe = {
    ...presets.paper,
    loss: (inputs) => {
      const made = losses.ppo()(inputs);
      return { ...made, loss: div(made.loss, mul(made.stats.tokens, 0)) };
    },
  };
  const run = { learningRate: 0.1, rolloutBatch: 8, trainBatch: 4, maxTokens: 1 };
  const base = { prompts: [{ id: "p", prompt: promptOf("?"), truth: "0" }], reward: ends, run, steps: 1, seed: 4 };

  it.each(["skip", "apply"] as const)("updates are counted with %s", async (nonFinite) => {
    const policy = banditPolicy<string>({ engine, arms: 3 });
    for await (const step of trainStableReinforce({ ...base, policy, recipe: nanLoss, nonFinite })) {
      const { weights } = await step.snapshot();
      // with `apply` the second update reads weights that are NaN: its four tokens count as well
      expect(step.nanCount).toBe(nonFinite === "skip" ? 2 : 6);
      expect(step.skippedUpdates).toBe(nonFinite === "skip" ? 2 : 0);
      expect(Array.from(weights.scores?.data ?? []).every((x) => x === 0)).toBe(nonFinite === "skip");
    }
  });
});
