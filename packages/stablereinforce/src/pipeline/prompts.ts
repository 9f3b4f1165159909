/** From pairs to what is learnt from: prompts of reinforcement learning and examples of the cold start. */
import {
  ConfigError,
  mediaName,
  r1Protocol,
  recordKey,
  swapPair,
  type JudgeProtocol,
  type Preference,
  type Winner,
} from "@r1reward/core";
import type { TrainingPrompt } from "../policy/index.ts";
import { sequenceSeed } from "../sample/index.ts";
import { permutation } from "../train/order.ts";
import type { CritiqueExample, LabelledPair, PairData, ShownOrder } from "./types.ts";

/** How pairs are shown. */
export interface ShowOptions {
  /** `r1Protocol` by default. */
  readonly protocol?: JudgeProtocol | undefined;
  /** `balanced` by default, as in the paper (section 4.1: labels 1 and 2 in equal shares). */
  readonly order?: ShownOrder | undefined;
  /** Decides who is shown how; 42 by default. */
  readonly seed?: number | undefined;
}

/** Has the pair a human's choice? */
export const isLabelled = (pair: Preference): pair is LabelledPair => pair.human === 0 || pair.human === 1;

/** Which pairs are shown how: `[index, swapped]`. */
const showings = (pairs: readonly LabelledPair[], order: ShownOrder, seed: number): readonly [number, boolean][] => {
  const all = [...pairs.keys()];
  if (order === "as-stored") return all.map((i) => [i, false]);
  if (order === "both") return all.flatMap((i): [number, boolean][] => [[i, false], [i, true]]); // prettier-ignore
  const firstHalf = new Set(permutation(pairs.length, seed).slice(0, Math.ceil(pairs.length / 2)));
  return all.map((i) => [i, (pairs[i]?.human === 0) !== firstHalf.has(i)]);
};

const nameOf = (pair: Preference, swapped: boolean): string => `${pair.id}/${swapped ? "swapped" : "stored"}`;

const shown = (pair: LabelledPair, swapped: boolean): Preference & { readonly human: Winner } =>
  (swapped ? swapPair(pair) : pair) as LabelledPair;

/**
 * Prompts whose truth is the place of the better response as it is shown.
 * @throws ConfigError without pairs, and what the protocol throws
 */
export const promptsOf = (
  pairs: readonly LabelledPair[],
  { protocol = r1Protocol, order = "balanced", seed = 42 }: ShowOptions = {},
): readonly TrainingPrompt<Winner>[] => {
  if (pairs.length === 0) throw new ConfigError("pairs: expected at least one, got none");
  return showings(pairs, order, seed).map(([i, swapped]) => {
    const pair = shown(pairs[i] as LabelledPair, swapped);
    return { id: nameOf(pair, swapped), prompt: protocol.prompt(pair), truth: pair.human };
  });
};

/**
 * Examples for the cold start: each pair in the order that `order` says; where nobody wrote a critique for that order, in the
 * other; where there is none at all, the pair is left out.
 * @throws ConfigError when no pair has a critique
 */
export const examplesOf = (
  data: PairData,
  { protocol = r1Protocol, order = "balanced", seed = 42 }: ShowOptions = {},
): readonly CritiqueExample[] => {
  const written = (pair: LabelledPair, swapped: boolean): CritiqueExample[] => {
    const reply = data.critique?.(pair, swapped) ?? null;
    return reply === null ? [] : [{ id: nameOf(pair, swapped), prompt: protocol.prompt(shown(pair, swapped)), reply }];
  };
  const examples = showings(data.pairs, order, seed).flatMap(([i, swapped]) => {
    const pair = data.pairs[i] as LabelledPair;
    const [example] = written(pair, swapped);
    return example !== undefined ? [example] : order === "balanced" ? written(pair, !swapped) : [];
  });
  if (examples.length > 0) return examples;
  throw new ConfigError(`${data.name}: expected critiques to learn from, no pair has one`);
};

/** Pairs that share a picture or a group: they must not stand on both sides of a split. */
const familyOf = (pair: Preference): string => pair.group ?? mediaName(pair) ?? recordKey(pair);

const tooFew = (pairs: number, families: number, count: number): string => {
  if (pairs <= count || families === 0) return `expected more than ${count} pairs to hold ${count} out, got ${pairs}`;
  const kept = "pairs of one picture or group stay together";
  return families === 1
    ? `expected pairs of at least two pictures or groups to hold some out, got ${pairs} of one: ${kept}`
    : `expected pairs left to learn from beside the ${count} held out, got ${pairs} of ${families} pictures or groups, all held out: ${kept}`;
};

/**
 * Holds pairs out for measuring: whole families (one picture, one group) at a time, chosen by the seed, until there are `count`.
 * @throws ConfigError when nothing would be left on a side
 */
export const holdOut = (
  data: PairData,
  { count, seed = 42 }: { readonly count: number; readonly seed?: number | undefined },
): { readonly train: PairData; readonly held: PairData } => {
  const families = new Map<string, LabelledPair[]>();
  for (const pair of data.pairs) families.set(familyOf(pair), [...(families.get(familyOf(pair)) ?? []), pair]);
  const all = [...families.values()];
  const held = new Set<LabelledPair>();
  for (const i of permutation(all.length, sequenceSeed(seed, 7))) {
    if (held.size >= count) break;
    for (const pair of all[i] ?? []) held.add(pair);
  }
  const side = (name: string, of: boolean): PairData => ({
    ...data,
    name: `${data.name} (${name})`,
    pairs: data.pairs.filter((pair) => held.has(pair) === of),
    skipped: of ? [] : data.skipped, // once: they are on neither side
  });
  const split = { train: side("train", false), held: side("held out", true) };
  if (split.train.pairs.length > 0 && split.held.pairs.length > 0) return split;
  throw new ConfigError(`${data.name}: ${tooFew(data.pairs.length, all.length, count)}`);
};
