/** The asking half of a protocol: one user message about a pair, with untrusted text made harmless. */
import { ConfigError, PromptError } from "../errors.ts";
import type { JudgeWarning, Message, Part, Preference } from "../types.ts";
import { CONTROL_MARKERS, neutraliseMarkers, REPLY_TAGS } from "./neutralise.ts";
import { compileTemplate } from "./template.ts";

/** How the pair is put into the prompt. */
export interface AskOptions {
  /** Where images and videos stand in the message; the order in which a model was trained is the one to use. */
  readonly contentOrder?: "media-first" | "text-first" | undefined;
  /**
   * Control markers (`<|im_end|>`, …) in the question or the responses: defuse them and warn (default), throw
   * `PromptError`, or send them as they are, which lets a response speak as the judge.
   */
  readonly markers?: "neutralise" | "refuse" | "keep" | undefined;
  /**
   * `<think>` and `<answer>` tags in the question or the responses: leave them and warn (default: the parser ignores
   * quoted tags, and the prompt stays what the model was trained on), or defuse them as well.
   */
  readonly replyTags?: "warn" | "neutralise" | undefined;
}

/** Everything the asking half needs. */
export interface AskSetup extends AskOptions {
  /** With the placeholders `{question}`, `{answer1}` and `{answer2}`. */
  readonly template: string;
  /** A system message; without one, the model's chat template adds its own. */
  readonly system?: string | undefined;
  /** Markers without pipes to look for; `<|…|>` is always looked for. */
  readonly controlMarkers?: readonly string[] | undefined;
}

/** Asks about pairs. */
export interface Asker {
  prompt(pair: Preference): readonly Message[];
  warnings(pair: Preference): readonly JudgeWarning[];
}

/**
 * Checks an option that has a few named values: JavaScript and configuration files pass anything.
 *
 * @throws ConfigError when it is none of them.
 */
export const oneOf = <T extends string>(option: string, value: T, allowed: readonly T[]): T => {
  if (allowed.includes(value)) return value;
  const names = allowed.map((name) => JSON.stringify(name)).join(" or ");
  throw new ConfigError(`${option}: expected ${names}, got ${JSON.stringify(value)}`);
};

const PLACEHOLDERS = ["question", "answer1", "answer2"] as const;

type Fields = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>;

const FIELD_NAMES: Fields = { question: "question", answer1: "responses[0]", answer2: "responses[1]" };

/** Pieces of text that stand between images are joined by a newline: the prompt has one place for the question. */
const fieldsOf = (pair: Preference): Fields => ({
  question: pair.question.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n"),
  answer1: pair.responses[0],
  answer2: pair.responses[1],
});

const holdsReplyTag = (text: string): boolean => {
  const lower = text.toLowerCase();
  return ["<answer", "</answer", "</think"].some((tag) => lower.includes(tag));
};

const defuseTags = (fields: Fields): Fields => ({
  question: neutraliseMarkers(fields.question, REPLY_TAGS).text,
  answer1: neutraliseMarkers(fields.answer1, REPLY_TAGS).text,
  answer2: neutraliseMarkers(fields.answer2, REPLY_TAGS).text,
});

const checkSetup = (setup: AskSetup, controlMarkers: readonly string[]): void => {
  if (setup.markers === "keep") {
    if (setup.replyTags !== "neutralise") return;
    throw new ConfigError('replyTags: expected "warn" with markers "keep", got "neutralise"');
  }
  if (!neutraliseMarkers(setup.template, controlMarkers).changed) return;
  throw new ConfigError("template: expected no control markers (the chat server adds its own), got one");
};

const refusal = (pair: Preference, fields: Fields, controlMarkers: readonly string[]): PromptError => {
  const culprit = PLACEHOLDERS.find((name) => neutraliseMarkers(fields[name], controlMarkers).changed);
  const field = culprit === undefined ? "prompt" : FIELD_NAMES[culprit];
  return new PromptError(pair.id, field, "expected text without control markers, got one (markers: refuse)");
};

/**
 * Makes the asking half. Markers are looked for in the finished prompt, so that none can be assembled from a field and
 * what stands next to it; the template itself must not contain any.
 *
 * @throws ConfigError when the template lacks a placeholder or holds a control marker.
 */
export const createAsker = (setup: AskSetup): Asker => {
  const { system } = setup;
  const contentOrder = oneOf("contentOrder", setup.contentOrder ?? "media-first", ["media-first", "text-first"]);
  const markers = oneOf("markers", setup.markers ?? "neutralise", ["neutralise", "refuse", "keep"]);
  const replyTags = oneOf("replyTags", setup.replyTags ?? "warn", ["warn", "neutralise"]);
  const controlMarkers = setup.controlMarkers ?? CONTROL_MARKERS;
  checkSetup(setup, controlMarkers);
  const fill = compileTemplate(setup.template, PLACEHOLDERS);

  const compose = (pair: Preference) => {
    const raw = fieldsOf(pair);
    const fields = replyTags === "neutralise" ? defuseTags(raw) : raw;
    const filled = fill(fields);
    const safe = markers === "keep" ? { text: filled, changed: false } : neutraliseMarkers(filled, controlMarkers);
    const tagsChanged = PLACEHOLDERS.some((name) => fields[name] !== raw[name]);
    return { raw, text: safe.text, markersChanged: safe.changed, changed: safe.changed || tagsChanged };
  };

  return {
    prompt(pair) {
      const { raw, text, markersChanged } = compose(pair);
      if (markers === "refuse" && markersChanged) throw refusal(pair, raw, controlMarkers);
      const media = pair.question.filter((part) => part.type !== "text");
      const asked: Part = { type: "text", text };
      const user: Message = {
        role: "user",
        content: contentOrder === "text-first" ? [asked, ...media] : [...media, asked],
      };
      return system === undefined ? [user] : [{ role: "system", content: [{ type: "text", text: system }] }, user];
    },
    warnings(pair) {
      const { raw, changed } = compose(pair);
      const tagged = PLACEHOLDERS.some((name) => holdsReplyTag(raw[name]));
      return [
        ...(changed ? ["markers-neutralised" as const] : []),
        ...(tagged ? ["answer-tag-in-input" as const] : []),
      ];
    },
  };
};
