import { defineReward } from "@r1reward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { presets, type Recipe } from "../algorithm/index.ts";
import { createEngine, type Engine, type HostTensor } from "../engine/index.ts";
import {
  banditPolicy,
  characterTokenizer,
  transformerPolicy,
  type Policy,
  type TrainingPrompt,
} from "../policy/index.ts";
import { trainStableReinforce } from "./train.ts";
import type { Snapshot, TrainingStep, TrainStableReinforceOptions } from "./types.ts";

// Policy gradient on the tokens of highest entropy alone (arXiv 2506.01939, equation 6).

let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ runtime: "tfjs-cpu" })));
afterAll(() => engine[Symbol.asyncDispose]());

const ARMS = 4;
/** One row of scores for each context: flat, leaning, nearly certain. */
const TABLE = [0.1, 0, -0.1, 0, 1.5, 0, 0.5, -0.5, 6, 0, 1, 0];

const prompts: TrainingPrompt<number>[] = [0, 1, 2].map((context) => ({
  id: String(context),
  prompt: [{ role: "user", content: [{ type: "text", text: `context ${context}` }] }],
  truth: context,
}));
const even = defineReward<number>({ name: "even", score: ({ text }) => (Number(text) % 2 === 0 ? 1 : 0) });

const bandit = (): Policy<number> => {
  const plain = banditPolicy<number>({ engine, arms: ARMS, contexts: 3 });
  const scores = { data: Float32Array.from(TABLE), shape: [3, ARMS], dtype: "float32" } as const;
  return { ...plain, parameters: () => ({ scores }) };
};

/** Entropies of the table's rows, in plain loops. */
const entropyOf = (context: number): number => {
  const scores = TABLE.slice(context * ARMS, (context + 1) * ARMS);
  const total = scores.reduce((sum, x) => sum + Math.exp(x), 0);
  return -scores.reduce((sum, x) => sum + (Math.exp(x) / total) * (x - Math.log(total)), 0);
};

const run = { learningRate: 0.1, rolloutBatch: 3, samplesPerPrompt: 8, trainBatch: 24, maxTokens: 1, warmup: 0 };
type Options = Partial<TrainStableReinforceOptions<number>>;
const train = async (recipe: Recipe, options: Options = {}) => {
  const steps: TrainingStep<number>[] = [];
  const ends: Snapshot[] = [];
  const base = { policy: bandit(), prompts, reward: even, run, steps: 3, seed: 5 };
  for await (const step of trainStableReinforce({ ...base, recipe, ...options })) {
    steps.push(step);
    ends.push(await step.snapshot());
  }
  return { steps, ends, weights: (ends.at(-1) as Snapshot).weights };
};
const sharing = (entropyShare: number): Recipe => ({ ...presets.paper, entropyShare });
const scoresOf = ({ weights }: { readonly weights: Snapshot["weights"] }): number[] => [...((weights.scores as HostTensor).data as Float32Array)]; // prettier-ignore

