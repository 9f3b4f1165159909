import { defineReward } from "@r1reward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { advantageEstimators, losses, overlongShaping, presets, type Recipe } from "../algorithm/index.ts";
import { createEngine, type Engine } from "../engine/index.ts";
import { banditPolicy, type TrainingPrompt } from "../policy/index.ts";
import { trainStableReinforce } from "./train.ts";
import type { Snapshot, TrainingStep, TrainStableReinforceOptions } from "./types.ts";

/** Contexts 0 and 1 pay for an arm; in 2 every arm gets the same. */
const prompts: TrainingPrompt<number>[] = [0, 1, 2].map((context) => ({
  id: String(context),
  prompt: [{ role: "user", content: [{ type: "text", text: `context ${context}` }] }],
  truth: context === 2 ? -1 : context,
}));
const pays = defineReward<number>({ name: "pays", score: ({ text, truth }) => (Number(text) === truth ? 1 : 0) });
const recipe: Recipe = {
  ...presets.paper,
  name: "grpo",
  estimate: advantageEstimators.grpo(),
  normalise: (rows) => rows,
  loss: losses.grpo({ klCoef: 0 }),
};

let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ runtime: "tfjs-cpu" })));
afterAll(() => engine[Symbol.asyncDispose]());

const run = async (changes: Partial<TrainStableReinforceOptions<number>>) => {
  const steps: TrainingStep<number>[] = [];
  const snapshots: Snapshot[] = [];
  for await (const step of trainStableReinforce({
    policy: banditPolicy<number>({ engine, arms: 2, contexts: 3 }),
    prompts,
    reward: pays,
    recipe,
    run: { learningRate: 0.01, rolloutBatch: 3, samplesPerPrompt: 4, trainBatch: 12, maxTokens: 1 },
    steps: 6,
    seed: 4,
    ...changes,
  })) {
    steps.push(step);
    snapshots.push(await step.snapshot());
  }
  return { steps, snapshots };
};

const groupsOf = (step: TrainingStep<number>): Map<string, number[]> => {
  const groups = new Map<string, number[]>();
  for (const { group, reward } of step.samples)
    groups.set(group, [...(groups.get(group) ?? []), reward.value as number]);
  return groups;
};

describe("dynamic sampling", () => {
  it("fills the batch with groups that differ, and counts the others", async () => {
    const plain = await run({});
    expect(plain.steps.map(({ rounds, uninformative }) => [rounds, uninformative])).toEqual(
      plain.steps.map(() => [1, 0]),
    );
    expect(plain.steps.every(({ zeroSpread }) => (zeroSpread as number) >= 1 / 3)).toBe(true);
    const { steps } = await run({ dynamicSampling: { maxRounds: 20 } });
    let taken = 0;
    for (const step of steps) {
      const groups = groupsOf(step);
      expect(groups.size).toBe(3);
      for (const rewards of groups.values()) expect(new Set(rewards).size).toBeGreaterThan(1);
      expect(step.zeroSpread).toBe(0);
      expect(step.rounds).toBeGreaterThan(1);
      expect(step.uninformative % 4).toBe(0);
      // context 2 comes once in three prompts and never differs
      expect(step.uninformative).toBeGreaterThanOrEqual(4 * step.rounds);
      taken += 3 * step.rounds;
      expect(step.episode).toBe(taken / 3);
    }
  });

  it("learns from what there is when the rounds are over, also from nothing", async () => {
    const { steps } = await run({ dynamicSampling: { maxRounds: 1 } });
    expect(steps.some(({ rollouts }) => rollouts < 12)).toBe(true);
    const equal = defineReward<number>({ name: "equal", score: () => 1 });
    const none = (await run({ reward: equal, dynamicSampling: { maxRounds: 3 } })).steps[0];
    expect(none).toMatchObject({ rounds: 3, rollouts: 0, uninformative: 36, updates: 0, loss: null, dropped: 0 });
    await expect(run({ dynamicSampling: { maxRounds: 0 } })).rejects.toThrow(/dynamicSampling maxRounds/);
  });

  it("goes on from a snapshot with the prompts that come next", async () => {
    const dynamicSampling = { maxRounds: 20 };
    const whole = await run({ dynamicSampling });
    const rest = await run({ dynamicSampling, from: whole.snapshots[2] });
    const told = ({ samples, losses: values, episode }: TrainingStep<number>) => ({ samples, values, episode });
    expect(rest.steps.map(told)).toEqual(whole.steps.slice(3).map(told));
    await expect(run({ from: whole.snapshots[2] })).rejects.toThrow(/maxRounds was 20 .* is 1 now/);
  });
});

describe("a critic of the caller's", () => {
  it("gives GAE its values", async () => {
    const gae: Recipe = { ...recipe, name: "gae", estimate: advantageEstimators.gae() };
    await expect(run({ recipe: gae })).rejects.toThrow(/gae: expected values on every rollout/);
    // one token: δ = r − V, and a critic that is right leaves nothing to learn
    const seen: number[] = [];
    const { steps, snapshots } = await run({
      recipe: gae,
      steps: 1,
      values: (rollouts) => {
        seen.push(rollouts.length);
        return rollouts.map(({ text, truth }) => [Number(text) === truth ? 1 : 0]);
      },
    });
    expect(seen).toEqual([12]);
    expect(steps[0]?.loss).toBeCloseTo(0, 12);
    expect(Array.from(snapshots[0]?.weights.scores?.data ?? [])).toEqual(new Array(6).fill(0));
  });
});

describe("overlong shaping", () => {
  it("is an estimator around another", async () => {
    const base = advantageEstimators.grpo();
    const shape = overlongShaping({ soft: 0, hard: 2, weight: 4 });
    // every reply has one token: −2 for all, which group advantages do not see
    const shaped: Recipe = { ...recipe, name: "shaped", estimate: (batch, context) => base(shape(batch), context) };
    const [plain, same] = [await run({}), await run({ recipe: shaped })];
    expect(same.steps.map(({ loss }) => loss)).toEqual(plain.steps.map(({ loss }) => loss));
    const seen: number[] = [];
    await run({
      recipe: {
        ...recipe,
        name: "seen",
        estimate: (batch) => {
          const rows = shape(batch);
          seen.push(...rows.map(({ reward }, n) => reward - (batch[n]?.reward as number)));
          return base(rows);
        },
      },
      steps: 1,
    });
    expect(new Set(seen)).toEqual(new Set([-2]));
  });
});
