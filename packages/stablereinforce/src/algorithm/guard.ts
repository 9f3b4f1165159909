/**
 * What every loss does before and after its equation: check shapes, replace what is masked or not finite, count it, and
 * report. Values are replaced *before* the equation, so that neither 0·NaN nor 0·Inf arises on the way forward or back.
 */
import {
  abs,
  cast,
  div,
  greater,
  isFinite,
  logicalAnd,
  logicalNot,
  logicalOr,
  less,
  max,
  maximum,
  min,
  mul,
  neg,
  onesLike,
  sub,
  sum,
  where,
  zerosLike,
  equal,
  type Scalar,
  type Tensor,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import { ShapeError } from "../errors.ts";
import { stopGradient } from "./stop-gradient.ts";
import type { BatchTotal, LossInputs, LossStats } from "./types.ts";

/** Inputs in which every number is finite. Tokens that were masked or not finite have log-ratio 0 and advantage 0. */
export interface Guarded {
  readonly logp: Tensor2D;
  readonly logpOld: Tensor2D;
  /** log π_θ − log π_old, nats. */
  readonly logRatio: Tensor2D;
  /** log π_θ − log π_ref, nats. */
  readonly logRatioRef: Tensor2D | undefined;
  /** log π_old − log π_rollout, nats, no gradient. */
  readonly logRatioRollout: Tensor2D | undefined;
  readonly entropy: Tensor2D | undefined;
  readonly advantage: Tensor2D;
  /** 0 or 1. Tokens that were not finite stay in it: they count in every mean. */
  readonly mask: Tensor2D;
  readonly total: BatchTotal | undefined;
  /** Tokens that were not finite. */
  readonly nonFinite: Scalar;
}

const OPTIONAL = ["logpRef", "logpRollout", "entropy"] as const;

const describe = (x: Tensor): string => `${x.dtype}[${x.shape.join(", ")}]`;

const checkShapes = (inputs: LossInputs): void => {
  const { logp, logpOld, advantage, mask } = inputs;
  if (logp.rank !== 2 || logp.dtype !== "float32") {
    throw new ShapeError("logp", { expected: "float32[B, T]", actual: describe(logp) });
  }
  const others = { logpOld, advantage, mask, ...Object.fromEntries(OPTIONAL.map((name) => [name, inputs[name]])) };
  for (const [name, x] of Object.entries(others) as [string, Tensor | undefined][]) {
    if (x === undefined || (x.dtype === "float32" && x.shape.join() === logp.shape.join())) continue;
    throw new ShapeError(name, { expected: `${describe(logp)} like logp`, actual: describe(x) });
  }
};

/** Checks shapes; makes every number finite. @throws ShapeError */
export const guardInputs = (inputs: LossInputs): Guarded => {
  checkShapes(inputs);
  const { logp, logpOld, logpRef, logpRollout, entropy, advantage } = inputs;
  const written = greater(inputs.mask, 0.5);
  const present = [logp, logpOld, advantage, logpRef, logpRollout, entropy].filter((x) => x !== undefined);
  const finite = present.map((x) => isFinite(stopGradient(x)) as Tensor).reduce((a, b) => logicalAnd(a, b));
  const good = logicalAnd(written, finite);
  const or0 = (x: Tensor): Tensor2D => where(good, x, zerosLike(x)) as Tensor2D;
  const clean = or0(logp);
  return {
    logp: clean,
    logpOld: or0(logpOld),
    logRatio: sub(clean, or0(logpOld)),
    logRatioRef: logpRef && sub(clean, or0(logpRef)),
    logRatioRollout: logpRollout && sub(or0(logpOld), or0(logpRollout)),
    entropy: entropy && or0(entropy),
    advantage: or0(advantage),
    mask: cast(written, "float32") as Tensor2D,
    total: inputs.total,
    nonFinite: sum(cast(logicalAnd(written, logicalNot(finite)), "float32")),
  };
};

/** What the report is made of. */
export interface Reported {
  /** What Pre-CLIP was given, nats. */
  readonly logRatio: Tensor2D;
  /** After Pre-CLIP. */
  readonly ratio: Tensor2D;
  /** log δ_min and log δ_max; none where there is no Pre-CLIP. */
  readonly bounds?: readonly [number, number] | undefined;
  /** 1 where the surrogate clipped. */
  readonly clipped: Tensor2D;
}

/** The report of a loss, without gradient. */
export const lossStats = (x: Guarded, { bounds, ...made }: Reported): LossStats => {
  const detached = [x.logRatio, made.logRatio, made.ratio, made.clipped].map(stopGradient);
  const [logRatio, given, rho, clip] = detached as [Tensor2D, Tensor2D, Tensor2D, Tensor2D];
  const tokens: Scalar = sum(x.mask);
  const share = (one: Tensor): Scalar => div(sum(mul(cast(one, "float32"), x.mask)), maximum(tokens, 1));
  const [low, high] = bounds ?? [-Infinity, Infinity];
  const outside = logicalOr(less(given, low), greater(given, high));
  const written = greater(x.mask, 0.5);
  const orOne = where(written, rho, onesLike(rho)) as Tensor2D;
  return {
    tokens,
    nonFinite: x.nonFinite,
    preClipped: share(outside),
    clipped: share(clip),
    zeroAdvantage: share(equal(x.advantage, 0)),
    ratioMin: min(orOne),
    ratioMax: max(orOne),
    logRatioMax: max(abs(logRatio)),
    klOld: neg(div(sum(mul(logRatio, x.mask)), maximum(tokens, 1))),
  };
};
