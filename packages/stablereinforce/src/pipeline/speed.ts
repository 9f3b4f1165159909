/** How fast an engine multiplies matrices. */
import { matMul, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import type { EngineTensor } from "../engine/tensor.ts";
import type { Engine } from "../engine/types.ts";

const SIZE = 1024;

/** Billions of multiplications and additions a second, of a product of 1024 × 1024 matrices. */
export const productSpeed = async (engine: Engine): Promise<number> => {
  const data = Float32Array.from({ length: SIZE * SIZE }, (_, i) => (i % 7) / 7);
  const product = engine.compile((a: Tensor, b: Tensor) => matMul(a as Tensor2D, b as Tensor2D) as Tensor, {
    name: "product",
  });
  const operand = engine.tensor(data, [SIZE, SIZE]);
  const once = async (): Promise<number> => {
    const began = performance.now();
    const made = await product(operand, operand);
    await engine.read(made as EngineTensor);
    engine.dispose(made);
    return (performance.now() - began) / 1000;
  };
  await once(); // tracing and the first allocation
  const best = Math.min(await once(), await once(), await once());
  engine.dispose(operand);
  await product.dispose();
  return (2 * SIZE ** 3) / best / 1e9;
};
