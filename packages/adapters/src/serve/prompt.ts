/**
 * From what trainers send to a question and an answer.
 *
 * Trainers send a chat template's text. Its markers say where the answer begins, but the answer is written by the policy
 * and may contain the same markers: so where it begins is told from the prompt alone, never from the last marker.
 */
import { messagesPrompt } from "./messages.ts";
import { jsonOf, parseMaybe } from "./fields.ts";
import { mediaSources } from "./media.ts";
import type { AskedPrompt } from "./types.ts";

/** What opens the assistant's turn in the templates of the usual families. */
const ASSISTANT = [
  "<|im_start|>assistant\n", // Qwen, ChatML
  "<|start_header_id|>assistant<|end_header_id|>\n\n", // Llama 3
  "<start_of_turn>model\n", // Gemma
  "<|assistant|>\n", // Phi, Zephyr
  "<｜Assistant｜>", // DeepSeek
  "[/INST]", // Llama 2, Mistral
] as const;

/** What closes a turn or a text; stripped from the end of an answer only. */
const ENDINGS = [
  "<|im_end|>",
  "<|endoftext|>",
  "<|eot_id|>",
  "<|end_of_text|>",
  "<end_of_turn>",
  "<eos>",
  "<|end|>",
  "</s>",
  "<｜end▁of▁sentence｜>",
  "<pad>",
  "<|pad|>",
] as const;

/** One turn of a template. */
interface Turn {
  readonly role: string;
  readonly text: string;
}

/** An answer without the markers at its end. Linear: only the end is looked at. */
export const withoutEndings = (text: string): string => {
  let rest = text.trimEnd();
  for (let found: string | undefined = ""; found !== undefined;) {
    found = ENDINGS.find((ending) => rest.endsWith(ending));
    if (found !== undefined) rest = rest.slice(0, -found.length).trimEnd();
  }
  return rest;
};

const countOf = (text: string, marker: string): number => {
  let count = 0;
  for (let at = text.indexOf(marker); at >= 0; at = text.indexOf(marker, at + marker.length)) count += 1;
  return count;
};

const afterOccurrence = (text: string, marker: string, nth: number): string | undefined => {
  let at = -marker.length;
  for (let seen = 0; seen < nth; seen++) {
    at = text.indexOf(marker, at + marker.length);
    if (at < 0) return undefined;
  }
  return text.slice(at + marker.length);
};

/** The marker that comes first: the template's own, whatever the policy writes after it. */
const firstMarker = (text: string): { readonly marker: string; readonly at: number } | undefined =>
  ASSISTANT.map((marker) => ({ marker, at: text.indexOf(marker) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)[0];

/** How many assistant turns stand in the text, the one that is being written included. */
const turnsExpected = (prompt: string, marker: string): number => {
  const templated = countOf(prompt, marker);
  if (templated > 0) return templated;
  const messages = parseMaybe(prompt);
  const spoken = Array.isArray(messages)
    ? messages.filter((turn: unknown) => (turn as { role?: unknown } | null)?.role === "assistant").length
    : 0;
  return spoken + 1;
};

/**
 * The answer in `query`, a prompt followed by an answer. Told by the prompt when `query` begins with it, else by as many
 * assistant markers as the prompt accounts for; `query` itself when there is neither.
 */
export const answerIn = (query: string, prompt: string): string => {
  if (prompt !== "" && query.startsWith(prompt)) return withoutEndings(query.slice(prompt.length));
  const marker = firstMarker(query)?.marker;
  const answer = marker === undefined ? undefined : afterOccurrence(query, marker, turnsExpected(prompt, marker));
  return withoutEndings(answer ?? query);
};

/**
 * A whole conversation with nothing that says where its prompt ends: cut at the first assistant marker, which is the only
 * one that the policy cannot have written. Without a marker all of it is the answer.
 */
export const splitQuery = (query: string): { readonly prompt: string; readonly answer: string } => {
  const first = firstMarker(query);
  if (first === undefined) return { prompt: "", answer: withoutEndings(query) };
  const end = first.at + first.marker.length;
  return { prompt: query.slice(0, end), answer: withoutEndings(query.slice(end)) };
};

const CHATML = /<\|im_start\|>(system|user|assistant)\n/g;
const LLAMA3 = /<\|start_header_id\|>(system|user|assistant)<\|end_header_id\|>\n\n/g;
const GEMMA = /<start_of_turn>(user|model)\n/g;

const turnsBy = (text: string, opening: RegExp): readonly Turn[] => {
  const openings = [...text.matchAll(opening)];
  return openings.map((match, at) => {
    const end = openings[at + 1]?.index ?? text.length;
    const role = match[1] === "model" ? "assistant" : match[1]!;
    return { role, text: withoutEndings(text.slice(match.index + match[0].length, end)) };
  });
};

const IMAGE_MARKS =
  /<\|vision_start\|>(?:<\|(?:image|video)_pad\|>)*<\|vision_end\|>|<image>|<start_of_image>|<\|image\|>/g;

/** A default that says nothing about the question. */
const isBoilerplate = (text: string): boolean =>
  /^(?:you are (?:qwen|a helpful assistant)[^\n]{0,120})?$/i.test(text.trim());

/** Turns as the judge should read them: a single question alone, a conversation with its speakers. */
export const transcript = (turns: readonly Turn[]): string => {
  const said = turns.filter(({ role, text }) => text !== "" && !(role === "system" && isBoilerplate(text)));
  if (said.length === 1 && said[0]!.role === "user") return said[0]!.text;
  const names: Record<string, string> = { system: "System", user: "User", assistant: "Assistant" };
  return said.map(({ role, text }) => `${names[role] ?? role}: ${text}`).join("\n\n");
};

/** The question in a templated prompt, and how many images its markers promise. */
export const questionIn = (prompt: string): { readonly text: string; readonly images: number } => {
  const images = [...prompt.matchAll(IMAGE_MARKS)].length;
  const plain = prompt.replace(IMAGE_MARKS, "").replaceAll("<bos>", "").replaceAll("<|begin_of_text|>", "");
  for (const opening of [CHATML, LLAMA3, GEMMA]) {
    const turns = turnsBy(plain, opening);
    if (turns.length > 0) return { text: transcript(turns).trim(), images };
  }
  return { text: plain.trim(), images };
};

/** A prompt of any kind: messages, messages as JSON text, or a template's text. */
export const readPrompt = (value: unknown): Pick<AskedPrompt, "text" | "raw" | "media" | "promised"> => {
  const parsed = parseMaybe(value);
  if (Array.isArray(parsed) && parsed.length > 0) {
    const read = messagesPrompt(parsed as readonly unknown[], transcript);
    const raw = typeof value === "string" ? value : JSON.stringify(value);
    if (read !== undefined) return { text: read.text, media: read.media, promised: read.images, raw };
  }
  const raw = typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value);
  const { text, images } = questionIn(raw);
  return { text, raw, media: [], promised: images };
};

/** A prompt with what else a request says about it. Images given beside the prompt come before those inside it. */
export const askedPrompt = (
  value: unknown,
  beside: { readonly label?: unknown; readonly images?: unknown; readonly id?: string | undefined } = {},
): AskedPrompt => {
  const read = readPrompt(value);
  const given = mediaSources(beside.images ?? []);
  return {
    ...read,
    media: given.length > 0 ? given : read.media,
    promised: Math.max(read.promised, given.length),
    label: jsonOf(beside.label ?? null),
    ...(beside.id === undefined ? {} : { id: beside.id }),
  };
};
