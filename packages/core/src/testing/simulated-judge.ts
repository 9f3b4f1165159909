import { ConfigError, throwIfAborted } from "../errors.ts";
import { sha256 } from "../hash.ts";
import type { PairwiseJudge } from "../interfaces.ts";
import type { Winner } from "../types.ts";

/** What a simulated judge is like. */
export interface SimulatedJudgeOptions {
  /** How good a response really is. */
  readonly quality: (response: string) => number;
  /** Logits per unit of quality. 0: it cannot see quality at all. */
  readonly scale: number;
  /** Logit in favour of the response shown first; 0 unless told otherwise. */
  readonly orderBias?: number | undefined;
  readonly seed?: number | undefined;
}

/** A number in (0, 1) from the hash of its arguments, the same on any machine and in any order of calls. */
const uniform = (...key: readonly (string | number | boolean)[]): number =>
  (Number.parseInt(sha256(JSON.stringify(key)).slice(0, 8), 16) + 0.5) / 2 ** 32;

/**
 * A judge without a model whose errors are known: P(the first shown wins) = σ(scale · (quality first − quality second) +
 * orderBias). The verdict depends on the seed, the pair, its order and the sample alone, so that it makes no difference
 * when it is asked. For tests and simulations of how verdicts become rewards.
 *
 * @throws {ConfigError} when a number is not finite.
 */
export const simulatedJudge = (options: SimulatedJudgeOptions): PairwiseJudge => {
  const { quality, scale, orderBias = 0, seed = 0 } = options;
  if (![scale, orderBias, seed].every(Number.isFinite)) {
    throw new ConfigError(`simulatedJudge: expected finite numbers, got ${scale}, ${orderBias} and ${seed}`);
  }
  return {
    name: `simulated(${scale}, ${orderBias}, ${seed})`,
    async judge({ id, responses: [a, b] }, { swapped = false, sample = 0, signal } = {}) {
      throwIfAborted(signal);
      const advantage = (quality(a) - quality(b)) * (swapped ? -1 : 1);
      const firstWins = uniform(seed, id, a, b, swapped, sample) < 1 / (1 + Math.exp(-scale * advantage - orderBias));
      const winner: Winner = firstWins !== swapped ? 0 : 1;
      return {
        verdict: { kind: "winner", winner },
        reasoning: "",
        text: "",
        swapped,
        usage: { promptTokens: 0, completionTokens: 0 },
        latencyMs: 0,
        cached: false,
        warnings: [],
      };
    },
  };
};
