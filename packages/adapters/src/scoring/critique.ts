/** What the judge wrote, as feedback on one of the two answers. */
import type { Decision, Judgment, Winner } from "@r1reward/core";

/** A critique longer than this many characters is cut: reflection prompts carry several. */
export const CRITIQUE_LIMIT = 4_000;

const outcomes = { won: "preferred this answer", lost: "preferred the other", tied: "called them equal" } as const;

const outcomeFor = ({ verdict }: Judgment, mine: Winner): string => {
  if (verdict.kind === "tie") return outcomes.tied;
  return verdict.kind === "winner" && verdict.winner === mine ? outcomes.won : outcomes.lost;
};

const cut = (text: string): string => (text.length <= CRITIQUE_LIMIT ? text : `${text.slice(0, CRITIQUE_LIMIT)}…`);

/**
 * One critique from the point of view of `responses[mine]`. The judge speaks of the first and the second answer, so the
 * text says first which of them this one was. Empty when nothing could be read.
 */
export const critiqueOfJudgment = (judgment: Judgment, mine: Winner, other: string): string => {
  if (judgment.verdict.kind === "unreadable" || judgment.reasoning.trim() === "") return "";
  const place = (mine === 0) !== judgment.swapped ? "first" : "second";
  const head = `Compared with ${other}, this answer being the ${place} one shown, the judge ${outcomeFor(judgment, mine)}:`;
  return `${head}\n${cut(judgment.reasoning.trim())}`;
};

const agrees = ({ verdict }: Decision, judgment: Judgment): boolean =>
  judgment.verdict.kind === verdict.kind &&
  (verdict.kind !== "winner" || (judgment.verdict.kind === "winner" && judgment.verdict.winner === verdict.winner));

/**
 * The critiques of a decision as feedback on `responses[0]`: the first that says what was decided, or, where two orders
 * contradict each other, the first of each.
 */
export const critiqueOfDecision = (decision: Decision, other: string): string => {
  const agreeing = decision.judgments.find((judgment) => agrees(decision, judgment));
  const inOrder = (swapped: boolean) => decision.judgments.find((judgment) => judgment.swapped === swapped);
  const chosen = agreeing === undefined ? [inOrder(false), inOrder(true)] : [agreeing];
  return chosen
    .flatMap((judgment) => (judgment === undefined ? [] : [critiqueOfJudgment(judgment, 0, other)]))
    .filter((text) => text !== "")
    .join("\n\n");
};
