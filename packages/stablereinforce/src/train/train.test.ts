import { defineReward } from "@r1reward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { corrections, losses, presets } from "../algorithm/index.ts";
import { createEngine, type Engine, type RuntimeName } from "../engine/index.ts";
import { banditPolicy, type Policy, type TrainingPrompt } from "../policy/index.ts";
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

  it("takes the trainer's log-probabilities where the sampler told none", async () => {
    const { paper } = presets;
    const recipe = { ...paper, loss: losses.ppo({ corrections: [corrections.truncated({ cap: 5 })] }) };
    const bandit = banditPolicy<number>({ engine, arms: 4, contexts: 3 });
    const telling = (tell: (logp: Float32Array | undefined) => Float32Array | undefined): Policy<number> => ({
      ...bandit,
      sample: async function* (...asked) {
        for await (const reply of bandit.sample(...asked)) yield { ...reply, logpRollout: tell(reply.logpRollout) };
      },
    });
    const gradients = async (policy: Policy<number>): Promise<(number | null)[]> =>
      (await finish({ policy, recipe, steps: 2 })).map(({ gradNorm }) => gradNorm);
    const exact = await gradients(bandit); // it samples with the trainer's own numbers: every weight is 1
    const silent = await gradients(telling(() => undefined));
    const off = await gradients(telling((logp) => logp?.map((x) => x - 1))); // π_old / π_rollout = e
    silent.forEach((norm, i) => expect(norm).toBeCloseTo(exact[i] as number, 5));
    expect(off[0]).toBeGreaterThan(1.5 * (exact[0] as number));
    const [step] = await finish({ policy: telling(() => undefined), recipe, steps: 1 });
    expect(step?.samplerGap).toBeNull();
    const strict = finish({ policy: telling(() => undefined), recipe, steps: 1, oldLogp: "sampler" });
    await expect(strict).rejects.toThrow(/oldLogp: "sampler" needs the sampler's log-probability of every token/);
  });
});
