/** A loss with its gradient by `logp`, and the value loss of a critic. */
import {
  clipByValue,
  add,
  keep,
  maximum,
  mul,
  square,
  sub,
  valueAndGrad,
  where,
  zerosLike,
} from "@tensorflow/tfjs-core";
import { greater, isFinite, logicalAnd, type Scalar, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { registerGradients } from "../engine/index.ts";
import { sequenceMean } from "./aggregate.ts";
import type { BatchTotal, Loss, LossInputs, LossStats } from "./types.ts";

/** What `lossAndGradient` gives. */
export interface LossAndGradient {
  readonly loss: Scalar;
  readonly stats: LossStats;
  /** ∂loss/∂logp, `[B, T]`. */
  readonly gradient: Tensor2D;
}

/** Evaluates a loss and ∂loss/∂logp. The stats are `keep`-ed: return them from a compiled function, or dispose of them. */
export const lossAndGradient = (loss: Loss, inputs: LossInputs): LossAndGradient => {
  registerGradients();
  const box: { stats?: LossStats } = {};
  const run = valueAndGrad((logp) => {
    const made = loss({ ...inputs, logp: logp as Tensor2D });
    for (const value of Object.values(made.stats)) keep(value);
    box.stats = made.stats;
    return made.loss;
  });
  const { value, grad } = run(inputs.logp);
  return { loss: value as Scalar, stats: box.stats as LossStats, gradient: grad as Tensor2D };
};

/** A critic's values, all `[B, T]`. */
export interface ValueInputs {
  /** Carries gradient. */
  readonly values: Tensor2D;
  readonly valuesOld: Tensor2D;
  /** A + V_old. */
  readonly returns: Tensor2D;
  readonly mask: Tensor2D;
  readonly total?: BatchTotal | undefined;
}

/**
 * ½·max( (V − G)², (clip(V, V_old ± ε) − G)² ), mean over tokens, then over sequences (PPO's value loss, as in the released
 * code for GAE). ε Infinity does not clip. Tokens that are masked or not finite count 0.
 */
export const valueLoss =
  ({ epsilon = 0.2 }: { readonly epsilon?: number | undefined } = {}) =>
  ({ values, valuesOld, returns, mask, total }: ValueInputs): Scalar => {
    const finite = [values, valuesOld, returns].map((x) => isFinite(x) as Tensor);
    const good = finite.reduce((a, b) => logicalAnd(a, b), greater(mask, 0.5) as Tensor);
    const [v, old, goal] = [values, valuesOld, returns].map((x) => where(good, x, zerosLike(x))) as [
      Tensor2D,
      Tensor2D,
      Tensor2D,
    ];
    const moved: Tensor2D = epsilon === Infinity ? v : add(old, clipByValue(sub(v, old), -epsilon, epsilon));
    return mul(0.5, sequenceMean(maximum(square(sub(v, goal)), square(sub(moved, goal))), { mask, total }));
  };
