import { createSlots, orAborted } from "../concurrency.ts";
import { isR1Error, messageOf, RewardError, throwIfAborted, type ModelError, type PromptError } from "../errors.ts";
import type { PairwiseJudge } from "../interfaces.ts";
import type { Judgment, Part, Preference } from "../types.ts";
import type { GroupSettings } from "./options.ts";
import type { Roster } from "./roster.ts";
import type { PlannedPair } from "./schedule.ts";
import type { GroupComparison } from "./types.ts";

/** A comparison with the nodes it was made between, in the pair's own order. */
export interface Asked {
  readonly nodes: readonly [number, number];
  readonly comparison: GroupComparison;
}

/** What asking needs. */
export interface AskContext {
  readonly judge: PairwiseJudge;
  readonly question: readonly Part[];
  readonly id: string;
  readonly roster: Roster;
  readonly settings: GroupSettings;
  /** Fires when the group is given up. */
  readonly signal: AbortSignal;
  /** Gives the group up, before anything else can start. */
  readonly giveUp: (error: unknown) => void;
}

type Answer = Pick<GroupComparison, "judgment" | "error" | "p">;

/** Failures that belong to one pair. By their codes, so that another copy of the package is recognised too. */
const ofOnePair = (error: unknown): error is ModelError | PromptError =>
  isR1Error(error) && (error.code === "R1_MODEL" || error.code === "R1_PROMPT");

const outcomeOf = (judgment: Judgment, { settings, id }: AskContext): number | null => {
  const p = settings.outcome(judgment);
  if (p === null || (p >= 0 && p <= 1)) return p;
  throw new RewardError(`group ${id}`, undefined, `outcome: expected null or a number from 0 to 1, got ${String(p)}`);
};

const judgePair = async (
  context: AskContext,
  pair: Preference,
  options: { swapped: boolean; sample: number; samples: number },
): Promise<Answer> => {
  const { judge, signal } = context;
  throwIfAborted(signal);
  try {
    const judgment = await orAborted(judge.judge(pair, { ...options, signal }), signal);
    return { judgment, error: null, p: outcomeOf(judgment, context) };
  } catch (error) {
    if (!signal.aborted && ofOnePair(error)) return { judgment: null, error, p: null };
    const fatal = isR1Error(error) ? error : foreign(context, pair, error);
    context.giveUp(fatal);
    throw fatal;
  }
};

const foreign = ({ id }: AskContext, pair: Preference, cause: unknown): RewardError =>
  new RewardError(`group ${id}`, undefined, `judging ${pair.id}: ${messageOf(cause)}`, { cause });

/**
 * Judges pairs of nodes, no more at a time than allowed. The pair's own order is that of the nodes, whatever order it is
 * shown in, so both orders of a pair share whatever the judge keeps. A pair that is asked again in one order asks for
 * another sample. What the model or the protocol fails at is recorded; anything else is thrown, for it would fail every pair.
 */
export const createAsker = (context: AskContext): ((planned: PlannedPair) => Promise<Asked>) => {
  const { roster, settings, question, id } = context;
  const slots = createSlots(settings.concurrency);
  const times = new Map<string, number>();
  return async ({ first, second, monitor = false }) => {
    const sample = times.get(`${first},${second}`) ?? 0;
    times.set(`${first},${second}`, sample + 1);
    const swapped = first > second;
    const nodes: readonly [number, number] = swapped ? [second, first] : [first, second];
    const pair = {
      id: `${id}/${nodes[0]}-${nodes[1]}`,
      question,
      responses: [roster.texts[nodes[0]]!, roster.texts[nodes[1]]!] as const,
    };
    const answer = await slots(() => judgePair(context, pair, { swapped, sample, samples: sample + 1 }));
    const items = [roster.items[nodes[0]]!, roster.items[nodes[1]]!] as const;
    const comparison: GroupComparison = { pair: items, swapped, monitor, ...answer };
    settings.onComparison(comparison);
    return { nodes, comparison };
  };
};
