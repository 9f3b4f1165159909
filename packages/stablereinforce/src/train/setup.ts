/** The parts of a reinforcement-learning run, put together before its first step. */
import { ConfigError } from "@r1reward/core";
import { greater, isNaN, where, type Tensor2D } from "@tensorflow/tfjs-core";
import { presets, stopGradient, type Recipe, type RunSettings } from "../algorithm/index.ts";
import type { EngineTensor } from "../engine/tensor.ts";
import type { Schedule } from "../optim/index.ts";
import type { Params } from "../policy/index.ts";
import { createLearner, type Learner } from "./learner.ts";
import type { Objective } from "./learner-graphs.ts";
import { upload } from "./learner-state.ts";
import { dataOrder } from "./order.ts";
import { expectWhole, numberOf, partsOf, ratesOf, resumeAt } from "./plan.ts";
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
  readonly identity: Readonly<Record<string, string | number | null>>;
  /** Indices of so many prompts from a place on. */
  readonly promptsAt: (position: number, count: number) => readonly number[];
  /** What changes from step to step. */
  readonly progress: {
    step: number;
    updates: number;
    klCoef: number;
    /** Prompts sampled from so far. */
    taken: number;
  };
  readonly oldLogp: NonNullable<TrainStableReinforceOptions["oldLogp"]>;
}

/** The recipe's loss on the columns of a minibatch. */
const objectiveOf =
  (recipe: Recipe): Objective =>
  ({ logp, entropy }, columns, total) => {
    const { logpOld: before, fresh, advantage, mask, logpRef, logpRollout: told } = columns as Record<string, Tensor2D>;
    if (!before || !fresh || !advantage || !mask) throw new ConfigError("minibatch: columns");
    const logpOld: Tensor2D = where(greater(fresh, 0.5), stopGradient(logp), before);
    const logpRollout = told && (where(isNaN(told), logpOld, told) as Tensor2D); // unknown: as the trainer has it
    return recipe.loss({ logp, logpOld, advantage, mask, logpRef, logpRollout, entropy, total });
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
const sizesOf = <Truth>(options: TrainStableReinforceOptions<Truth>, settings: RunSettings) => {
  const { prompts, steps, microBatch, dynamicSampling } = options;
  if (dynamicSampling !== undefined) expectWhole("dynamicSampling maxRounds", dynamicSampling.maxRounds);
  if (prompts.length === 0) throw new ConfigError("prompts: expected at least one, got none");
  const { rolloutBatch, samplesPerPrompt, trainBatch, passes, episodes } = settings;
  const all = Math.max(1, Math.floor((episodes * prompts.length) / rolloutBatch));
  return {
    steps: expectWhole("steps", steps ?? all, 0),
    updatesPerStep: passes * Math.ceil((rolloutBatch * samplesPerPrompt) / trainBatch),
    ...partsOf(Math.min(trainBatch, rolloutBatch * samplesPerPrompt), microBatch),
  };
};

const identityOf = <Truth>(options: TrainStableReinforceOptions<Truth>, settings: RunSettings) => {
  const { policy, prompts, oldLogp = "first-update", dynamicSampling } = options;
  const { rolloutBatch, samplesPerPrompt, trainBatch, passes, learningRate, temperature, maxTokens } = settings;
  const sizes = { rolloutBatch, samplesPerPrompt, trainBatch, passes, learningRate, temperature, maxTokens };
  const { maxRounds = 1, tolerance = 0 } = dynamicSampling ?? {};
  const sampling = { oldLogp, maxRounds, tolerance };
  return { kind: "rl", policy: policy.name, prompts: prompts.length, ...sizes, ...sampling };
};

/** `null`: all tokens. @throws ConfigError */
const shareOf = (recipe: Recipe): number | null => {
  const share = recipe.entropyShare ?? null;
  if (share === null || (share >= 0 && share <= 1)) return share;
  throw new ConfigError(`entropyShare: expected a share from 0 to 1, got ${share}`);
};

const progressOf = (from: Snapshot | undefined, step: number, klCoef: number): Run<never>["progress"] => {
  if (from === undefined) return { step: 0, updates: 0, klCoef, taken: 0 };
  const [updates, beta, taken] = ["updates", "klCoef", "taken"].map((name) => numberOf(from, name));
  return { step, updates: updates as number, klCoef: beta as number, taken: taken as number };
};

/** @throws ConfigError on settings that cannot be, or a snapshot of another run */
export const setUp = <Truth>(options: TrainStableReinforceOptions<Truth>): Run<Truth> => {
  const { policy, recipe = presets.paper, seed = 42, nonFinite = "skip", from } = options;
  const { oldLogp = "first-update" } = options;
  const settings = settingsOf(recipe, options.run);
  const { steps, updatesPerStep, rows, inParts } = sizesOf(options, settings);
  const common = identityOf(options, settings);
  const identity = { ...common, recipe: recipe.name, entropyShare: shareOf(recipe), seed, steps };
  const { initial } = recipe.klController;
  const progress = progressOf(from, resumeAt(from, identity), initial);
  const rates = ratesOf(settings, Math.max(1, steps * updatesPerStep));
  const { adam, maxGradNorm } = settings;
  const weights = options.weights ?? policy.parameters();
  const objective = objectiveOf(recipe);
  const learner = createLearner({ policy, weights, objective, adam, maxGradNorm, rows, inParts, nonFinite, from });
  const reference = referenceOf(options, initial);
  return {
    options,
    promptsAt: dataOrder({ seed, n: options.prompts.length }),
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
    oldLogp,
  };
};
