/** Members that come after their group was judged: the group stays as it is, and they are measured against it. */
import type { Anchor } from "@r1reward/core";
import { onTime, type Attempt, type Seat } from "./book.ts";
import type { Hall } from "./hall.ts";
import { flagsOf, resultsOf, unscorable } from "./results.ts";
import type { MemberResult, Submission } from "./types.ts";

/** Anchors lie strictly between −1 and 1. */
const EDGE = 0.98;

/** How many frozen members a late one meets. */
const YARDSTICKS = 4;

/** Frozen members spread over the ranking, with the values they were given. */
export const yardsticks = (attempt: Attempt): readonly Anchor[] => {
  const known = onTime(attempt)
    .flatMap(({ response, result }) => {
      const value = result?.value ?? null;
      return value === null || response.trim() === "" ? [] : [{ text: response, score: value }];
    })
    .sort((a, b) => a.score - b.score);
  const chosen = new Map<string, Anchor>();
  const step = Math.max(1, (known.length - 1) / (YARDSTICKS - 1));
  for (let at = 0; Math.round(at) < known.length; at += step) {
    const { text, score } = known[Math.round(at)]!;
    chosen.set(text, { text, score: Math.min(EDGE, Math.max(-EDGE, score)) });
  }
  return [...chosen.values()];
};

const measured = async (
  hall: Hall,
  attempt: Attempt,
  from: { readonly seat: Seat; readonly submission: Submission; readonly signal: AbortSignal },
): Promise<MemberResult> => {
  const { scorer, resolve, limits } = hall.options;
  const { seat, submission, signal } = from;
  const twin = onTime(attempt).find(({ response }) => response === seat.response)?.result;
  const { question, missing } = resolve(submission);
  const notes = { missing, reference: false };
  const flags = flagsOf(attempt, seat, notes);
  if (twin !== undefined) return { ...twin, flags: [...new Set([...twin.flags, ...flags])] };
  if (seat.response.length > limits.maxResponseChars) return unscorable("too-long", flags);
  const group = { id: `${attempt.key}+${seat.index}`, question, size: 1, signal };
  const scored = await scorer.alone(group, seat.response, { anchors: yardsticks(attempt) });
  return scored === null ? unscorable("alone", flags) : resultsOf(attempt, [seat], { scored, notes })[0]!;
};

/** Measures a late member once its group is frozen. Never rejects. */
export const measureLate = async (hall: Hall, attempt: Attempt, seat: Seat, submission: Submission): Promise<void> => {
  const { clock, limits, events } = hall.options;
  await hall.living.get(attempt)?.done;
  const controller = new AbortController();
  const stop = clock.after(limits.judgingMs, () => controller.abort(new Error("judging took too long")));
  try {
    seat.result = await measured(hall, attempt, { seat, submission, signal: controller.signal });
  } catch (error) {
    events.onFailure?.(error);
    seat.result = unscorable("judge-failed", ["late"]);
  }
  stop();
  hall.late.delete(seat);
  events.onLate?.(attempt, seat);
};
