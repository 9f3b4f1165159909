/** Weights by a rule instead of a file: the same as `hashed` and `weight` of tools/golden/qwen_model.py. */
import type { HostTensor } from "../src/engine/tensor.ts";

/** `size` numbers in [−1, 1) from FNV-1a of the name and murmur3's finaliser of the place. */
export const hashed = (name: string, size: number): Float64Array => {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193) >>> 0;
  return Float64Array.from({ length: size }, (_, i) => {
    let h = (Math.imul(i, 0x9e3779b1) + seed) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
    h = (h ^ (h >>> 16)) >>> 0;
    return (h >>> 8) / 2 ** 23 - 1;
  });
};

/** A parameter of the golden model. */
export const hashedWeight = (name: string, shape: readonly number[]): HostTensor => {
  const size = shape.reduce((product, n) => product * n, 1);
  const values = hashed(name, size);
  const inner = 1.5 / Math.sqrt(size / (shape[0] ?? 1));
  const data = Float32Array.from(values, (x) => {
    if (name.endsWith(".bias")) return 0.3 * x;
    if (shape.length === 1) return 1 + 0.3 * x;
    return name.includes("embed_tokens") ? x : x * inner;
  });
  return { data, shape, dtype: "float32" };
};
