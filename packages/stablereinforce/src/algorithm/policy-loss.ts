/**
 * Any policy loss, put together from values:
 *
 *   loss = −aggregate( w·surrogate( ρ, Â ) − Σ penalties ),   ρ = exp( Pre-CLIP( level( log π_θ − log π_old ) ) )
 */
import { exp, mul, neg, sub, type Tensor2D } from "@tensorflow/tfjs-core";
import { sequenceMean, type Aggregate } from "./aggregate.ts";
import type { Correction } from "./corrections.ts";
import { guardInputs, lossStats } from "./guard.ts";
import type { Penalty } from "./penalties.ts";
import { tokenLevel, type RatioLevel } from "./ratio.ts";
import { logBounds, preClippedRatio, type PreClip } from "./stable-reinforce.ts";
import { stopGradient } from "./stop-gradient.ts";
import { clipped, type Surrogate } from "./surrogates.ts";
import type { Loss } from "./types.ts";

/** What can be added to any of the named losses. */
export interface Additions {
  /**
   * Pre-CLIP is on for every loss, with the paper's bounds. `"none"` gives a method as published; a log-ratio over 88 nats is
   * then Infinity, and shows as such.
   */
  readonly preClip?: PreClip | "none" | undefined;
  readonly corrections?: readonly Correction[] | undefined;
  readonly penalties?: readonly Penalty[] | undefined;
}

/** The pieces of a loss. */
export interface PolicyLossOptions extends Additions {
  /** Default `tokenLevel`. */
  readonly level?: RatioLevel | undefined;
  /** Default `clipped()`. */
  readonly surrogate?: Surrogate | undefined;
  /** Default `sequenceMean`. */
  readonly aggregate?: Aggregate | undefined;
}

/** Puts a loss together. With nothing given it is `stableReinforce()`. @throws ConfigError, and ShapeError when called */
export const policyLoss = (options: PolicyLossOptions = {}): Loss => {
  const { level = tokenLevel, surrogate = clipped(), aggregate = sequenceMean } = options;
  const bounds = options.preClip === "none" ? undefined : logBounds(options.preClip);
  return (inputs) => {
    const x = guardInputs(inputs);
    const logRatio = level(x.logRatio, x.mask);
    const ratio: Tensor2D = bounds === undefined ? exp(logRatio) : preClippedRatio(logRatio, bounds);
    const made = surrogate({ logp: x.logp, ratio, advantage: x.advantage });
    const weighted = (options.corrections ?? []).reduce<Tensor2D>(
      (sum, correct) => mul(sum, stopGradient(correct(x))),
      made.objective,
    );
    const objective = (options.penalties ?? []).reduce<Tensor2D>((sum, penalty) => sub(sum, penalty(x)), weighted);
    const stats = lossStats(x, { logRatio, ratio, bounds, clipped: made.clipped as Tensor2D });
    return { loss: neg(aggregate(objective, x)), stats };
  };
};
