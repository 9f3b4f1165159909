/** One sequence under way, and when it ends. */
import { ConfigError } from "@r1reward/core";
import type { ChoiceSettings } from "./choose.ts";
import { uniformStream } from "./random.ts";
import type { Alternatives, Completion, SampleOptions, SamplePrompt } from "./types.ts";

/** A sequence: what was sampled so far and where it stands in its prompt's cache. */
export interface Sequence {
  readonly source: SamplePrompt;
  /** Index of its prompt. */
  readonly prompt: number;
  /** Index among its prompt's sequences. */
  readonly sample: number;
  readonly uniform: () => number;
  readonly tokens: number[];
  readonly logp: number[];
  readonly behaviourLogp: number[];
  readonly alternatives: Alternatives[];
  /** Filled places of the cache. */
  position: number;
  /** Added to the place of a token to get its rotary position. */
  readonly offset: number;
  /** The token that goes in next. */
  last: number;
  /** `[V]`, 1 where a token occurred; only with a repetition penalty. */
  readonly seen: Float32Array | null;
}

/** Options with defaults, checked. */
export interface Plan extends ChoiceSettings {
  readonly maxTokens: number;
  readonly stopTokens: ReadonlySet<number>;
  readonly stopSequences: readonly (readonly number[])[];
}

const require = (holds: boolean, field: string, expected: string, got: unknown): void => {
  if (!holds) throw new ConfigError(`sample ${field}: expected ${expected}, got ${String(got)}`);
};

/** Checks options. Throws `ConfigError` naming the field. */
export const planOf = (options: SampleOptions, vocab: number): Plan => {
  const { maxTokens, temperature = 1, topK = 0, topP = 1, repetitionPenalty = 1, alternatives = 0 } = options;
  require(Number.isSafeInteger(maxTokens) && maxTokens > 0, "maxTokens", "a positive whole number", maxTokens);
  require(temperature >= 0 && temperature < Infinity, "temperature", "0 or more", temperature);
  require(Number.isSafeInteger(topK) && topK >= 0, "topK", "a whole number of at least 0", topK);
  require(topP > 0 && topP <= 1, "topP", "a number above 0 and up to 1", topP);
  require(repetitionPenalty > 0 && repetitionPenalty < Infinity, "repetitionPenalty", "above 0", repetitionPenalty);
  require(Number.isSafeInteger(alternatives) && alternatives >= 0, "alternatives", "a whole number", alternatives);
  const stops = options.stopTokens ?? [];
  require(stops.every(
    (id) => Number.isInteger(id) && id >= 0 && id < vocab,
  ), "stopTokens", `ids below ${vocab}`, stops);
  const stopSequences = options.stopSequences ?? [];
  require(stopSequences.every((ids) => ids.length > 0), "stopSequences", "no empty sequence", "one");
  const choice = { temperature, topK, topP, repetitionPenalty, alternatives };
  return { maxTokens, ...choice, stopTokens: new Set(stops), stopSequences };
};

const checkPrompt = (prompt: SamplePrompt, index: number, vocab: number): void => {
  require(prompt.tokens.length > 0, `prompt ${index}`, "at least one token", "none");
  for (let i = 0; i < prompt.tokens.length; i++) {
    const id = prompt.tokens[i] as number;
    require(Number.isInteger(id) && id >= 0 && id < vocab, `prompt ${index} token ${i}`, `an id below ${vocab}`, id);
  }
  const { offset = 0 } = prompt;
  const fits = Number.isSafeInteger(offset) && prompt.tokens.length + offset > 0;
  require(fits, `prompt ${index} offset`, "a whole number above minus the prompt's length", offset);
  const { maxTokens = 1 } = prompt;
  require(Number.isSafeInteger(maxTokens) &&
    maxTokens > 0, `prompt ${index} maxTokens`, "a positive whole number", maxTokens);
  require(prompt.seeds.every(Number.isSafeInteger), `prompt ${index} seeds`, "whole numbers", prompt.seeds);
};

/** All sequences of all prompts, in order. Throws `ConfigError` on a bad prompt. */
export const sequencesOf = (prompts: readonly SamplePrompt[], plan: Plan, vocab: number): Sequence[] =>
  prompts.flatMap((prompt, index) => {
    checkPrompt(prompt, index, vocab);
    return prompt.seeds.map((seed, sample) => {
      const seen = plan.repetitionPenalty === 1 ? null : new Float32Array(vocab);
      if (seen !== null) for (let i = 0; i < prompt.tokens.length; i++) seen[prompt.tokens[i] as number] = 1;
      return {
        source: prompt,
        prompt: index,
        sample,
        uniform: uniformStream(seed),
        tokens: [],
        logp: [],
        behaviourLogp: [],
        alternatives: [],
        position: prompt.tokens.length - 1,
        offset: prompt.offset ?? 0,
        last: prompt.tokens[prompt.tokens.length - 1] as number,
        seen,
      };
    });
  });

const endsWith = (tokens: readonly number[], tail: readonly number[]): boolean => {
  const start = tokens.length - tail.length;
  return start >= 0 && tail.every((id, i) => tokens[start + i] === id);
};

/** Why a sequence is over, or `null` while it is not. */
export const finishOf = (sequence: Sequence, plan: Plan): Completion["finish"] | null => {
  const { tokens } = sequence;
  const stopped =
    plan.stopTokens.has(tokens.at(-1) as number) || plan.stopSequences.some((tail) => endsWith(tokens, tail));
  if (stopped || sequence.source.ended?.(tokens, sequence.sample) === true) return "stop";
  return tokens.length >= (sequence.source.maxTokens ?? plan.maxTokens) ? "length" : null;
};

/** The finished sequence as it is handed out. */
export const completionOf = (sequence: Sequence, finish: Completion["finish"]): Completion => ({
  tokens: Int32Array.from(sequence.tokens),
  logp: Float32Array.from(sequence.logp),
  behaviourLogp: Float32Array.from(sequence.behaviourLogp),
  ...(sequence.alternatives.length === 0 ? {} : { alternatives: sequence.alternatives }),
  finish,
});
