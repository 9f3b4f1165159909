import { defineReward } from "@r1reward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { presets } from "../algorithm/index.ts";
import { createEngine, type Engine, type RuntimeName } from "../engine/index.ts";
import { banditPolicy, type TrainingPrompt } from "../policy/index.ts";
import { trainStableReinforce } from "./train.ts";
import type { TrainingStep, TrainStableReinforceOptions } from "./types.ts";

const prompt = (id: string, context: number, truth: number): TrainingPrompt<number> => ({
  id,
  prompt: [{ role: "user", content: [{ type: "text", text: `context ${context}` }] }],
  truth,
});
/** Each context has an arm of its own that pays. */
const PROMPTS = [prompt("a", 0, 2), prompt("b", 1, 0), prompt("c", 2, 3)];
const pays = defineReward<number>({ name: "pays", score: ({ text, truth }) => (Number(text) === truth ? 1 : 0) });

describe.each<RuntimeName>(["tfjs-cpu", "onnx-node"])("a bandit on %s", (runtime) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine({ runtime, threads: 1 })));
  afterAll(() => engine[Symbol.asyncDispose]());

  const options = (
    changes: Partial<TrainStableReinforceOptions<number>> = {},
  ): TrainStableReinforceOptions<number> => ({
    policy: banditPolicy<number>({ engine, arms: 4, contexts: 3 }),
    prompts: PROMPTS,
    reward: pays,
    recipe: presets.paper,
    run: { learningRate: 0.1, rolloutBatch: 24, trainBatch: 12, maxTokens: 1 },
    steps: 40,
    seed: 1,
    ...changes,
  });
  const finish = async (
    changes: Partial<TrainStableReinforceOptions<number>> = {},
  ): Promise<TrainingStep<number>[]> => {
    const steps: TrainingStep<number>[] = [];
    for await (const step of trainStableReinforce(options(changes))) steps.push(step);
    return steps;
  };

  it("learns every context's arm", async () => {
    const steps = await finish();
    expect(steps).toHaveLength(40);
    expect(steps[0]?.reward.mean).toBeLessThan(0.6);
    expect(steps.at(-1)?.reward.mean).toBeGreaterThan(0.95);
    expect(engine.liveTensors()).toBe(0);
  });
});
