/** The parts of a reinforcement-learning run, put together before its first step. */
import { ConfigError } from "@r1reward/core";
import { presets, type Recipe, type RunSettings } from "../algorithm/index.ts";
import type { EngineTensor } from "../engine/tensor.ts";
import type { Schedule } from "../optim/index.ts";
import type { Params } from "../policy/index.ts";
import { createLearner, upload, type Learner, type Objective } from "./learner.ts";
import { expectWhole, numberOf, ratesOf, resumeAt } from "./plan.ts";
import type { Snapshot, TrainStableReinforceOptions } from "./types.ts";

/** A run, ready to go. */
export interface Run<Truth> {
  readonly options: TrainStableReinforceOptions<Truth>;
  readonly recipe: Recipe;
  readonly settings: RunSettings;
  readonly seed: number;
  readonly steps: number;
  readonly nonFinite: "skip" | "apply";
  /** Updates planned for every step; fewer are made when rollouts are dropped. */
  readonly updatesPerStep: number;
  readonly rates: Schedule;
  readonly learner: Learner;
  readonly reference: Params<EngineTensor> | undefined;
  /** What a snapshot must agree with. */
  readonly identity: Readonly<Record<string, string | number>>;
  /** What changes from step to step. */
  readonly progress: { step: number; updates: number; klCoef: number };
}

/** The recipe's loss on the columns of a minibatch. */
const objectiveOf =
  (recipe: Recipe): Objective =>
  ({ logp, entropy }, columns) => {
    const { logpOld, advantage, mask, logpRef, logpRollout } = columns;
    if (logpOld === undefined || advantage === undefined || mask === undefined)
      throw new ConfigError("minibatch: columns");
    return recipe.loss({ logp, logpOld, advantage, mask, logpRef, logpRollout, entropy });
  };

const settingsOf = (recipe: Recipe, changes: Partial<RunSettings> = {}): RunSettings => {
  const settings = { ...recipe.run, ...changes };
  for (const name of ["rolloutBatch", "samplesPerPrompt", "trainBatch", "passes", "maxTokens"] as const) {
    expectWhole(name, settings[name]);
  }
  if (!(settings.temperature > 0)) throw new ConfigError(`temperature: expected above 0, got ${settings.temperature}`);
  if (!(settings.maxGradNorm > 0)) throw new ConfigError(`maxGradNorm: expected above 0, got ${settings.maxGradNorm}`);
  return settings;
};

const referenceOf = <Truth>(
  { policy, weights, reference }: TrainStableReinforceOptions<Truth>,
  klCoef: number,
): Params<EngineTensor> | undefined => {
  if (reference === undefined && !(klCoef > 0)) return undefined;
  return upload(policy.engine, reference ?? weights ?? policy.parameters());
};

/** How many steps and updates there will be. */
const sizesOf = <Truth>({ prompts, steps }: TrainStableReinforceOptions<Truth>, settings: RunSettings) => {
  if (prompts.length === 0) throw new ConfigError("prompts: expected at least one, got none");
  const { rolloutBatch, samplesPerPrompt, trainBatch, passes, episodes } = settings;
  const all = Math.max(1, Math.floor((episodes * prompts.length) / rolloutBatch));
  return {
    steps: expectWhole("steps", steps ?? all, 0),
    updatesPerStep: passes * Math.ceil((rolloutBatch * samplesPerPrompt) / trainBatch),
    rows: Math.min(trainBatch, rolloutBatch * samplesPerPrompt),
  };
};

const identityOf = <Truth>({ policy, prompts }: TrainStableReinforceOptions<Truth>, settings: RunSettings) => {
  const { rolloutBatch, samplesPerPrompt, trainBatch, passes, learningRate, temperature, maxTokens } = settings;
  const sizes = { rolloutBatch, samplesPerPrompt, trainBatch, passes, learningRate, temperature, maxTokens };
  return { kind: "rl", policy: policy.name, prompts: prompts.length, ...sizes };
};

const progressOf = (from: Snapshot | undefined, step: number, klCoef: number): Run<never>["progress"] =>
  from === undefined
    ? { step: 0, updates: 0, klCoef }
    : { step, updates: numberOf(from, "updates"), klCoef: numberOf(from, "klCoef") };

/** @throws ConfigError on settings that cannot be, or a snapshot of another run */
export const setUp = <Truth>(options: TrainStableReinforceOptions<Truth>): Run<Truth> => {
  const { policy, recipe = presets.paper, seed = 42, nonFinite = "skip", from } = options;
  const settings = settingsOf(recipe, options.run);
  const { steps, updatesPerStep, rows } = sizesOf(options, settings);
  const common = identityOf(options, settings);
  const identity = { ...common, recipe: recipe.name, seed, steps };
  const { initial } = recipe.klController;
  const progress = progressOf(from, resumeAt(from, identity), initial);
  const rates = ratesOf(settings, Math.max(1, steps * updatesPerStep));
  const { adam, maxGradNorm } = settings;
  const weights = options.weights ?? policy.parameters();
  const objective = objectiveOf(recipe);
  const learner = createLearner({ policy, weights, objective, adam, maxGradNorm, rows, nonFinite, from });
  const reference = referenceOf(options, initial);
  return {
    options,
    recipe,
    settings,
    seed,
    steps,
    nonFinite,
    updatesPerStep,
    rates,
    learner,
    reference,
    identity,
    progress,
  };
};
