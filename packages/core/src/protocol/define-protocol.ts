/** A protocol from its parts: a template, the labels of the verdicts, and where a reply says them. */
import { ConfigError } from "../errors.ts";
import type { JudgeProtocol, Reading, Reply } from "../interfaces.ts";
import type { Verdict } from "../types.ts";
import { answerProbability } from "./answer-probability.ts";
import { type AskOptions, type AskSetup, createAsker } from "./ask.ts";
import {
  type AnswerLocator,
  DEFAULT_MAX_LENGTH,
  locateTaggedAnswer,
  readReasoning,
  refuseReply,
} from "./verdict-scanner.ts";

/** What a reply must say, to the letter, for each verdict. */
export interface VerdictLabels {
  /** The first shown response is better. */
  readonly first: string;
  readonly second: string;
  /** Left out where a tie is not allowed. */
  readonly tie?: string | undefined;
}

/** What callers may change about any protocol without making it another one. */
export interface ProtocolOptions extends AskOptions {
  /** Replies longer than this (UTF-16 code units) are `too-long`; 262,144 unless told. */
  readonly maxLength?: number | undefined;
}

/** The parts of a protocol whose judge ends with `<answer>LABEL</answer>`. */
export interface TaggedProtocolOptions extends ProtocolOptions, AskSetup {
  /** Stable name with its version, e.g. `my-judge/v1`: part of cache keys and reports. */
  readonly name: string;
  readonly labels: VerdictLabels;
}

const unreadable = (why: Extract<Verdict, { kind: "unreadable" }>["why"], reasoning: string): Reading => ({
  verdict: { kind: "unreadable", why },
  reasoning,
});

const verdictsOf = (labels: VerdictLabels): ReadonlyMap<string, Verdict> => {
  const entries: [string, Verdict][] = [
    [labels.first, { kind: "winner", winner: 0 }],
    [labels.second, { kind: "winner", winner: 1 }],
  ];
  if (labels.tie !== undefined) entries.push([labels.tie, { kind: "tie" }]);
  const verdicts = new Map(entries);
  if (verdicts.size !== entries.length) throw new ConfigError("labels: expected different ones, got the same twice");
  for (const label of verdicts.keys()) {
    if (label !== "" && label.trim() === label) continue;
    throw new ConfigError(`labels: expected text without white space around it, got ${JSON.stringify(label)}`);
  }
  return verdicts;
};

const checkMaxLength = (maxLength: number): number => {
  if (Number.isSafeInteger(maxLength) && maxLength > 0) return maxLength;
  throw new ConfigError(`maxLength: expected a positive whole number, got ${maxLength}`);
};

/**
 * The name of a protocol with options: names end up in cache keys and reports, so what changes the prompt or the reading
 * shows in them. `usual` is the content order that the base name stands for.
 */
export const variantName = (
  base: string,
  options: ProtocolOptions & { readonly template?: string | undefined; readonly system?: string | undefined },
  usual: "media-first" | "text-first" = "media-first",
): string => {
  const { contentOrder = usual, markers = "neutralise", replyTags = "warn", maxLength } = options;
  const changes = [base];
  if (options.template !== undefined || options.system !== undefined) changes.push("template");
  if (contentOrder !== usual) changes.push(contentOrder);
  if (markers !== "neutralise") changes.push(`markers-${markers}`);
  if (replyTags !== "warn") changes.push("tags-neutralised");
  if (maxLength !== undefined) changes.push(`max-${maxLength}`);
  return changes.join("+");
};

/** Assembles a protocol around any way of finding the answer. */
export const assembleProtocol = (options: TaggedProtocolOptions, locate: AnswerLocator): JudgeProtocol => {
  const { name, labels } = options;
  const asker = createAsker(options);
  const verdicts = verdictsOf(labels);
  const maxLength = checkMaxLength(options.maxLength ?? DEFAULT_MAX_LENGTH);

  const parse = (reply: Reply): Reading => {
    const { text, logps } = reply;
    const refused = refuseReply(reply, maxLength);
    // What a cut-off judge had thought so far helps whoever reads the log; it decides nothing.
    if (refused !== null) return unreadable(refused, refused === "cut-off" ? readReasoning(text) : "");
    const reasoning = readReasoning(text);
    const span = locate(text);
    if ("why" in span) return unreadable(span.why, reasoning);
    const answer = text.slice(span.start, span.end);
    const verdict = verdicts.get(answer);
    if (verdict === undefined) return unreadable("bad-answer", reasoning);
    if (verdict.kind !== "winner" || logps === undefined) return { verdict, reasoning };
    const probability = answerProbability(logps, locate, labels, answer);
    return probability === undefined ? { verdict, reasoning } : { verdict, reasoning, probability };
  };

  return { name, prompt: (pair) => asker.prompt(pair), warnings: (pair) => asker.warnings(pair), parse };
};

/**
 * A protocol whose judge reasons in `<think>…</think>` or in the open and ends with `<answer>LABEL</answer>`.
 *
 * The template has the placeholders `{question}`, `{answer1}` and `{answer2}`; the answer must be one of the labels to
 * the letter, ASCII white space around it apart.
 *
 * @throws ConfigError when the template lacks a placeholder or holds a control marker, or the labels are unusable.
 */
export const defineTaggedProtocol = (options: TaggedProtocolOptions): JudgeProtocol =>
  assembleProtocol(options, locateTaggedAnswer);
