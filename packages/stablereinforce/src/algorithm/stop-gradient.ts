/** The one tensor operation that TensorFlow.js lacks here. */
import { clone, customGrad, zerosLike, type Tensor } from "@tensorflow/tfjs-core";

/** `x` with gradient 0. */
export const stopGradient = <T extends Tensor>(x: T): T =>
  customGrad((...all: unknown[]) => {
    const [value] = all as [T];
    return { value: clone(value), gradFunc: (dy: Tensor) => [zerosLike(dy)] };
  })(x) as T;
