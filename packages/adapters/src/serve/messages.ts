/** Messages as the OpenAI APIs and Hugging Face datasets write them. */
import type { MediaSource } from "@r1reward/core";
import { isFields } from "./fields.ts";
import { mediaSource } from "./media.ts";

/** What was said and shown in one message. */
interface Said {
  readonly text: string;
  readonly media: readonly MediaSource[];
  /** Images that were promised. */
  readonly images: number;
}

const NOTHING: Said = { text: "", media: [], images: 0 };

const imageOf = (part: Readonly<Record<string, unknown>>): unknown => {
  const value = part["image_url"] ?? part["image"] ?? part["input_image"] ?? part["url"] ?? part["path"];
  return isFields(value) && "url" in value ? value["url"] : value;
};

const saidByPart = (part: unknown): Said => {
  if (typeof part === "string") return { ...NOTHING, text: part };
  if (!isFields(part)) return NOTHING;
  if (typeof part["text"] === "string") return { ...NOTHING, text: part["text"] };
  const kind = part["type"];
  if (typeof kind !== "string" || !kind.includes("image")) return NOTHING;
  const source = mediaSource(imageOf(part));
  return { text: "", media: source === undefined ? [] : [source], images: 1 };
};

/** What a message's `content` says: text, or a list of parts. */
export const saidIn = (content: unknown): Said => {
  const parts = (Array.isArray(content) ? content : [content]).map(saidByPart);
  return {
    text: parts
      .map(({ text }) => text)
      .filter((text) => text !== "")
      .join("\n"),
    media: parts.flatMap(({ media }) => media),
    images: parts.reduce((sum, { images }) => sum + images, 0),
  };
};

/** A list of messages as one question; `undefined` when it is no list of messages. */
export const messagesPrompt = (
  messages: readonly unknown[],
  transcript: (turns: readonly { role: string; text: string }[]) => string,
): (Said & { readonly text: string }) | undefined => {
  const turns: { role: string; said: Said }[] = [];
  for (const message of messages) {
    if (!isFields(message) || typeof message["role"] !== "string") return undefined;
    turns.push({ role: message["role"], said: saidIn(message["content"]) });
  }
  return {
    text: transcript(turns.map(({ role, said }) => ({ role, text: said.text.replaceAll("<image>", "").trim() }))),
    media: turns.flatMap(({ said }) => said.media),
    images: turns.reduce((sum, { said }) => sum + said.images, 0),
  };
};
