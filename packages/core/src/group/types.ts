/** Shapes of group scoring. */
import type { ModelError, PromptError } from "../errors.ts";
import type { Judgment, Part, Reward } from "../types.ts";

/** An answer whose place on the absolute scale is known. */
export interface Anchor {
  readonly text: string;
  /**
   * Between −1 and 1, both excluded: the wins minus losses expected of it against an answer of score 0. A reference
   * answer is an anchor of score 0.
   */
  readonly score: number;
}

/** Several answers to one question, and what they may be measured against. */
export interface ResponseGroup {
  readonly question: readonly Part[];
  readonly responses: readonly string[];
  /** A known good answer: gives every response a reward that is comparable across groups. */
  readonly reference?: string | undefined;
  readonly anchors?: readonly Anchor[] | undefined;
  /** Goes into the pairs' ids and into the seed; empty unless told otherwise. */
  readonly id?: string | undefined;
}

/** What takes part in a comparison. `index` counts responses, or anchors, from 0; a copy goes by its first occurrence. */
export type GroupItem =
  | { readonly kind: "response"; readonly index: number }
  | { readonly kind: "reference" }
  | { readonly kind: "anchor"; readonly index: number };

/** One judge call of a group. */
export interface GroupComparison {
  /** The pair as the judge got it; its own order, to which `p` and the judgment's verdict refer. */
  readonly pair: readonly [GroupItem, GroupItem];
  /** True when the pair was shown in reverse order. */
  readonly swapped: boolean;
  /** True for a repeat in the other order that is there to measure how often verdicts flip. */
  readonly monitor: boolean;
  /** `null` when the judge failed. */
  readonly judgment: Judgment | null;
  /** Why the judge failed: the model did not answer, or the protocol refused the pair. */
  readonly error: ModelError | PromptError | null;
  /** The outcome for `pair[0]` that went into the fit; `null` when there was none. */
  readonly p: number | null;
}

/** A number with its uncertainty. */
export interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

/** The rewards of a group and how they came about. */
export interface GroupScores {
  /** The responses' ids, in the order in which they were added; so are `rewards`. */
  readonly ids: readonly string[];
  /**
   * `value`: from −1 to 1 with sum 0 over the group, or `null` when nothing about the response could be told.
   * `parts`: `strength` and `uncertainty` in logits; `readable` and `missing`, comparisons with and without a verdict;
   * `empty`, 1 for an answer of white space; with a reference `vsReference`, with anchors `absolute`.
   */
  readonly rewards: readonly Reward[];
  /** In the order in which they were asked for, whatever the order in which they came back. */
  readonly comparisons: readonly GroupComparison[];
  /** Judge calls that were made. */
  readonly calls: number;
  /** Calls that failed, and calls that came back without a verdict. */
  readonly failed: number;
  readonly unreadable: number;
  /** γ of the fit, in logits: positive when the response shown first wins too often. `null` without any verdict. */
  readonly orderBias: Estimate | null;
  /** Share of the decided comparisons that the response shown first won; `null` when none was decided. */
  readonly firstPositionRate: number | null;
  /** Share of the pairs decided in both orders whose winner changed with the order; `null` when there was none. */
  readonly flipRate: number | null;
  /** How far the strengths lie apart, in posterior standard deviations (`spreadOf`); `null` when nothing was compared. */
  readonly spread: number | null;
  /** True when `spread` was below `minSpread`, so that every judged difference was set to 0. */
  readonly gated: boolean;
}
