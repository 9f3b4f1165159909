/** A call's options as the sampler takes them. */
import { ConfigError, type SampleOptions as ChatOptions } from "@r1reward/core";
import type { SampleOptions } from "../../sample/index.ts";

/** What calls must agree on to be decoded together. */
export type Settings = Required<
  Pick<SampleOptions, "temperature" | "topK" | "topP" | "repetitionPenalty" | "alternatives">
>;

const holds = (good: boolean, field: string, expected: string, got: unknown): void => {
  if (!good) throw new ConfigError(`localChatModel ${field}: expected ${expected}, got ${String(got)}`);
};

/** @throws ConfigError naming the option */
const refuseUnknown = ({ structured, logprobTokenIds }: ChatOptions): void => {
  holds(structured === undefined, "structured", "none, replies are not constrained here", "one");
  holds(logprobTokenIds === undefined, "logprobTokenIds", "none, ask for logprobs", "some");
};

/** @throws ConfigError naming the option that cannot be */
export const settingsOf = (options: ChatOptions): Settings => {
  refuseUnknown(options);
  const { temperature = 1, topP = 1, topK = 0, repetitionPenalty = 1, logprobs = 0, maxTokens, seed } = options;
  holds(temperature >= 0 && temperature < Infinity, "temperature", "0 or more", temperature);
  holds(topP > 0 && topP <= 1, "topP", "a number above 0 and up to 1", topP);
  holds(Number.isSafeInteger(topK) && topK >= -1, "topK", "a whole number from -1", topK);
  holds(repetitionPenalty > 0 && repetitionPenalty < Infinity, "repetitionPenalty", "above 0", repetitionPenalty);
  holds(Number.isSafeInteger(logprobs) && logprobs >= 0, "logprobs", "a whole number from 0", logprobs);
  holds(
    maxTokens === undefined || (Number.isSafeInteger(maxTokens) && maxTokens > 0),
    "maxTokens",
    "a positive whole number",
    maxTokens,
  );
  holds(seed === undefined || Number.isSafeInteger(seed), "seed", "a whole number", seed);
  // Greedy replies need no more settings than that: calls that differ in them can go together.
  if (temperature === 0) return { temperature, topP: 1, topK: 0, repetitionPenalty, alternatives: logprobs };
  return { temperature, topP, topK: Math.max(0, topK), repetitionPenalty, alternatives: logprobs };
};

const anySeed = (): number => (globalThis.crypto.getRandomValues(new Uint32Array(1))[0] as number) >>> 1;

/** One seed for each of n replies: the given one plus the index, as vLLM counts; without one, any. */
export const seedsOf = ({ seed }: ChatOptions, n: number): number[] => {
  const first = seed ?? anySeed();
  return Array.from({ length: n }, (_, i) => first + i);
};
