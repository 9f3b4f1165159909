/** Comparisons → rewards: pure. */
import { RewardError } from "../errors.ts";
import type { Reward } from "../types.ts";
import type { Asked } from "./ask.ts";
import { bradleyTerry, type BradleyTerryFit, type PairOutcome } from "./bradley-terry.ts";
import type { GroupSettings } from "./options.ts";
import { firstPositionRate, flipRate } from "./rates.ts";
import type { Member, Roster } from "./roster.ts";
import { spreadOf } from "./spread.ts";
import type { GroupScores } from "./types.ts";
import { absoluteValue, winsMinusLosses, type Standing } from "./values.ts";

/** What is known of the nodes. */
interface Picture {
  readonly roster: Roster;
  readonly fit: BradleyTerryFit;
  /** `[nodes]`: comparisons with and without a verdict. */
  readonly readable: readonly number[];
  readonly missing: readonly number[];
  /** `[nodes]`: nodes that readable comparisons connect have the same label. */
  readonly component: readonly number[];
  /** All responses are one text: equal by rule, whatever was judged. */
  readonly uniform: boolean;
}

/** Outcomes as the fit takes them. */
export const outcomesOf = (asked: readonly Asked[]): readonly PairOutcome[] =>
  asked.map(({ nodes: [i, j], comparison: { p, swapped } }) => ({ i, j, p, first: swapped ? j : i }));

const componentsOf = (nodes: number, asked: readonly Asked[]): readonly number[] => {
  const label = Array.from({ length: nodes }, (_, node) => node);
  for (const { nodes: pair, comparison } of asked) {
    const [to, from] = [label[pair[0]]!, label[pair[1]]!];
    if (comparison.p === null || to === from) continue;
    for (let node = 0; node < nodes; node++) if (label[node] === from) label[node] = to;
  }
  return label;
};

const pictureOf = (roster: Roster, asked: readonly Asked[], settings: GroupSettings): Picture => {
  const nodes = roster.texts.length;
  const readable = new Array<number>(nodes).fill(0);
  const missing = new Array<number>(nodes).fill(0);
  for (const { nodes: pair, comparison } of asked) {
    for (const node of pair) (comparison.p === null ? missing : readable)[node]!++;
  }
  const fit = bradleyTerry(outcomesOf(asked), { ...settings.fit, items: nodes });
  const texts = new Set(roster.members.flatMap(({ node }) => (node === null ? [] : [node])));
  const component = componentsOf(nodes, asked);
  return { roster, fit, readable, missing, component, uniform: texts.size === 1 && roster.members.length > 1 };
};

const isTold = ({ readable, uniform }: Picture, node: number): boolean => uniform || readable[node]! > 0;

const standingOf = (picture: Picture, { node }: Member, gated: boolean): Standing => {
  if (node === null) return { kind: "empty" };
  if (!isTold(picture, node)) return { kind: "unknown" };
  return { kind: "judged", strength: gated ? 0 : picture.fit.strengths[node]! };
};

/** Against the reference or the anchors that comparisons connect the response with; an empty one loses to all of them. */
const absolutePart = ({ fit, component }: Picture, { node }: Member, anchors: Roster["anchors"]): number | null => {
  if (node === null) return -1;
  const placed = anchors
    .filter((anchor) => component[anchor.node] === component[node])
    .map((anchor) => ({ strength: fit.strengths[anchor.node]!, score: anchor.score }));
  return absoluteValue(fit.strengths[node]!, placed);
};

const partsOf = (picture: Picture, member: Member): Record<string, number | null> => {
  const { roster, fit, readable, missing } = picture;
  const { node } = member;
  const told = node !== null && isTold(picture, node);
  const { reference, anchors } = roster;
  const against = reference === null ? [] : [{ node: reference, score: 0 }];
  return {
    strength: told ? fit.strengths[node]! : null,
    uncertainty: told ? fit.standardErrors[node]! : null,
    readable: node === null ? 0 : readable[node]!,
    missing: node === null ? 0 : missing[node]!,
    empty: node === null ? 1 : 0,
    ...(reference === null ? {} : { vsReference: absolutePart(picture, member, against) }),
    ...(anchors.length === 0 ? {} : { absolute: absolutePart(picture, member, anchors) }),
  };
};

const normalised = (values: readonly (number | null)[], { normalise }: GroupSettings): readonly (number | null)[] => {
  const given = values.filter((value) => value !== null);
  const made = [...normalise(given)];
  if (made.length !== given.length || !made.every(Number.isFinite)) {
    throw new RewardError(
      "group",
      undefined,
      `normalise: expected ${given.length} finite numbers, got [${made.join()}]`,
    );
  }
  return values.map((value) => (value === null ? null : made.shift()!));
};

const rewardsOf = (picture: Picture, settings: GroupSettings, gated: boolean): readonly Reward[] => {
  const { members } = picture.roster;
  const standings = members.map((member) => standingOf(picture, member, gated));
  const values = normalised(winsMinusLosses(standings), settings);
  return members.map((member, at) => {
    const parts = partsOf(picture, member);
    // A response without siblings has nothing but the absolute scale.
    const alone = parts.vsReference ?? parts.absolute ?? null;
    return { value: members.length === 1 ? alone : values[at]!, parts };
  });
};

/** Scores a group from its comparisons. */
export const scoreComparisons = (roster: Roster, asked: readonly Asked[], settings: GroupSettings): GroupScores => {
  const picture = pictureOf(roster, asked, settings);
  const { fit } = picture;
  const comparisons = asked.map(({ comparison }) => comparison);
  const judged = [...new Set(roster.members.map(({ node }) => node))].filter(
    (node) => node !== null && picture.readable[node]! > 0,
  ) as number[];
  const spread = judged.length < 2 ? null : spreadOf(fit.strengths, fit.covariance, judged);
  const gated = spread !== null && spread < settings.minSpread;
  return {
    ids: roster.members.map(({ id }) => id),
    rewards: rewardsOf(picture, settings, gated),
    comparisons,
    calls: comparisons.length,
    failed: comparisons.filter(({ error }) => error !== null).length,
    unreadable: comparisons.filter(({ judgment }) => judgment?.verdict.kind === "unreadable").length,
    orderBias: fit.comparisons === 0 ? null : { value: fit.orderBias, standardError: fit.orderBiasStandardError },
    firstPositionRate: firstPositionRate(comparisons),
    flipRate: flipRate(comparisons),
    spread,
    gated,
  };
};
