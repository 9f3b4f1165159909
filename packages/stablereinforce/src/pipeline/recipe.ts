/** Recipes from plain settings: what a configuration file can say. */
import { ConfigError } from "@r1reward/core";
import {
  advantageEstimators,
  cutOutliers,
  kl,
  losses,
  presets,
  standardise,
  type AdvantageEstimator,
  type AdvantageTransform,
  type Correction,
  type Loss,
  type Recipe,
} from "../algorithm/index.ts";

/** The numbers of a recipe. What is left out is the algorithm's own. */
export interface RecipeSettings {
  /** ε of the clip. */
  readonly epsilon?: number | undefined;
  /** Bounds of Pre-CLIP; `false` takes it out, for comparisons. */
  readonly preClip?:
    { readonly deltaMin?: number | undefined; readonly deltaMax?: number | undefined } | false | undefined;
  /** Standard deviations that the advantage filter keeps; `false` takes it out, for comparisons. */
  readonly filter?: number | false | undefined;
  /** β of KL in the reward (in the loss for grpo). */
  readonly klCoef?: number | undefined;
  /** Wanted mean KL in nats: β then follows it. */
  readonly klTarget?: number | undefined;
  /** Longest reply: what Dr. GRPO divides by. */
  readonly maxTokens?: number | undefined;
  /** Weights against replies of another program: rollouts of a server. */
  readonly corrections?: readonly Correction[] | undefined;
  /** Share of tokens, those with the highest entropy, that get policy gradient; all by default. */
  readonly entropyShare?: number | undefined;
}

/** What differs between algorithms: estimator and loss; the rest is shared. */
interface Parts {
  readonly estimate: AdvantageEstimator;
  readonly loss: Loss;
  readonly normalise: AdvantageTransform;
  /** The loss itself holds β·KL, so the reward must not. */
  readonly klInLoss?: true;
}

const identity: AdvantageTransform = (rows) => rows;

/** What all losses take. */
const additions = ({ preClip = {}, corrections }: RecipeSettings) => ({
  preClip: preClip === false ? ("none" as const) : preClip,
  corrections,
});

const clip = ({ epsilon }: RecipeSettings) => ({ epsilonLow: epsilon, epsilonHigh: epsilon });

/** StableReinforce with its two bounds, each of which can be taken out (paper, Table 6). */
const stable = (settings: RecipeSettings): Parts => {
  const { epsilon, klCoef, preClip = {}, filter = 3, corrections = [] } = settings;
  const asPublished = preClip !== false && corrections.length === 0;
  // The same objective put together from pieces, where a piece is taken out or added.
  const loss = asPublished
    ? losses.stableReinforce({ ...preClip, epsilon })
    : losses.ppo({ ...clip(settings), ...additions(settings) });
  const normalise: AdvantageTransform = (rows) =>
    filter === false ? standardise(rows) : cutOutliers(standardise(rows), filter);
  return { estimate: advantageEstimators.reinforce({ klCoef }), loss, normalise };
};

/** Algorithms by name. To add one: a line here. */
export const algorithms = {
  "stable-reinforce": stable,
  "reinforce++": (settings) => stable({ ...settings, preClip: false, filter: false }),
  grpo: (settings) => ({
    estimate: advantageEstimators.grpo(),
    loss: losses.grpo({ ...clip(settings), klCoef: settings.klCoef ?? 0, ...additions(settings) }),
    normalise: identity,
    klInLoss: true,
  }),
  "dr-grpo": (settings) => ({
    estimate: advantageEstimators.drGrpo(),
    loss: losses.drGrpo({ ...clip(settings), maxTokens: settings.maxTokens ?? 1024, ...additions(settings) }),
    normalise: identity,
  }),
  dapo: (settings) => ({
    estimate: advantageEstimators.grpo(),
    loss: losses.dapo({ epsilonLow: settings.epsilon, ...additions(settings) }),
    normalise: identity,
  }),
  gspo: (settings) => ({
    estimate: advantageEstimators.grpo(),
    loss: losses.gspo({ ...additions(settings) }),
    normalise: identity,
  }),
  rloo: (settings) => ({
    estimate: advantageEstimators.rloo({ klCoef: settings.klCoef }),
    loss: losses.rloo({ ...additions(settings) }),
    normalise: identity,
  }),
  reference: ({ corrections = [] }) => {
    if (corrections.length > 0) throw new ConfigError("corrections: the released code's loss (reference) takes none");
    const { estimate, loss, normalise } = presets.reference;
    return { estimate, loss, normalise };
  },
} satisfies Record<string, (settings: RecipeSettings) => Parts>;

/** Name of an algorithm. */
export type AlgorithmName = keyof typeof algorithms;

/**
 * A recipe; its `run` is the paper's. With a KL coefficient above 0 the stage needs a `reference`.
 * @throws ConfigError on numbers that cannot be
 */
export const recipeOf = (name: AlgorithmName, settings: RecipeSettings = {}): Recipe => {
  const { klCoef = 0, klTarget, entropyShare } = settings;
  if (klTarget !== undefined && !(klCoef > 0))
    throw new ConfigError(`klTarget: expected a klCoef above 0 to begin with, got ${klCoef}`);
  const { klInLoss, ...parts }: Parts = algorithms[name](settings);
  if (klInLoss && klTarget !== undefined)
    throw new ConfigError(`klTarget: ${name} has its KL in the loss, where the coefficient is fixed`);
  const controller =
    klTarget === undefined ? kl.fixed(klInLoss ? 0 : klCoef) : kl.adaptive({ initial: klCoef, target: klTarget });
  return { name, ...parts, klController: controller, entropyShare, run: presets.paper.run };
};
