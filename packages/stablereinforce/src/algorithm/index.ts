/** The algorithm: advantages in doubles, losses in TensorFlow.js. */
export { constantLength, sequenceMean, sequenceSum, tokenMean, type Aggregate, type Aggregated } from "./aggregate.ts";
export { corrections, type Band, type Cap, type Correction, type CorrectionLevel } from "./corrections.ts";
export { advantageEstimators, type GaeOptions, type GdpoOptions, type GroupOptions } from "./estimators.ts";
export { lossAndGradient, valueLoss, type LossAndGradient, type ValueInputs } from "./gradient.ts";
export { groupsOf } from "./group.ts";
export { guardInputs, lossStats, type Guarded, type Reported } from "./guard.ts";
export { kl, type AdaptiveKlOptions, type KlEstimator } from "./kl.ts";
export { losses, type ClippedOptions, type PlainOptions } from "./losses.ts";
export { penalties, type KlPenaltyOptions, type Penalty } from "./penalties.ts";
export { policyLoss, type Additions, type PolicyLossOptions } from "./policy-loss.ts";
export { sequenceLevel, sequenceProduct, sequenceTokenLevel, tokenLevel, type RatioLevel } from "./ratio.ts";
export { presets } from "./presets.ts";
export { referenceNormalise } from "./reference.ts";
export {
  advantageReport,
  dynamicSampling,
  highEntropyMask,
  overlongShaping,
  type AdvantageReport,
  type DynamicSample,
  type OverlongOptions,
} from "./shaping.ts";
export {
  cutOutliers,
  filterAdvantages,
  logBounds,
  moments,
  preClippedRatio,
  reinforceReturns,
  returnsToGo,
  stableReinforce,
  standardise,
  tokenRewards,
  type Moments,
  type PreClip,
  type ReturnOptions,
  type StableReinforceOptions,
} from "./stable-reinforce.ts";
export { stopGradient } from "./stop-gradient.ts";
export { surrogates, type ClipRange, type SoftGate, type Surrogate, type TokenTerms } from "./surrogates.ts";
export type * from "./types.ts";
