/** Terms that are added to the loss, per token `[B, T]`. They are averaged like the objective. */
import { exp, mul, neg, clipByValue, type Tensor2D } from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import { expectOption } from "./checks.ts";
import type { Guarded } from "./guard.ts";
import { kl, type KlEstimator } from "./kl.ts";

/** Guarded inputs → what is added to the loss. */
export type Penalty = (inputs: Guarded) => Tensor2D;

/** KL in the loss. */
export interface KlPenaltyOptions {
  /** β */
  readonly coef: number;
  /** k3 by default. */
  readonly estimator?: KlEstimator | undefined;
}

const divergence = ({ logRatioRef }: Guarded, { coef, estimator = kl.k3 }: KlPenaltyOptions): Tensor2D => {
  if (logRatioRef === undefined) throw new ConfigError("KL in the loss: expected logpRef in the inputs");
  return mul(estimator.tensor(logRatioRef), coef);
};

const checkCoef = (coef: number): void => void expectOption("KL coefficient", coef, [0, Number.MAX_VALUE]);

/** β·KL_t against the reference model (GRPO, arXiv 2402.03300, equation 4). */
export const klPenalty = (options: KlPenaltyOptions): Penalty => {
  checkCoef(options.coef);
  return (x) => divergence(x, options);
};

/** Bounds of the ratio in `unbiasedKlPenalty`, nats: Pre-CLIP's own. */
const RATIO_BOUND = Math.log(1e3);

/** ρ_t·β·KL_t, gradient through both: unbiased off-policy too (DeepSeek-V3.2, arXiv 2512.02556). ρ is Pre-CLIPped. */
export const unbiasedKlPenalty = (options: KlPenaltyOptions): Penalty => {
  checkCoef(options.coef);
  return (x) => mul(exp(clipByValue(x.logRatio, -RATIO_BOUND, RATIO_BOUND)), divergence(x, options));
};

/** −c·H(π_θ(·|s_t)): rewards uncertainty. Needs `entropy`, which carries the gradient. */
export const entropyBonus = ({ coef }: { readonly coef: number }): Penalty => {
  expectOption("entropy coefficient", coef, [-Number.MAX_VALUE, Number.MAX_VALUE]);
  return ({ entropy }) => {
    if (entropy === undefined) throw new ConfigError("entropy bonus: expected entropy in the inputs");
    return neg(mul(entropy, coef));
  };
};

/** Terms of the loss by name. */
export const penalties = { kl: klPenalty, unbiasedKl: unbiasedKlPenalty, entropy: entropyBonus } as const;
