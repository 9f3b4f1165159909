/**
 * The field's losses by name, each one line of pieces. All take corrections, penalties and Pre-CLIP bounds beside their own
 * options. To add one: a function here, a line in `losses`, a golden file; the contract suite finds it by itself.
 */
import { constantLength, sequenceMean, sequenceSum, tokenMean, type Aggregate } from "./aggregate.ts";
import { klPenalty } from "./penalties.ts";
import { policyLoss, type Additions } from "./policy-loss.ts";
import { sequenceLevel } from "./ratio.ts";
import { stableReinforce } from "./stable-reinforce.ts";
import {
  clipped,
  dualClipped,
  policyGradient,
  softGated,
  unclipped,
  weightClipped,
  type ClipRange,
  type SoftGate,
} from "./surrogates.ts";
import type { Loss } from "./types.ts";

/** Options of the clipped losses. */
export interface ClippedOptions extends ClipRange, Additions {
  /** Averages differently from what was published. */
  readonly aggregate?: Aggregate | undefined;
}

/** PPO's clipped objective (arXiv 1707.06347), averaged as in the released code. */
const ppo = (options: ClippedOptions = {}): Loss => policyLoss({ ...options, surrogate: clipped(options) });

/** PPO with a floor of c·A where A < 0 (arXiv 1912.09729); c = 3. */
const dualClip = (options: ClippedOptions & { readonly c?: number | undefined } = {}): Loss =>
  policyLoss({ ...options, surrogate: dualClipped(options) });

/** Clipped objective plus β·k3 against the reference model; β = 0.04 (arXiv 2402.03300, section 4.2). β = 0 needs no `logpRef`. */
const grpo = ({ klCoef = 0.04, ...options }: ClippedOptions & { readonly klCoef?: number | undefined } = {}): Loss => {
  const divergence = klCoef === 0 ? [] : [klPenalty({ coef: klCoef })];
  return ppo({ ...options, penalties: [...divergence, ...(options.penalties ?? [])] });
};

/** Sum over tokens divided by one constant, the longest reply, for all; no KL (arXiv 2503.20783). */
const drGrpo = ({ maxTokens, ...options }: ClippedOptions & { readonly maxTokens: number }): Loss =>
  ppo({ aggregate: constantLength(maxTokens), ...options });

/** Clip-higher (0.2 and 0.28) and the mean over tokens; no KL (arXiv 2503.14476). */
const dapo = (options: ClippedOptions = {}): Loss => ppo({ epsilonHigh: 0.28, aggregate: tokenMean, ...options });

/** Ratio of sequences with its narrow clip range, 3e-4 and 4e-4 (arXiv 2507.18071, section 5.1). */
const gspo = ({ epsilonLow = 3e-4, epsilonHigh = 4e-4, ...options }: ClippedOptions = {}): Loss =>
  policyLoss({ ...options, level: sequenceLevel, surrogate: clipped({ epsilonLow, epsilonHigh }) });

/** Clips the weight and keeps the gradient of every token; mean over tokens (arXiv 2506.13585). */
const cispo = (options: ClippedOptions = {}): Loss =>
  policyLoss({ aggregate: tokenMean, ...options, surrogate: weightClipped(options) });

/** Soft gate in place of a clip (arXiv 2511.20347). */
const sapo = (options: SoftGate & Additions & { readonly aggregate?: Aggregate | undefined } = {}): Loss =>
  policyLoss({ ...options, surrogate: softGated(options) });

/** Options of the losses that clip nothing. */
export interface PlainOptions extends Additions {
  readonly aggregate?: Aggregate | undefined;
}

/** −A·log π, mean over tokens of a sequence, then over sequences: for data of the present policy. */
const reinforce = (options: PlainOptions = {}): Loss =>
  policyLoss({ aggregate: sequenceMean, ...options, surrogate: policyGradient });

/** −A·log π(y) with the log-probability of the whole sequence (RLOO, arXiv 2402.14740). */
const rloo = (options: PlainOptions = {}): Loss => reinforce({ aggregate: sequenceSum, ...options });

/** −ρ·A: importance weights, Pre-CLIPped and nothing else. */
const importanceSampling = (options: PlainOptions = {}): Loss => policyLoss({ ...options, surrogate: unclipped });

/** Losses by name; each makes one from its options. */
export const losses = {
  stableReinforce,
  ppo,
  dualClip,
  grpo,
  drGrpo,
  dapo,
  gspo,
  cispo,
  sapo,
  reinforce,
  rloo,
  importanceSampling,
} as const;
