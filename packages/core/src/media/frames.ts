/** Which frames of a video a judge sees. */
import { ConfigError } from "../errors.ts";

/**
 * `count` indices spread evenly over `total` frames, first and last included, truncated to integers; frames repeat
 * when there are fewer than `count`. NumPy's `linspace(0, total − 1, count, dtype=int)`, as in the reference
 * evaluation (paper section 1.4: 32 frames).
 *
 * @throws ConfigError when `total` or `count` is not a positive integer
 */
export const frameIndices = (total: number, count: number): readonly number[] => {
  for (const [name, value] of Object.entries({ total, count })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ConfigError(`frames: ${name}: expected a positive integer, got ${value}`);
    }
  }
  // The step first, then the product: the same two roundings as NumPy, and so the same integers after truncation.
  const step = (total - 1) / (count - 1);
  return Array.from({ length: count }, (_, index) => {
    if (index === 0) return 0;
    return index === count - 1 ? total - 1 : Math.trunc(index * step);
  });
};