describe("entropyShare", () => {
  it("moves the contexts that are in doubt, and leaves the others to the last bit", async () => {
    expect([0, 1, 2].map(entropyOf)).toEqual([expect.closeTo(1.384, 3), expect.closeTo(1.11, 3), expect.closeTo(0.074, 3)]); // prettier-ignore
    for (const [share, moved] of [
      [1 / 3, [0]],
      [2 / 3, [0, 1]],
      [1, [0, 1, 2]],
      [0, []],
    ] as const) {
      // prettier-ignore
      const { steps, weights } = await train(sharing(share), { steps: 1 });
      const now = scoresOf({ weights });
      const differs = (context: number): boolean =>
        now.slice(context * ARMS, (context + 1) * ARMS).some((x, i) => x !== Math.fround(TABLE[context * ARMS + i] as number)); // prettier-ignore
      expect([0, 1, 2].filter(differs)).toEqual(moved);
      expect(steps[0]?.lowEntropy).toBeCloseTo(1 - share, 6);
    }
  });

  it("is the update with those advantages set to 0 by hand, averages over all tokens", async () => {
    const bySharing = await train(sharing(1 / 3), { steps: 1, oldLogp: "forward" });
    const contexts = (bySharing.steps[0]?.samples ?? []).map(({ truth }) => truth);
    const byHand: Recipe = {
      ...presets.paper,
      normalise: (rows) => presets.paper.normalise(rows).map((row, n) => row.map((a) => (contexts[n] === 0 ? a : 0))),
    };
    const same = await train(byHand, { steps: 1, oldLogp: "forward" });
    expect(same.steps[0]?.gradNorm).toBeGreaterThan(0);
    expect(same.steps[0]?.lowEntropy).toBeNull();
    expect(scoresOf(bySharing)).toEqual(scoresOf(same));
    const all = await train(presets.paper, { steps: 1, oldLogp: "forward" });
    expect(scoresOf(all)).not.toEqual(scoresOf(same));
  });

  it("takes the sampler's word for log π_old where that is asked, and micro-batches", async () => {
    const whole = await train(sharing(1 / 3));
    for (const options of [{ oldLogp: "sampler" }, { microBatch: 5 }] as const) {
      const other = await train(sharing(1 / 3), options);
      scoresOf(other).forEach((x, i) => expect(x).toBeCloseTo(scoresOf(whole)[i] as number, 4));
      expect(other.steps.map(({ lowEntropy }) => lowEntropy)).toEqual(whole.steps.map(({ lowEntropy }) => lowEntropy));
    }
    expect(engine.liveTensors()).toBe(0);
  });

  it("goes on from a snapshot to the last bit, and not with another share", async () => {
    const whole = await train(sharing(0.5));
    const from = whole.ends[0] as Snapshot;
    expect(scoresOf(await train(sharing(0.5), { from }))).toEqual(scoresOf(whole));
    await expect(train(sharing(0.4), { from })).rejects.toThrow("entropyShare was 0.5 when the snapshot was made, and is 0.4 now"); // prettier-ignore
    await expect(train(presets.paper, { from })).rejects.toThrow("entropyShare was 0.5 when the snapshot was made, and is null now"); // prettier-ignore
  });

  it("goes on from a snapshot of before there was such a setting", async () => {
    const { ends, weights } = await train(presets.paper);
    const { entropyShare: _none, ...state } = (ends[0] as Snapshot).state;
    expect(_none).toBeNull();
    const again = await train(presets.paper, { from: { ...(ends[0] as Snapshot), state } });
    expect(scoresOf(again)).toEqual(scoresOf({ weights }));
  });

  it("needs a policy that gives entropies, and a share", async () => {
    const given = bandit();
    const policy: Policy<number> = { ...given, logp: (...args) => ({ logp: given.logp(...args).logp }) };
    await expect(train(sharing(0.2), { policy })).rejects.toThrow(
      /entropyShare: the policy bandit-3x4 gives no entropies/,
    );
    for (const share of [-0.1, 1.1, Number.NaN])
      await expect(train(sharing(share))).rejects.toThrow(/entropyShare: expected a share from 0 to 1/);
    expect(engine.liveTensors()).toBe(0);
  });

  it("counts tokens of the whole batch, whatever reply they are in", async () => {
    const tokenizer = characterTokenizer("abcdefgh ");
    const config = { vocabSize: 16, hiddenSize: 16, layers: 1, heads: 2, kvHeads: 1, intermediateSize: 24, tiedEmbeddings: true }; // prettier-ignore
    await using policy = transformerPolicy<number>({ engine, config, tokenizer, entropy: true, initSeed: 2 });
    const said = prompts.map((one) => ({ ...one, prompt: [{ role: "user" as const, content: [{ type: "text" as const, text: "ab" }] }] })); // prettier-ignore
    const reward = defineReward<number>({ name: "a", score: ({ text }) => text.split("a").length - 1 });
    const { steps } = await train(sharing(0.25), {
      policy,
      prompts: said,
      reward,
      run: { ...run, maxTokens: 6 },
      steps: 1,
    });
    const [step] = steps;
    const tokens = step?.tokens ?? 0;
    expect(tokens).toBeGreaterThan(60);
    expect(step?.lowEntropy).toBeCloseTo((tokens - Math.ceil(0.25 * tokens)) / tokens, 6);
  });
});
