/** RMSNorm (arXiv 1910.07467) with its gradient written out: one reduction back instead of autodiff's chain. */
import { customGrad, mean, mul, reshape, rsqrt, square, sub, sum, add, type Tensor } from "@tensorflow/tfjs-core";

const rowsAway = (x: Tensor): number[] => x.shape.slice(0, -1).map((_, i) => i);

/**
 * y = x̂ ⊙ g with x̂ = x / √(mean(x²) + ε), along the last axis. `[…, D]` and `[D]` → `[…, D]`.
 *
 * dx = r·(dy⊙g − x̂·mean(dy⊙g⊙x̂)) with r = 1/√(mean(x²) + ε), and dg = Σ dy⊙x̂ over all rows.
 */
export const rmsNorm = (x: Tensor, scale: Tensor, epsilon = 1e-6): Tensor => {
  const run = customGrad((...all: unknown[]) => {
    const [input, gain, save] = all as [Tensor, Tensor, (tensors: Tensor[]) => void];
    const r = rsqrt(add(mean(square(input), -1, true), epsilon));
    const unit = mul(input, r);
    save([unit, r, gain]);
    const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor[] => {
      const [hat, inverse, g] = saved as [Tensor, Tensor, Tensor];
      const scaled = mul(dy, g);
      const along = mean(mul(scaled, hat), -1, true);
      const dx = mul(inverse, sub(scaled, mul(hat, along)));
      return [dx, reshape(sum(mul(dy, hat), rowsAway(hat)), g.shape)];
    };
    return { value: mul(unit, gain), gradFunc: gradFunc as never };
  });
  return run(x, scale);
};
