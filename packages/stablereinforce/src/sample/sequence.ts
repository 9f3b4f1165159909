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

/** Said of what was given: strings as they would be written. */
const shown = (got: unknown): string => (typeof got === "string" ? JSON.stringify(got) : String(got));

const require = (holds: boolean, field: string, expected: string, got: unknown): void => {
  if (!holds) throw new ConfigError(`sample ${field}: expected ${expected}, got ${shown(got)}`);
};

const isObject = (x: unknown): boolean => typeof x === "object" && x !== null;

const isWhole = (x: unknown, least: number): boolean => Number.isSafeInteger(x) && (x as number) >= least;

const isWithin = (x: unknown, [least, most]: readonly [number, number]): boolean =>
  typeof x === "number" && x >= least && x <= most;

/** Scores are float32, in which what lies beyond would be 0 or infinite. */
const TEMPERATURES = [1e-30, 1e30] as const;
const PENALTIES = [1e-6, 1e6] as const;

const isId = (id: unknown, vocab: number): boolean => isWhole(id, 0) && (id as number) < vocab;

const checkStops = ({ stopTokens, stopSequences }: SampleOptions, vocab: number): void => {
  for (const [field, list] of Object.entries({ stopTokens, stopSequences })) {
    require(list === undefined || Array.isArray(list), field, "a list", list);
  }
  const known = (stopTokens ?? []).every((id) => isId(id, vocab));
  require(known, "stopTokens", `ids below ${vocab}`, stopTokens);
  const filled = (stopSequences ?? []).every((ids) => Array.isArray(ids) && ids.length > 0);
  require(filled, "stopSequences", "lists of ids, none of them empty", "another");
};

/** Checks options. Throws `ConfigError` naming the field. */
export const planOf = (options: SampleOptions, vocab: number): Plan => {
  require(isObject(options), "options", "an object with maxTokens", options);
  const { maxTokens, temperature = 1, topK = 0, topP = 1, repetitionPenalty = 1, alternatives = 0 } = options;
  require(isWhole(maxTokens, 1), "maxTokens", "a positive whole number", maxTokens);
  const tempered = temperature === 0 || isWithin(temperature, TEMPERATURES);
  require(tempered, "temperature", `0, or a number from ${TEMPERATURES.join(" to ")}`, temperature);
  require(isWhole(topK, 0), "topK", "a whole number of at least 0", topK);
  require(isWithin(topP, [Number.MIN_VALUE, 1]), "topP", "a number above 0 and up to 1", topP);
  const penalty = `a number from ${PENALTIES.join(" to ")}`;
  require(isWithin(repetitionPenalty, PENALTIES), "repetitionPenalty", penalty, repetitionPenalty);
  require(isWhole(alternatives, 0), "alternatives", "a whole number of at least 0", alternatives);
  checkStops(options, vocab);
  const choice = { temperature, topK, topP, repetitionPenalty, alternatives };
  const { stopTokens, stopSequences = [] } = options;
  return { maxTokens, ...choice, stopTokens: new Set(stopTokens), stopSequences };
};

const checkTokens = (tokens: ArrayLike<number>, index: number, vocab: number): void => {
  const listed = isObject(tokens) && isWhole(tokens.length, 0);
  require(listed, `prompt ${index} tokens`, "a list of token ids", tokens);
  require(tokens.length > 0, `prompt ${index}`, "at least one token", "none");
  for (let i = 0; i < tokens.length; i++) {
    require(isId(tokens[i], vocab), `prompt ${index} token ${i}`, `an id below ${vocab}`, tokens[i]);
  }
};

const checkPrompt = (prompt: SamplePrompt, index: number, vocab: number): void => {
  require(isObject(prompt), `prompt ${index}`, "an object with tokens and seeds", prompt);
  const { tokens, seeds, offset = 0, maxTokens = 1 } = prompt;
  checkTokens(tokens, index, vocab);
  const fits = Number.isSafeInteger(offset) && tokens.length + offset > 0;
  require(fits, `prompt ${index} offset`, "a whole number above minus the prompt's length", offset);
  require(isWhole(maxTokens, 1), `prompt ${index} maxTokens`, "a positive whole number", maxTokens);
  const seeded = Array.isArray(seeds) && seeds.every(Number.isSafeInteger);
  require(seeded, `prompt ${index} seeds`, "a list of whole numbers, one for each sequence", seeds);
};

const listed = (prompts: readonly SamplePrompt[]): readonly SamplePrompt[] => {
  require(Array.isArray(prompts), "prompts", "a list", prompts);
  return prompts;
};

/** All sequences of all prompts, in order. Throws `ConfigError` on a bad prompt. */
export const sequencesOf = (prompts: readonly SamplePrompt[], plan: Plan, vocab: number): Sequence[] =>
  listed(prompts).flatMap((prompt, index) => {
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
