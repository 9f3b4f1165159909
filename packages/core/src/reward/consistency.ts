import { ConfigError } from "../errors.ts";
import type { CallOptions, ChatModel, SampleOptions } from "../interfaces.ts";
import { r1Protocol } from "../protocol/r1.ts";
import type { Reward, Sample, Winner } from "../types.ts";
import { statedWinner } from "./conclusion.ts";
import { defineReward, type DefinedReward } from "./define.ts";
import { askReferee, checkTries, type RefereePrompt } from "./referee.ts";
import { gradeSample, type Graded, type ProtocolRewardOptions } from "./result.ts";

/** Which response a piece of reasoning calls better; `null` when the rule cannot tell. Must not throw. */
export type ConsistencyRule = (reasoning: string) => Winner | null;

/** How consistency is judged. */
export interface ConsistencyOptions extends ProtocolRewardOptions {
  /** Asked first: `statedWinner` unless told otherwise. `null`: every critique goes to the referee. */
  readonly rule?: ConsistencyRule | null | undefined;
  /** Asked when the rule cannot tell and the result is right. Without one such a critique stays undecided. */
  readonly referee?: ChatModel | undefined;
  /** How the referee is asked: `strictReferee` unless told otherwise. */
  readonly prompt?: RefereePrompt | undefined;
  /** Replies of the referee that are asked for until one can be read; 3 unless told otherwise. */
  readonly tries?: number | undefined;
  /** How the referee samples: temperature 0.1 and 4,096 tokens unless told otherwise. */
  readonly sampling?: Omit<SampleOptions, "signal"> | undefined;
  /** What a contradiction is worth: 0, as in the paper, or −1, as in the reference repository. */
  readonly inconsistent?: 0 | -1 | undefined;
}

/** What came of it. `by` names who decided. */
export type ConsistencyFinding =
  | { readonly kind: "consistent" | "inconsistent"; readonly by: "rule" | "referee" }
  /** The critique names no winner, so nothing follows from its reasoning. */
  | { readonly kind: "no-winner" }
  /** The rule cannot tell and the result is wrong: not worth a referee's time. */
  | { readonly kind: "not-asked" }
  /** Neither the rule nor the referee could tell. */
  | { readonly kind: "undecided" }
  /** The referee's model did not answer. */
  | { readonly kind: "failed" };

/** @throws {ConfigError} when nobody could decide anything, or an option is out of range. */
export const checkConsistency = ({ rule, referee, tries = 3, inconsistent = 0 }: ConsistencyOptions): void => {
  if (rule === null && referee === undefined)
    throw new ConfigError("consistency: expected a rule or a referee, got none");
  if (inconsistent !== 0 && inconsistent !== -1) {
    throw new ConfigError(`consistency inconsistent: expected 0 or -1, got ${String(inconsistent)}`);
  }
  checkTries(tries);
};

/** Does the verdict of a graded critique follow from its reasoning? */
export const findConsistency = async (
  { reading, winner, right }: Graded,
  text: string,
  options: ConsistencyOptions,
  { signal }: CallOptions = {},
): Promise<ConsistencyFinding> => {
  if (winner === null) return { kind: "no-winner" };
  const { rule = statedWinner, referee, prompt, tries, sampling } = options;
  const stated = rule?.(reading.reasoning) ?? null;
  if (stated !== null) return { kind: stated === winner ? "consistent" : "inconsistent", by: "rule" };
  if (!right) return { kind: "not-asked" };
  if (referee === undefined) return { kind: "undecided" };
  const input = { text, reasoning: reading.reasoning, winner };
  const finding = await askReferee({ model: referee, prompt, tries, sampling }, input, { signal });
  if (finding.kind !== "said") return { kind: finding.kind === "failed" ? "failed" : "undecided" };
  return { kind: finding.agrees ? "consistent" : "inconsistent", by: "referee" };
};

/** Value and parts: `byRule` and `byReferee` are 1 or 0 where that one decided, else `null`. */
export const consistencyOf = (finding: ConsistencyFinding, inconsistent: 0 | -1 = 0): Reward => {
  const said = finding.kind === "consistent" ? 1 : 0;
  const by = "by" in finding ? finding.by : null;
  const parts = { byRule: by === "rule" ? said : null, byReferee: by === "referee" ? said : null };
  if (finding.kind === "consistent") return { value: 1, parts };
  if (finding.kind === "inconsistent") return { value: inconsistent, parts };
  return { value: finding.kind === "no-winner" ? 0 : null, parts };
};

/**
 * 1 when the critique's verdict follows from its reasoning, `inconsistent` when it contradicts it (paper, section 3).
 * The rule decides what it can, for free; a referee decides the rest, and only where the result is right, for elsewhere
 * the paper multiplies it away. `null` where nobody could tell: undecided, not asked, or the referee failed. A critique
 * that names no winner gets 0.
 *
 * @throws {ConfigError} without a rule and a referee. Scoring throws a RewardError when the truth is neither 0 nor 1.
 */
export const consistencyReward = (options: ConsistencyOptions = {}): DefinedReward<Winner> => {
  checkConsistency(options);
  const { protocol = r1Protocol, inconsistent } = options;
  return defineReward({
    name: "consistency",
    async score(sample: Sample<Winner>, call) {
      const graded = gradeSample("consistency", protocol, sample);
      return consistencyOf(await findConsistency(graded, sample.text, options, call), inconsistent);
    },
  });
};
