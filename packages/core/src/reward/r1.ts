import { ConfigError } from "../errors.ts";
import { r1Protocol } from "../protocol/r1.ts";
import { hasR1Format, type R1FormatOptions } from "../protocol/verdict-scanner.ts";
import type { Reward, Sample, Winner } from "../types.ts";
import { checkConsistency, consistencyOf, findConsistency, type ConsistencyOptions } from "./consistency.ts";
import { defineReward, type DefinedReward } from "./define.ts";
import { referenceReferee } from "./referee.ts";
import { gradeSample } from "./result.ts";

/** The parts of R1-Reward's reward. */
export interface R1RewardOptions extends ConsistencyOptions {
  /** 0.5 in the paper. */
  readonly consistencyWeight?: number | undefined;
  /** 0.5 in the paper. */
  readonly formatWeight?: number | undefined;
  readonly format?: R1FormatOptions | undefined;
  /**
   * What consistency counts as when the result is right and nobody could decide it, each of the referee's replies being
   * unreadable or no referee being there. `null` (default): the reward is `null`, for the trainer to leave out. 0: the
   * result alone counts, as in the paper's table. A referee that did not answer always makes it `null`.
   */
  readonly undecided?: 0 | null | undefined;
}

/** `r1Reward({ ...r1RewardPresets.paper, referee })` */
export const r1RewardPresets = {
  /** The paper's text: a contradiction adds nothing, and neither does an undecided case. */
  paper: { inconsistent: 0, undecided: 0 },
  /** The released reward server: every right critique goes to the referee, and a contradiction costs. */
  script: {
    inconsistent: -1,
    undecided: 0,
    rule: null,
    prompt: referenceReferee,
    format: { whitespaceAround: true },
  },
} as const satisfies Record<string, R1RewardOptions>;

/**
 * R1-Reward's reward (paper, section 3; 0 to 2, with `inconsistent: -1` still 0 to 2):
 *
 *   R = result · (1 + ½ · consistency) + ½ · format
 *
 * Consistency multiplies the result so that a wrong critique earns nothing by being consistent; it is therefore only
 * looked at where the result is right, and its part is `null` elsewhere. The parts are `result`, `format`, `consistency`,
 * `consistency/byRule` and `consistency/byReferee`.
 *
 * @throws {ConfigError} when an option is out of range. Scoring throws a RewardError when the truth is neither 0 nor 1.
 */
export const r1Reward = (options: R1RewardOptions = {}): DefinedReward<Winner> => {
  const { protocol = r1Protocol, consistencyWeight = 0.5, formatWeight = 0.5, undecided = null } = options;
  checkConsistency(options);
  if (!Number.isFinite(consistencyWeight) || !Number.isFinite(formatWeight)) {
    throw new ConfigError(`r1Reward weights: expected finite numbers, got ${consistencyWeight} and ${formatWeight}`);
  }
  const consistencyIn = async (sample: Sample<Winner>, graded: ReturnType<typeof gradeSample>, call: object) => {
    const finding = await findConsistency(graded, sample.text, options, call);
    const reward = consistencyOf(finding, options.inconsistent);
    return { ...reward, counts: finding.kind === "undecided" ? undecided : reward.value };
  };
  return defineReward({
    name: "r1",
    async score(sample: Sample<Winner>, call = {}): Promise<Reward> {
      const graded = gradeSample("r1", protocol, sample);
      const result = graded.right ? 1 : 0;
      const format = hasR1Format(sample.text, options.format) ? 1 : 0;
      const consistency = graded.right ? await consistencyIn(sample, graded, call) : null;
      const counts = consistency === null ? 0 : consistency.counts;
      const value = counts === null ? null : result * (1 + consistencyWeight * counts) + formatWeight * format;
      const { byRule = null, byReferee = null } = consistency?.parts ?? {};
      return {
        value,
        parts: {
          result,
          format,
          consistency: consistency?.value ?? null,
          "consistency/byRule": byRule,
          "consistency/byReferee": byReferee,
        },
      };
    },
  });
};
