/** What a pair looks like to something that searches for copies: normalised words, their shingles, and its pictures. */
import { sha256 } from "../hash.ts";
import type { Awaitable, CallOptions } from "../interfaces.ts";
import type { MediaSource, Part, Preference } from "../types.ts";

/** Names a picture by its content, so that copies have the same name; `null` when it cannot tell. */
export type PictureKey = (source: MediaSource, options?: CallOptions) => Awaitable<string | null>;

/** A pair as the index compares it. */
export interface Fingerprint {
  /** Hash of the normalised question, both responses in either order, and the pictures: equal for copies. */
  readonly exact: string;
  /** Hashed shingles of question and responses, ascending, each once. */
  readonly whole: Uint32Array;
  /** Hashed shingles of the question. */
  readonly question: Uint32Array;
  /** Words of question and responses together. */
  readonly words: number;
  readonly pictures: readonly string[];
}

/** Words per shingle. */
const SHINGLE = 3;

// Scripts without spaces: each sign counts as a word.
const WORD = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]|[\p{L}\p{N}]+/gu;

/** The words of a text: compatibility forms folded, lower case, no punctuation. */
export const normalisedWords = (text: string): readonly string[] =>
  text.normalize("NFKC").toLowerCase().match(WORD) ?? [];

/** FNV-1a over the characters, mixed once more, so that low and high bits are both good. */
const hash32 = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
};

const addShingles = (words: readonly string[], into: Set<number>): void => {
  if (words.length > 0 && words.length < SHINGLE) into.add(hash32(words.join(" ")));
  for (let at = 0; at + SHINGLE <= words.length; at += 1) into.add(hash32(words.slice(at, at + SHINGLE).join(" ")));
};

const sorted = (shingles: ReadonlySet<number>): Uint32Array => Uint32Array.from(shingles).sort();

/** Share of shingles that two texts have in common (Jaccard), 1 for two empty ones. Both ascending. */
export const jaccard = (a: Uint32Array, b: Uint32Array): number => {
  let [i, j, common] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const [left, right] = [a[i]!, b[j]!];
    if (left === right) common += 1;
    if (left <= right) i += 1;
    if (right <= left) j += 1;
  }
  const all = a.length + b.length - common;
  return all === 0 ? 1 : common / all;
};

/** A folder of frames is known by its name: it is no picture that a key could read. */
const namesOf = (part: Part, key: PictureKey, options: CallOptions): readonly Awaitable<string | null>[] => {
  if (part.type === "text") return [];
  if (part.type === "image") return [key(part.image, options)];
  if ("folder" in part.video) return [`folder:${part.video.folder}`];
  return part.video.frames.map((frame) => key(frame, options));
};

const pictureNames = async (pair: Preference, key: PictureKey, options: CallOptions): Promise<readonly string[]> => {
  const names = await Promise.all(pair.question.flatMap((part) => namesOf(part, key, options)));
  return names.flatMap((name) => (name === null ? [] : [name])).sort();
};

/** Knows pictures by their bytes in memory, and by their names elsewhere. */
export const pictureByName: PictureKey = (source) => {
  if ("bytes" in source) return `sha256:${sha256(source.bytes)}`;
  if ("dataUri" in source) return `sha256:${sha256(source.dataUri)}`;
  return "url" in source ? `url:${source.url}` : `path:${source.path}`;
};

/** The fingerprint of a pair. `picture` says what a picture is known by. */
export const fingerprintOf = async (
  pair: Preference,
  options: CallOptions & { readonly picture?: PictureKey | undefined } = {},
): Promise<Fingerprint> => {
  const text = pair.question.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
  const question = normalisedWords(text);
  const responses = pair.responses.map(normalisedWords);
  const pictures = await pictureNames(pair, options.picture ?? pictureByName, options);
  const asked = new Set<number>();
  addShingles(question, asked);
  const whole = new Set(asked);
  for (const words of responses) addShingles(words, whole);
  const eitherOrder = responses.map((words) => words.join(" ")).sort();
  return {
    exact: sha256(JSON.stringify([question.join(" "), eitherOrder, pictures])),
    whole: sorted(whole),
    question: sorted(asked),
    words: question.length + responses.reduce((sum, words) => sum + words.length, 0),
    pictures,
  };
};
