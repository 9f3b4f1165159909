import type { PairwiseJudge } from "../interfaces.ts";
import { openGroup } from "./open-group.ts";
import type { GroupOptions } from "./options.ts";
import type { GroupScores, ResponseGroup } from "./types.ts";

/** Different responses that say something and are not the reference or an anchor: those that take part in the schedule. */
const distinct = ({ responses, reference, anchors = [] }: ResponseGroup): number => {
  const texts = new Set(responses.filter((text) => text.trim() !== ""));
  for (const fixed of [reference, ...anchors.map(({ text }) => text)]) if (fixed !== undefined) texts.delete(fixed);
  return texts.size;
};

/**
 * Rewards for a group of answers to one question, by comparing them in pairs: centred at 0, from −1 to 1, exactly 0 where
 * the comparisons say nothing, `null` where there were none to go by. See `openGroup` for how copies and empty responses
 * are treated, and `winsMinusLosses` for what a value means.
 *
 * Comparisons that the model or the protocol fails at are recorded and left out of the fit. A single response is scored
 * against the reference or the anchors; without them its value is `null`.
 *
 * @throws {ConfigError} naming the option that is out of range.
 * @throws {AbortError} when the signal fires.
 * @throws {R1Error} when judging fails for a reason that is not one pair's, such as an image that cannot be read.
 */
export const scoreGroup = async (
  judge: PairwiseJudge,
  group: ResponseGroup,
  options: GroupOptions = {},
): Promise<GroupScores> => {
  const { question, reference, anchors, id } = group;
  const open = openGroup(judge, { ...options, question, reference, anchors, id, size: distinct(group) });
  for (const response of group.responses) open.add(response);
  open.close();
  return open.result();
};
