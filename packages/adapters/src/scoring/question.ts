/** Questions and pictures, as hosts have them. */
import { RewardError, type ImagePart, type Part } from "@r1reward/core";
import type { PreparedTask, ScoringTask } from "./types.ts";

/** A picture given as base64 and media type. */
export const imageOfBase64 = (mediaType: string, base64: string): ImagePart => ({
  type: "image",
  image: { dataUri: `data:${mediaType};base64,${base64}` },
});

/** A picture given by a URL: a data URI, or an address that the media loader must allow. */
export const imageOfUrl = (url: string | URL): ImagePart => {
  const text = String(url);
  return { type: "image", image: text.startsWith("data:") ? { dataUri: text } : { url: text } };
};

/** A picture given as bytes. */
export const imageOfBytes = (bytes: Uint8Array): ImagePart => ({ type: "image", image: { bytes } });

const names = new WeakMap<object, string>();
let named = 0;

/** Bytes count by identity: comparing them is not worth it, and hosts that copy them can name the group. */
const nameOf = (object: object): string => {
  const known = names.get(object) ?? `#${(named += 1)}`;
  names.set(object, known);
  return known;
};

const groupOf = (question: readonly Part[]): string => {
  const [only] = question;
  if (question.length === 1 && only?.type === "text") return only.text;
  return JSON.stringify(question, (_key, value: unknown) => (value instanceof Uint8Array ? nameOf(value) : value));
};

/**
 * Checks a task and fills in what was left out.
 *
 * @throws {RewardError} when the question or the response is missing: hosts hand over `undefined` for a field that was
 *   misspelt.
 */
export const prepare = ({ question, response, reference, group }: ScoringTask): PreparedTask => {
  const parts: readonly Part[] = typeof question === "string" ? [{ type: "text", text: question }] : question;
  const check = (ok: boolean, field: string, expected: string, got: unknown): void => {
    if (!ok) throw new RewardError("scoring", group, `${field}: expected ${expected}, got ${describe(got)}`);
  };
  check(Array.isArray(parts) && parts.length > 0, "question", "text or parts", question);
  check(typeof response === "string", "response", "text", response);
  check(reference === undefined || typeof reference === "string", "reference", "text or nothing", reference);
  return { question: parts, response, reference, group: group ?? groupOf(parts) };
};

const describe = (value: unknown): string => {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? `a list of ${value.length}` : `a ${typeof value}`;
};

/** A short name of a group for ids and messages. */
export const shortName = (group: string): string => group.slice(0, 80);
