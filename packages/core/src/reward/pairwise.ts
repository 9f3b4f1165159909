import type { GroupOptions } from "../group/options.ts";
import { scoreGroup } from "../group/score-group.ts";
import type { ResponseGroup } from "../group/types.ts";
import { RewardError } from "../errors.ts";
import type { PairwiseJudge } from "../interfaces.ts";
import type { Part, Sample } from "../types.ts";
import { defineGroupReward, type DefinedGroupReward } from "./define.ts";

/** How samples become a group for the judge. */
export interface PairwiseRewardOptions<Truth = unknown> extends Omit<GroupOptions, "signal"> {
  readonly name?: string | undefined;
  /**
   * The question that the samples answer. Left out: the parts of the prompt's only user turn; longer conversations and
   * system turns need a function, since nobody else knows what of them the judge should see.
   */
  readonly question?: ((sample: Sample<Truth>) => readonly Part[]) | undefined;
  /** What the group is measured against, beyond its own members. */
  readonly against?: ((sample: Sample<Truth>) => Pick<ResponseGroup, "reference" | "anchors">) | undefined;
  /** Goes into the seed, so that groups are arranged differently. Left out: the first sample's id. */
  readonly groupId?: ((sample: Sample<Truth>) => string) | undefined;
}

const onlyQuestion = (name: string, { id, prompt }: Sample): readonly Part[] => {
  const [turn] = prompt;
  if (turn !== undefined && prompt.length === 1 && turn.role === "user") return turn.content;
  const roles = prompt.map(({ role }) => role).join(", ");
  throw new RewardError(name, id, `prompt: expected one user turn or the option question, got [${roles}]`);
};

/**
 * A pairwise judge as a group reward, for any trainer that samples several answers to one question: `scoreGroup` on the
 * samples' texts. The question, the reference and the id are taken from the first sample of the group.
 *
 * @throws {ConfigError} naming the option that is out of range, when a group is scored.
 */
export const pairwiseReward = <Truth = unknown>(
  judge: PairwiseJudge,
  options: PairwiseRewardOptions<Truth> = {},
): DefinedGroupReward<Truth> => {
  const { name = "pairwise", question, against, groupId, ...rest } = options;
  return defineGroupReward({
    name,
    async scoreGroup(samples: readonly Sample<Truth>[], call) {
      const [first] = samples;
      if (first === undefined) return [];
      const group = {
        question: question?.(first) ?? onlyQuestion(name, first),
        responses: samples.map(({ text }) => text),
        id: groupId?.(first) ?? first.id,
        ...against?.(first),
      };
      return (await scoreGroup(judge, group, { ...rest, signal: call?.signal })).rewards;
    },
  });
};
