/** The gated unit of SwiGLU (arXiv 2002.05202), with its gradient written out: two products fewer than autodiff's. */
import { add, customGrad, mul, sigmoid, sub, type Tensor } from "@tensorflow/tfjs-core";

/**
 * silu(gate) ⊙ up with silu(x) = x·σ(x). `[…, F]` and `[…, F]` → `[…, F]`.
 *
 * dup = dy ⊙ silu(gate); dgate = dy ⊙ up ⊙ (σ + silu·(1 − σ)).
 */
export const swigluGate = (gate: Tensor, up: Tensor): Tensor => {
  const run = customGrad((...all: unknown[]) => {
    const [g, u, save] = all as [Tensor, Tensor, (tensors: Tensor[]) => void];
    const s = sigmoid(g);
    const silu = mul(g, s);
    save([u, s, silu]);
    const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor[] => {
      const [other, sig, lu] = saved as [Tensor, Tensor, Tensor];
      const slope = add(sig, mul(lu, sub(1, sig)));
      return [mul(mul(dy, other), slope), mul(dy, lu)];
    };
    return { value: mul(silu, u), gradFunc: gradFunc as never };
  });
  return run(gate, up);
};
