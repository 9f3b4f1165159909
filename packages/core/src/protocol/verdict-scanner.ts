/**
 * Reads the tags of a reply in linear time: a fixed number of `indexOf` and `lastIndexOf` calls, no regular expression.
 *
 * Rules. Only text after the last `</think>` counts, so a tag that the judge quotes while thinking decides nothing. There,
 * the answer lies between the last `<answer>` and the last `</answer>`; text may follow it (the format reward is what
 * forbids that). Tags are lower case, as in the prompt that the model was trained on. A reply without any thought can
 * still be read: the format reward is 0 then, but the verdict is clear.
 */
import type { FinishReason, UnreadableReason } from "../types.ts";

const THINK = "<think>";
const THINK_END = "</think>";
const ANSWER = "<answer>";
const ANSWER_END = "</answer>";

/** Longest reply that is read, in UTF-16 code units: 64 times what the paper's evaluation lets a judge write. */
export const DEFAULT_MAX_LENGTH = 256 * 1024;

/** Where an answer stands: `text.slice(start, end)` is what it says, without the white space around it. */
export interface AnswerSpan {
  readonly start: number;
  readonly end: number;
}

/** The answer's place, or why there is none. */
export type Located = AnswerSpan | { readonly why: UnreadableReason };

/** Finds the answer in a whole reply. */
export type AnswerLocator = (text: string) => Located;

/** The part of a reply that decides whether it may be read at all. */
export interface ReplyHead {
  readonly text: string;
  readonly finishReason?: FinishReason | undefined;
}

const isAsciiSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);

/** Narrows a span to leave out ASCII white space at both ends; other white space is content. */
const trimSpan = (text: string, from: number, to: number): AnswerSpan => {
  let [start, end] = [from, to];
  while (start < end && isAsciiSpace(text.charCodeAt(start))) start++;
  while (end > start && isAsciiSpace(text.charCodeAt(end - 1))) end--;
  return { start, end };
};

const trimmed = (text: string, from: number, to: number): string => {
  const { start, end } = trimSpan(text, from, to);
  return text.slice(start, end);
};

/** Why a reply must not be read, whatever it says; `null` when it may. A reply that hit its limit is never read. */
export const refuseReply = (reply: ReplyHead, maxLength: number): UnreadableReason | null => {
  if (reply.finishReason === "content-filter") return "refused";
  if (reply.finishReason === "length") return "cut-off";
  if (reply.text.length > maxLength) return "too-long";
  return trimmed(reply.text, 0, reply.text.length) === "" ? "empty" : null;
};

/** Start of what follows the last closed thought; `undefined` when a thought was opened after it and never closed. */
const afterThought = (text: string): number | undefined => {
  const close = text.lastIndexOf(THINK_END);
  const from = close < 0 ? 0 : close + THINK_END.length;
  return text.indexOf(THINK, from) < 0 ? from : undefined;
};

/** Finds what stands between the last `<answer>` and the last `</answer>` after the last closed thought. */
export const locateTaggedAnswer: AnswerLocator = (text) => {
  const from = afterThought(text);
  if (from === undefined) return { why: "cut-off" };
  const open = text.lastIndexOf(ANSWER);
  const close = text.lastIndexOf(ANSWER_END);
  // An answer that was opened again after the last closed one was never finished: the closed one no longer speaks.
  if (open < from || close < open) return { why: "no-answer" };
  return trimSpan(text, open + ANSWER.length, close);
};

/**
 * The thought of a reply without its tags; the text before the answer when there are none (a chat template may put the
 * opening tag into the prompt, and judges without tags reason in the open); empty when nothing can be told apart.
 */
export const readReasoning = (text: string): string => {
  const open = text.indexOf(THINK);
  const close = text.lastIndexOf(THINK_END);
  const from = open < 0 || (close >= 0 && close < open) ? 0 : open + THINK.length;
  if (close >= 0) return trimmed(text, from, close);
  if (open >= 0) return trimmed(text, from, text.length);
  const answer = text.lastIndexOf(ANSWER);
  return answer < 0 ? "" : trimmed(text, 0, answer);
};

/** What may stand around the two blocks, beyond the paper's grammar. */
export interface R1FormatOptions {
  /** Allow white space between `</think>` and `<answer>`; the paper's grammar does not, its own figure 6 does. */
  readonly whitespaceBetween?: boolean | undefined;
  /**
   * Allow white space before and after. The released reward server strips a completion before it checks it, and
   * Python's `$` lets one final newline pass; both only matter to a decoder that leaves such characters.
   */
  readonly whitespaceAround?: boolean | undefined;
}

const once = (text: string, tag: string): number => {
  const at = text.indexOf(tag);
  return at === text.lastIndexOf(tag) ? at : -1;
};

/**
 * Does a reply obey `^<think>.*?</think><answer>.*?</answer>$` (dot matches newline), with exactly one of each of the
 * four tags? This is the paper's format reward. The released check (`verify_format` in the reference repository's
 * reward server) counts opening tags alone, so a stray closing tag passes there and fails here.
 */
export const hasR1Format = (text: string, options: R1FormatOptions = {}): boolean => {
  const body = options.whitespaceAround ? trimmed(text, 0, text.length) : text;
  const thinkEnd = once(body, THINK_END);
  const answer = once(body, ANSWER);
  const answerEnd = once(body, ANSWER_END);
  if (once(body, THINK) !== 0 || thinkEnd < THINK.length || answer < thinkEnd + THINK_END.length) return false;
  if (answerEnd < answer + ANSWER.length || answerEnd + ANSWER_END.length !== body.length) return false;
  const between = body.slice(thinkEnd + THINK_END.length, answer);
  return between === "" || (options.whitespaceBetween === true && trimmed(between, 0, between.length) === "");
};
